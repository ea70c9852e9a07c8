"""Which things of a house people mean by what they say. No input or output."""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from tools.home.house import House, Thing

CLOSE: Final = 0.82
"""Likeness from which a name may be meant that was misheard: "sealing lights"."""

_KINDS: Final = {
    "light": ("light", "lights", "lamp", "lamps", "lighting"),
    "switch": ("switch", "switches", "plug", "plugs", "socket", "sockets", "outlet", "outlets"),
    "fan": ("fan", "fans", "ventilator", "ventilators"),
    "cover": ("blind", "blinds", "curtain", "curtains", "shutter", "shutters", "shade", "shades", "awning", "window",
              "windows", "garage", "garage door", "gate", "cover", "covers"),
    "lock": ("lock", "locks", "door", "doors"),
    "climate": ("thermostat", "thermostats", "heating", "heat", "heater", "radiator", "radiators", "ac",
                "air conditioning", "air conditioner", "aircon", "climate"),
    "media_player": ("tv", "television", "speaker", "speakers", "radio", "stereo", "music", "player"),
    "vacuum": ("vacuum", "vacuum cleaner", "hoover", "robot"),
    "scene": ("scene",),
}  # fmt: skip
_COVERS: Final = {
    ("blind", "blinds", "shutter", "shutters", "shade", "shades"): ("blind", "shutter", "shade"),
    ("curtain", "curtains"): ("curtain",), ("awning",): ("awning",), ("window", "windows"): ("window",),
    ("garage", "garage door"): ("garage",), ("gate",): ("gate",),
}  # fmt: skip
"""Words for covers, and what Home Assistant calls those; "cover" is any."""
_OTHER_COVERS: Final = frozenset({"window", "door", "garage", "gate", "roof"})
"""What is none of the covers that are called by another word and say nothing more of themselves."""
_ENGLISH: Final = {
    "licht": "light", "lichter": "lights", "lampe": "lamp", "lampen": "lamps", "fenster": "window", "tür": "door",
    "haustür": "front door", "heizung": "heating", "rollläden": "blinds", "rollladen": "blind", "vorhang": "curtain",
    "vorhänge": "curtains", "fernseher": "tv", "garagentor": "garage door", "alle": "all", "alles": "everything",
    "lumière": "light", "lumières": "lights", "lampes": "lamps", "fenêtre": "window", "fenêtres": "windows",
    "porte": "door", "chauffage": "heating", "volet": "blind", "volets": "blinds", "rideaux": "curtains", "télé": "tv",
    "tout": "everything", "toutes": "all", "tous": "all",
    "luz": "light", "luces": "lights", "lámpara": "lamp", "ventana": "window", "ventanas": "windows",
    "puerta": "door", "calefacción": "heating", "persiana": "blind", "persianas": "blinds", "cortinas": "curtains",
    "tele": "tv", "todo": "everything", "todas": "all", "todos": "all",
}  # fmt: skip
"""What people call things in the other languages that are spoken."""
_WORDS_OF: Final = {word: kind for kind, words in _KINDS.items() for word in words}
_PLURAL: Final = frozenset(word for words in _KINDS.values() for word in words if word.endswith("s")) - {"s"}
_FILLERS: Final = frozenset(
    "the a an my our this that please of any some der die das den dem le la les el los las".split()
)
_WITHIN: Final = "in|im|on|at|of|from|inside|dans|en|de|du|del"
_ALL: Final = frozenset({"all", "every", "everything", "both", "house"})
_EXCEPT: Final = re.compile(r"\b(?:except(?: for)?|but not|apart from|other than)\b", re.IGNORECASE)
_IN = re.compile(rf"\b(?:{_WITHIN}) (?:the |my |our |der |dem |den |la |le |el )?")


@dataclass(frozen=True, slots=True)
class Meant:
    """What somebody means."""

    things: Sequence[Thing]
    several: bool = False
    """Whether they mean all of them; otherwise one of them, and it is unclear which."""
    called: str = ""
    """What they are called together: "the kitchen lights"."""


def meant(words: str, house: House, *, kinds: Collection[str], room: str | None, here: str | None) -> Meant:
    """Find the things that these words mean.

    Args:
        kinds: the domains that come into question.
        room: the room that was named, if one was.
        here: where the person is; it counts where nothing else tells things apart.
    """
    words, *others = _EXCEPT.split(words)
    if others:
        return _but_not(others[0], meant(words, house, kinds=kinds, room=room, here=here), house, kinds, here)
    here = house.room_called(here) if here else None
    things = [thing for thing in house.things if thing.kind in kinds]
    said = _plain(words)
    if found := _named(said, things):
        return Meant(_nearest(found, room, here))
    place, rest = _room_in(said, house)
    place = house.room_called(room) if room else place
    rest = rest if place else said
    everything = bool(_ALL.intersection(rest.split()))
    rest = " ".join(word for word in rest.split() if word not in _ALL)
    there = [thing for thing in things if place is None or thing.room == place]
    nearby = None if everything or rest in _PLURAL else place or here
    if found := _named(rest, there) or _named(rest, [each for each in there if each.room == nearby], inside=nearby):
        return Meant(_nearest(found, place, here))
    kind = _WORDS_OF.get(rest)
    if kind is not None or (everything and not rest):
        return _group(rest, kind, there, place, here, everything=everything)
    if found := _part(rest, there) or _part(said, things) or _alike(said, things):
        return Meant(_nearest(found, place, here), several=everything)
    return Meant([])


def _but_not(words: str, found: Meant, house: House, kinds: Collection[str], here: str | None) -> Meant:
    """All of them but those: "all the lights except the bedroom"."""
    place, rest = _room_in(_plain(words), house)
    if place is not None and not rest:
        gone = {thing.id for thing in found.things if thing.room == place}
    else:
        gone = {thing.id for thing in meant(words, house, kinds=kinds, room=None, here=here).things}
    left = [thing for thing in found.things if thing.id not in gone]
    if not gone or not found.several:
        return Meant([])
    return Meant(left, several=len(left) > 1, called=f"{found.called} except {words.strip()}" if found.called else "")


def _named(said: str, things: Sequence[Thing], *, inside: str | None = None) -> list[Thing]:
    """Those whose name or alias is exactly this, with or without what they are: "bed" for the bed light.

    Args:
        inside: the room that it is about, whose name need not be said then.
    """
    if exact := [thing for thing in things if said in _names(thing, inside)]:
        return exact
    bare, kind = _without_kind(said)
    found = []
    for thing in things:
        for name in _names(thing, inside):
            other, its_kind = _without_kind(name)
            # "The kitchen light" is no player that is called "Kitchen".
            if other and bare == other and kind in (None, thing.kind, its_kind):
                found.append(thing)
                break
    return found


def _group(
    word: str, kind: str | None, there: Sequence[Thing], place: str | None, here: str | None, *, everything: bool
) -> Meant:
    """All of a kind in a room: the one that was named, else the one where the person is, else the house."""
    found = [thing for thing in there if kind is None or thing.kind == kind]
    if kind == "cover":
        found = _covers(word, found)
    # "The garage door" is a cover, "the door" may be one.
    found = found or [thing for thing in there if word and word in " ".join(_names(thing))]
    if (
        place is None
        and not everything
        and here is not None
        and (mine := [each for each in found if each.room == here])
    ):
        found, place = mine, here
    several = everything or word in _PLURAL or (word in ("light", "lighting") and place is not None)
    where = f" in the {place.lower()}" if place else ""
    called = f"{'all ' if everything and not place else ''}the {word}{where}" if word else f"everything{where}"
    return Meant(found, several=several and len(found) > 1, called=called)


def _covers(word: str, covers: Sequence[Thing]) -> list[Thing]:
    """Those that this word is said of: nobody who wants the blinds closed means the garage door."""
    classes = next((classes for words, classes in _COVERS.items() if word in words), None)
    if classes is None:
        return list(covers)
    single = word.removesuffix("s")
    said = [each for each in covers if each.device_class in classes or single in " ".join(_names(each))]
    return said or [each for each in covers if not each.device_class and _OTHER_COVERS.isdisjoint(_words_in(each))]


def _words_in(thing: Thing) -> set[str]:
    return {word.removesuffix("s") for name in _names(thing) for word in name.split()}


def _part(said: str, things: Sequence[Thing]) -> list[Thing]:
    """Those whose name holds all of these words, or the other way round."""
    wanted = set(said.split())
    if not wanted:
        return []
    holding = [thing for thing in things if any(wanted <= set(name.split()) for name in _names(thing))]
    return holding or [
        thing for thing in things if any(set(name.split()) <= wanted for name in _names(thing) if len(name) > 3)
    ]


def _alike(said: str, things: Sequence[Thing]) -> list[Thing]:
    likeness = {
        thing.id: max(difflib.SequenceMatcher(None, said, name).ratio() for name in _names(thing)) for thing in things
    }
    best = max(likeness.values(), default=0.0)
    return [thing for thing in things if likeness[thing.id] == best] if best >= CLOSE else []


def _nearest(found: Sequence[Thing], room: str | None, here: str | None) -> Sequence[Thing]:
    for place in (room, here):
        if (
            place
            and len(found) > 1
            and (near := [each for each in found if (each.room or "").lower() == place.lower()])
        ):
            return near
    return found


def _room_in(said: str, house: House) -> tuple[str | None, str]:
    """The room that these words name, and the rest of them."""
    rooms = sorted(house.spoken_rooms(), key=lambda each: len(each[0]), reverse=True)
    for spoken, room in rooms:
        name = _plain(spoken)
        if found := re.search(rf"(?:\b(?:{_WITHIN}) )?\b{re.escape(name)}(?:'s)?\b", said):
            rest = f"{said[: found.start()]} {said[found.end() :]}"
            return room, " ".join(rest.split())
    return None, said


def _names(thing: Thing, inside: str | None = None) -> list[str]:
    names = [_plain(name) for name in (thing.name, *thing.aliases)]
    if inside and (room := _plain(inside)):
        # "Kitchen light" is "the light" in the kitchen, and nowhere else: "the lights" are those of the house.
        names += [name.removeprefix(f"{room} ") for name in names if name.startswith(f"{room} ")]
    return names


def _without_kind(name: str) -> tuple[str, str | None]:
    """A name without the word for what it is, and what that word means: "bed" and light for "bed lamp"."""
    for word in sorted(_WORDS_OF, key=len, reverse=True):
        if name.endswith(f" {word}"):
            return name.removesuffix(f" {word}"), _WORDS_OF[word]
    return name, None


def _plain(words: str) -> str:
    said = re.sub(r"[^\w' ]+", " ", words.lower())
    said = _IN.sub(lambda found: found[0].split()[0] + " ", said)
    return " ".join(_ENGLISH.get(word, word) for word in said.split() if word not in _FILLERS)
