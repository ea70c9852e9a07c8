"""Reads calendars (iCalendar, RFC 5545) and address books (vCard, RFC 6350) that somebody has saved as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

import icalendar
import recurring_ical_events
import vobject

from pipeline.context.documents import LARGEST, Unreadable

BACK: Final = timedelta(days=30)
AHEAD: Final = timedelta(days=400)
"""How far recurring events are written out."""
MOST_EVENTS: Final = 20_000

CALENDAR, CONTACTS = ".ics", ".vcf"


@dataclass(frozen=True, slots=True)
class Event:
    """An appointment."""

    uid: str
    title: str
    starts: datetime
    ends: datetime
    all_day: bool
    place: str


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do."""

    uid: str
    title: str
    due: datetime | None
    done: datetime | None


@dataclass(frozen=True, slots=True)
class Contact:
    """A person in an address book."""

    uid: str
    name: str
    phones: Sequence[str]
    emails: Sequence[str]
    note: str


@dataclass(frozen=True, slots=True)
class Agenda:
    """What a file of either kind holds."""

    title: str
    events: Sequence[Event] = ()
    tasks: Sequence[Task] = ()
    contacts: Sequence[Contact] = ()


def read_agenda(file: Path, zone: tzinfo, now: datetime) -> Agenda:
    """Read a file; this blocks. Times without a zone are taken to be `zone`'s. Raises `Unreadable`."""
    try:
        if file.stat().st_size > LARGEST:
            raise Unreadable(f"it is larger than {LARGEST // 1_000_000} MB: split it")
        content = file.read_bytes()
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    try:
        if file.suffix.lower() == CONTACTS:
            return Agenda(file.stem, contacts=_contacts(content.decode("utf-8-sig", "replace")))
        return _calendar(content, file.stem, zone, now)
    except Unreadable:
        raise
    except Exception as error:
        # Neither library has one error for all that it stumbles on in a damaged file.
        raise Unreadable(f"it is damaged: {error or type(error).__name__}") from error


def _calendar(content: bytes, name: str, zone: tzinfo, now: datetime) -> Agenda:
    calendars = icalendar.Calendar.from_ical(content, multiple=True)
    if not calendars:
        raise Unreadable("there is no calendar in it")
    events, tasks, title = list[Event](), list[Task](), ""
    for calendar in calendars:
        title = title or str(calendar.get("X-WR-CALNAME", ""))
        found = recurring_ical_events.of(calendar, skip_bad_series=True).between(now - BACK, now + AHEAD)
        events += [_event(each, zone) for each in found[: MOST_EVENTS - len(events)]]
        tasks += [_task(each, zone) for each in calendar.walk("VTODO")]
    return Agenda(title or name, events, tasks)


def _event(event: Any, zone: tzinfo) -> Event:
    starts = event.decoded("DTSTART")
    ends = event.decoded("DTEND") if "DTEND" in event else starts
    return Event(
        uid=str(event.get("UID", "")) or f"{event.get('SUMMARY')} {starts}",
        title=_plain(event.get("SUMMARY")) or "an appointment without a name",
        starts=_moment(starts, zone),
        ends=max(_moment(ends, zone), _moment(starts, zone)),
        all_day=not isinstance(starts, datetime),
        place=_plain(event.get("LOCATION")),
    )


def _task(task: Any, zone: tzinfo) -> Task:
    done = _moment(task.decoded("COMPLETED"), zone) if "COMPLETED" in task else None
    if done is None and str(task.get("STATUS", "")).upper() in ("COMPLETED", "CANCELLED"):
        done = datetime.now(UTC)
    return Task(
        uid=str(task.get("UID", "")) or str(task.get("SUMMARY")),
        title=_plain(task.get("SUMMARY")) or "a task without a name",
        due=_moment(task.decoded("DUE"), zone) if "DUE" in task else None,
        done=done,
    )


def _contacts(content: str) -> list[Contact]:
    contacts = []
    for number, card in enumerate(vobject.readComponents(content, allowQP=True)):
        fields = card.contents
        name = _plain(fields["fn"][0].value) if "fn" in fields else ""
        if not name:
            continue
        contacts.append(
            Contact(
                uid=str(fields["uid"][0].value) if "uid" in fields else f"{number} {name}",
                name=name,
                phones=[_plain(each.value).removeprefix("tel:") for each in fields.get("tel", ())],
                emails=[_plain(each.value) for each in fields.get("email", ())],
                note=_plain(fields["note"][0].value) if "note" in fields else "",
            )
        )
    if not contacts:
        raise Unreadable("there is no contact in it")
    return contacts


def _moment(value: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), zone)
    return value if value.tzinfo is not None else value.replace(tzinfo=zone)


def _plain(value: object) -> str:
    return " ".join(str(value or "").replace("\x00", "").split())
