from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.context.calendars import read_agenda
from pipeline.context.documents import Unreadable

LISBON = ZoneInfo("Europe/Lisbon")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
X-WR-CALNAME:Family
BEGIN:VEVENT
UID:1
SUMMARY:Dentist
LOCATION:Rua Augusta 5
DTSTART;TZID=Europe/Lisbon:20261130T100000
DTEND;TZID=Europe/Lisbon:20261130T110000
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Bins
DTSTART;VALUE=DATE:20261124
RRULE:FREQ=WEEKLY;COUNT=3
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:Yoga
DTSTART:20261125T180000
DURATION:PT90M
END:VEVENT
BEGIN:VEVENT
UID:4
SUMMARY:Long ago
DTSTART:20200101T180000Z
END:VEVENT
BEGIN:VTODO
UID:5
SUMMARY:Tax return
DUE;VALUE=DATE:20261201
END:VTODO
BEGIN:VTODO
UID:6
SUMMARY:Paint
STATUS:COMPLETED
END:VTODO
END:VCALENDAR
"""
CONTACTS = """BEGIN:VCARD
VERSION:3.0
FN:Anna Weber
TEL;TYPE=CELL:+351 912 345 678
TEL:tel:030-123
EMAIL:anna@example.org
NOTE:my sister
END:VCARD
BEGIN:VCARD
VERSION:4.0
FN:Jürgen
END:VCARD
BEGIN:VCARD
VERSION:3.0
N:;;;;
END:VCARD
"""


def read(folder: Path, name: str, content: str | bytes):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.replace("\n", "\r\n").encode())
    return read_agenda(file, LISBON, NOW)


def test_events_come_with_their_recurrences_and_in_their_time_zone(tmp_path) -> None:
    agenda = read(tmp_path, "family.ics", CALENDAR)
    assert agenda.title == "Family"
    by_title = {}
    for event in agenda.events:
        by_title.setdefault(event.title, []).append(event)
    assert set(by_title) == {"Dentist", "Bins", "Yoga"}
    assert by_title["Dentist"][0].starts == datetime(2026, 11, 30, 10, tzinfo=LISBON)
    assert by_title["Dentist"][0].place == "Rua Augusta 5"
    assert [event.starts.day for event in by_title["Bins"]] == [24, 1, 8]
    assert all(event.all_day for event in by_title["Bins"])
    # A time without a zone is the household's.
    assert by_title["Yoga"][0].starts == datetime(2026, 11, 25, 18, tzinfo=LISBON)
    assert (by_title["Yoga"][0].ends - by_title["Yoga"][0].starts).total_seconds() == 5400


def test_tasks_are_due_or_done(tmp_path) -> None:
    tasks = {task.title: task for task in read(tmp_path, "family.ics", CALENDAR).tasks}
    assert tasks["Tax return"].due == datetime(2026, 12, 1, tzinfo=LISBON)
    assert tasks["Tax return"].done is None
    assert tasks["Paint"].done is not None


def test_contacts_have_their_numbers(tmp_path) -> None:
    anna, juergen = read(tmp_path, "people.vcf", CONTACTS).contacts
    assert (anna.name, anna.phones, anna.emails, anna.note) == (
        "Anna Weber", ["+351 912 345 678", "030-123"], ["anna@example.org"], "my sister",
    )  # fmt: skip
    assert (juergen.name, juergen.phones) == ("Jürgen", [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ics", ""),
        ("a.ics", "nonsense"),
        ("a.ics", b"\xff\xfe\x00"),
        ("a.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n"),
        ("a.vcf", ""),
        ("a.vcf", "nonsense"),
        ("a.vcf", "BEGIN:VCARD\nVERSION:3.0\n"),
    ],
)
def test_what_is_no_calendar_and_no_address_book_is_told_of(tmp_path, name: str, content: str | bytes) -> None:
    with pytest.raises(Unreadable):
        read(tmp_path, name, content)


def test_one_damaged_event_costs_the_others_nothing(tmp_path) -> None:
    damaged = CALENDAR.replace("DTSTART:20261125T180000", "DTSTART:tomorrow")
    assert "Dentist" in {event.title for event in read(tmp_path, "family.ics", damaged).events}
