"""Reads documents: plain text, Markdown, HTML, PDF and EPUB become paragraphs with the headings they stand under."""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

import charset_normalizer
import pypdf
from bs4 import BeautifulSoup, Tag

LARGEST: Final = 100_000_000
"""Bytes of a document, as a file and unpacked."""

_HEADINGS = re.compile(r"h([1-6])")
_BLOCKS = ("h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "pre", "blockquote", "td", "th", "dt", "dd", "figcaption")
_NO_TEXT = ("script", "style", "noscript", "template", "nav", "header", "footer", "form", "svg", "iframe")
_MARKDOWN_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
_FENCE = re.compile(r"(```|~~~)")
_CHAPTER = re.compile(
    r"(?:chapter|part|section|book|kapitel|teil|abschnitt|chapitre|partie|capítulo|parte)\b.{0,60}", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MOST_CONTROL = 0.01
_LONGEST_HEADING = 80
_DRM = "META-INF/encryption.xml"
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


class Unreadable(Exception):  # noqa: N818 - reads as what is the matter
    """A document cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    heading: str
    """The headings above it, the highest first, as "Care / Cleaning"; empty where there are none."""
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """What stands in a document."""

    title: str
    paragraphs: Sequence[Paragraph]


def read_document(file: Path) -> Document:
    """Read a document; this blocks. Raises `Unreadable`."""
    reader = READERS.get(file.suffix.lower(), _read_text)
    try:
        _demand_small(file)
        document = reader(file)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    except Exception as error:
        # None of the formats' libraries has one error for all that it stumbles on in a damaged file.
        raise Unreadable(f"it is damaged: {error or type(error).__name__}") from error
    paragraphs = [
        Paragraph(" ".join(each.heading.split()), text) for each in document.paragraphs if (text := _clean(each.text))
    ]
    if not paragraphs:
        raise Unreadable("there is no text in it")
    return Document(" ".join(document.title.split()) or file.stem, paragraphs)


def _demand_small(file: Path) -> None:
    if file.stat().st_size > LARGEST:
        raise Unreadable(f"it is larger than {LARGEST // 1_000_000} MB: split it")


def _read_text(file: Path) -> Document:
    text = _decoded(file.read_bytes())
    lines = text.splitlines()
    return Document(file.stem, list(_text_paragraphs(lines)))


def _text_paragraphs(lines: Sequence[str]) -> Iterator[Paragraph]:
    """Paragraphs between empty lines; a chapter's name, or a line in capitals, is what those below it stand under."""
    heading, block = "", list[str]()
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
            continue
        if len(block) == 1 and _names_a_chapter(block[0].strip()):
            heading = block[0].strip()
        elif block:
            yield Paragraph(heading, "\n".join(block))
        block = []


def _names_a_chapter(line: str) -> bool:
    if len(line) > _LONGEST_HEADING:
        return False
    return bool(_CHAPTER.fullmatch(line)) or (line.isupper() and len(line.split()) > 1)


def _read_markdown(file: Path) -> Document:
    headings: dict[int, str] = {}
    paragraphs, block, fenced = list[Paragraph](), list[str](), False
    for line in [*_decoded(file.read_bytes()).splitlines(), ""]:
        fenced ^= bool(_FENCE.match(line.strip()))
        heading = None if fenced else _MARKDOWN_HEADING.match(line)
        if line.strip() and not heading:
            block.append(line)
            continue
        if block and not fenced:
            paragraphs.append(Paragraph(_path(headings), "\n".join(block)))
            block = []
        if heading:
            _open(headings, len(heading[1]), heading[2])
    if block:
        paragraphs.append(Paragraph(_path(headings), "\n".join(block)))
    return Document(headings.get(1) or file.stem, paragraphs)


def _read_html(file: Path) -> Document:
    title, paragraphs = _html(file.read_bytes())
    return Document(title or file.stem, paragraphs)


def _html(page: bytes | str) -> tuple[str, list[Paragraph]]:
    soup = BeautifulSoup(page, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup(_NO_TEXT):
        tag.decompose()
    headings: dict[int, str] = {}
    paragraphs: list[Paragraph] = []
    for tag in soup(_BLOCKS):
        if not isinstance(tag, Tag) or tag.find(_BLOCKS) is not None:
            # What is inside of it comes by itself.
            continue
        text = tag.get_text(" ", strip=True)
        if level := _HEADINGS.fullmatch(tag.name):
            _open(headings, int(level[1]), text)
        elif text:
            paragraphs.append(Paragraph(_path(headings), text))
    if not paragraphs and (text := soup.get_text("\n", strip=True)):
        paragraphs.append(Paragraph("", text))
    return title, paragraphs


def _read_pdf(file: Path) -> Document:
    reader = pypdf.PdfReader(file)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("it is encrypted: save a copy of it without its password")
    paragraphs = [
        Paragraph(f"page {number}", part)
        for number, page in enumerate(reader.pages, 1)
        for part in re.split(r"\n\s*\n", page.extract_text())
    ]
    title = str(reader.metadata.title or "") if reader.metadata else ""
    if not any(each.text.strip() for each in paragraphs):
        raise Unreadable("there is no text in it, only pictures: recognize its text first, with ocrmypdf say")
    return Document(title or file.stem, paragraphs)


def _read_epub(file: Path) -> Document:
    with zipfile.ZipFile(file) as book:
        return _book(book, file.stem)


def _book(book: zipfile.ZipFile, name: str) -> Document:
    """Read a book's chapters in their order (EPUB 3.3, https://www.w3.org/TR/epub-33/)."""
    if sum(each.file_size for each in book.infolist()) > LARGEST:
        raise Unreadable(f"it is larger than {LARGEST // 1_000_000} MB unpacked")
    if _DRM in book.namelist():
        methods = BeautifulSoup(book.read(_DRM), "html.parser").find_all("enc:encryptionmethod")
        if any(method.get("algorithm") not in _FONT_ALGORITHMS for method in methods):
            raise Unreadable("it is protected against copying: only its reader's own program can open it")
    container = BeautifulSoup(book.read("META-INF/container.xml"), "html.parser")
    root = container.find("rootfile")
    if not isinstance(root, Tag):
        raise Unreadable("it is damaged: it does not say where its contents are")
    package_file = PurePosixPath(str(root["full-path"]))
    package = BeautifulSoup(book.read(str(package_file)), "html.parser")
    files = {item.get("id"): str(item.get("href")) for item in package.find_all("item")}
    title = package.find("dc:title")
    paragraphs: list[Paragraph] = []
    for item in package.find_all("itemref"):
        if href := files.get(item.get("idref")):
            page = book.read(str(package_file.parent / unquote(href.partition("#")[0])))
            chapter, found = _html(page)
            paragraphs += [Paragraph(each.heading or chapter, each.text) for each in found]
    return Document(title.get_text(" ", strip=True) if title else name, paragraphs)


def _open(headings: dict[int, str], level: int, text: str) -> None:
    """Put a heading in place of its likes and of those below."""
    for lower in [each for each in headings if each >= level]:
        del headings[lower]
    headings[level] = text


def _path(headings: dict[int, str]) -> str:
    return " / ".join(headings[level] for level in sorted(headings))


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        guess = None if b"\x00" in content else charset_normalizer.from_bytes(content).best()
        if guess is None:
            raise Unreadable("it is no text, nor one of the formats known here")
        text = str(guess)
    if len(_CONTROL.findall(text)) > _MOST_CONTROL * len(text):
        raise Unreadable("it is no text, nor one of the formats known here")
    return text


def _clean(text: str) -> str:
    text = _CONTROL.sub(" ", text).encode("utf-8", "ignore").decode("utf-8")
    # A word that a line's end has divided.
    text = re.sub(r"(?<=[a-zäöüß])-\n(?=[a-zäöüß])", "", text)
    return " ".join(text.split())


READERS: Final[dict[str, Callable[[Path], Document]]] = {
    ".txt": _read_text,
    ".text": _read_text,
    ".md": _read_markdown,
    ".markdown": _read_markdown,
    ".html": _read_html,
    ".htm": _read_html,
    ".xhtml": _read_html,
    ".pdf": _read_pdf,
    ".epub": _read_epub,
}
"""What reads the files of a folder, by how their names end."""
