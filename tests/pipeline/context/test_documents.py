import contextlib
import zipfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.context.calendars import read_agenda
from pipeline.context.chunking import LONGEST, passages
from pipeline.context.documents import Document, Paragraph, Unreadable, read_document
from tests.pipeline.context.test_calendars import CALENDAR, CONTACTS

MARKDOWN = """# Boiler

Made in 2019.

## Care

Bleed it
twice a year.

```
# no heading
```

## Faults

F28: no gas.
"""


def written(folder: Path, name: str, content: bytes | str) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def pdf(folder: Path, *pages: str, password: str = "") -> Path:
    """A PDF with a line of text on each page, written by hand as the format's specification has it."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET" if text else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream".encode())
    body, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n".encode() + each + b"\nendobj\n"
    table = b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF".encode()
    file = written(folder, "book.pdf", body + head + table + trailer)
    if password:
        writer = pypdf.PdfWriter(clone_from=file)
        writer.encrypt(password, algorithm="RC4-128")
        writer.write(file)
    return file


def epub(folder: Path, *, protected: bool = False) -> Path:
    file = folder / "book.epub"
    with zipfile.ZipFile(file, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="OPS/p.opf"/></rootfiles></container>'
        )
        book.writestr(
            "OPS/p.opf",
            "<package><metadata><dc:title>The Whale</dc:title></metadata><manifest>"
            '<item id="b" href="two.xhtml"/><item id="a" href="one%20.xhtml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        )
        book.writestr("OPS/one .xhtml", "<html><body><h1>Loomings</h1><p>Call me Ishmael.</p></body></html>")
        book.writestr("OPS/two.xhtml", "<html><body><h1>The Carpet-Bag</h1><p>I stuffed a shirt.</p></body></html>")
        if protected:
            book.writestr(
                "META-INF/encryption.xml",
                '<encryption><enc:EncryptionMethod Algorithm="http://ns.adobe.com/adept"/></encryption>',
            )
    return file


def told(document: Document) -> list[tuple[str, str]]:
    return [(each.heading, each.text) for each in document.paragraphs]


def test_markdown_keeps_its_headings(tmp_path) -> None:
    document = read_document(written(tmp_path, "a.md", MARKDOWN))
    assert document.title == "Boiler"
    assert told(document) == [
        ("Boiler", "Made in 2019."),
        ("Boiler / Care", "Bleed it twice a year."),
        ("Boiler / Care", "``` # no heading ```"),
        ("Boiler / Faults", "F28: no gas."),
    ]


def test_text_keeps_its_chapters(tmp_path) -> None:
    document = read_document(
        written(tmp_path, "whale.txt", "CHAPTER 1. Loomings\n\nCall me\nIshmael.\n\nTHE END HERE\n\nDone.\n")
    )
    assert told(document) == [("CHAPTER 1. Loomings", "Call me Ishmael."), ("THE END HERE", "Done.")]


def test_a_page_is_read_without_what_surrounds_it(tmp_path) -> None:
    page = "<title>Rules</title><nav>Home</nav><script>alert(1)</script><h1>House</h1><p>Shoes <b>off</b>.</p><ul><li>Quiet <p>after ten.</p></li></ul>"
    document = read_document(written(tmp_path, "a.html", page))
    assert document.title == "Rules"
    assert told(document) == [("House", "Shoes off ."), ("House", "after ten.")]


def test_a_pdf_tells_its_pages(tmp_path) -> None:
    document = read_document(pdf(tmp_path, "The warranty is two years.", "Call 0800."))
    assert told(document) == [("page 1", "The warranty is two years."), ("page 2", "Call 0800.")]


def test_a_book_is_read_in_its_order(tmp_path) -> None:
    document = read_document(epub(tmp_path))
    assert document.title == "The Whale"
    assert told(document) == [("Loomings", "Call me Ishmael."), ("The Carpet-Bag", "I stuffed a shirt.")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_text_in_any_usual_encoding_is_read(tmp_path, encoding: str) -> None:
    text = "Die Tür zur Küche schließt schlecht. Bitte gründlich ölen, am besten im März oder später im Frühjahr."
    assert told(read_document(written(tmp_path, "a.txt", text.encode(encoding)))) == [("", text)]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", bytes(range(256)) * 20, "no text"),
        ("a.txt", b"", "no text in it"),
        ("a.md", b"\n\n  \n", "no text in it"),
        ("a.pdf", b"%PDF-1.4 nothing", "damaged"),
        ("a.epub", b"no zip", "damaged"),
        ("photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" * 50, "no text"),
    ],
)
def test_what_cannot_be_read_is_told_of(tmp_path, name: str, content: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_document(written(tmp_path, name, content))


def test_what_is_locked_or_only_pictures_is_told_of_with_what_to_do(tmp_path) -> None:
    with pytest.raises(Unreadable, match="without its password"):
        read_document(pdf(tmp_path, "Secret.", password="hidden"))
    with pytest.raises(Unreadable, match="ocrmypdf"):
        read_document(pdf(tmp_path, ""))
    with pytest.raises(Unreadable, match="protected against copying"):
        read_document(epub(tmp_path, protected=True))


def test_too_large_a_file_is_not_begun(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.context.documents.LARGEST", 10)
    with pytest.raises(Unreadable, match="split it"):
        read_document(written(tmp_path, "a.txt", "more than ten bytes"))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=3000).map(
    lambda text: " ".join(text.split()) or "a"
)


@given(st.lists(st.tuples(st.sampled_from(["One", "Two"]), TEXTS), max_size=6))
def test_no_word_is_lost_and_no_passage_is_too_long(given_paragraphs) -> None:
    paragraphs = [Paragraph(heading, text) for heading, text in given_paragraphs]
    found = passages(paragraphs)
    assert all(0 < len(each.text) <= LONGEST for each in found)
    for heading in ("One", "Two"):
        letters = "".join("".join(each.text.split()) for each in found if each.heading == heading)
        for each in paragraphs:
            if each.heading == heading and len(each.text) <= LONGEST:
                assert "".join(each.text.split()) in letters


def test_passages_keep_to_their_headings_and_overlap_by_a_sentence() -> None:
    sentences = [f"Sentence number {n} says something of its own about this house." for n in range(40)]
    found = passages([Paragraph("A", "Short."), Paragraph("A", "Too."), Paragraph("B", " ".join(sentences))])
    assert found[0] == Paragraph("A", "Short.\n\nToo.")
    assert len(found) > 2
    for before, after in pairwise(found[1:]):
        assert after.text.startswith(before.text.rsplit(". ", 1)[-1])


@pytest.mark.parametrize("name", ["book.pdf", "book.epub", "page.html", "note.md", "family.ics", "people.vcf"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=12), st.integers(0, 40)), min_size=1, max_size=8))
def test_whatever_is_damaged_is_read_or_told_of(tmp_path, name: str, changes) -> None:
    content = whole(tmp_path, name)
    for place, put, gone in changes:
        at = int(place * len(content))
        content = content[:at] + put + content[at + gone :]
    file = written(tmp_path, f"damaged-{name}", content)
    with contextlib.suppress(Unreadable):
        if file.suffix in (".ics", ".vcf"):
            read_agenda(file, UTC, datetime.now(UTC))
        else:
            passages(read_document(file).paragraphs)


def whole(folder: Path, name: str) -> bytes:
    match name:
        case "book.pdf":
            return pdf(folder, "The warranty is two years.", "Call 0800.").read_bytes()
        case "book.epub":
            return epub(folder).read_bytes()
        case "family.ics":
            return CALENDAR.replace("\n", "\r\n").encode()
        case "people.vcf":
            return CONTACTS.replace("\n", "\r\n").encode()
    return MARKDOWN.encode()
