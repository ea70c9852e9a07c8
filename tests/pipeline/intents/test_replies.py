"""What is answered to commands, in the language in which they were given."""

from collections.abc import Mapping
from typing import Any

import pytest
from home_assistant_intents import get_languages

from pipeline.intents.matching import LocalIntents
from tools.outcomes import Outcome, Status

ENGLISH, GERMAN, FRENCH, SPANISH, DUTCH = (LocalIntents(language) for language in ("en", "de", "fr", "es", "nl"))


def _timer(seconds: float, left: float, *, kind: str = "timer", name: str = "") -> dict[str, Any]:
    return {
        "id": "1",
        "kind": kind,
        "name": name,
        "due": 0.0,
        "seconds": seconds,
        "device": "kitchen",
        "left": left,
    }


def _said(
    intents: LocalIntents,
    text: str,
    data: Mapping[str, Any],
    *,
    status: Status = Status.DONE,
    english: str = "English.",
) -> str | None:
    match = intents.match_all(text)[0]
    assert match.tool is not None
    return intents.say(match, Outcome("", match.tool, match.arguments, status, english, data))


@pytest.mark.parametrize(
    ("added", "known", "said"),
    [
        (["Milch"], [], "Milch steht auf der Liste."),
        (["Milch", "Eier", "Brot"], [], "Milch, Eier und Brot stehen auf der Liste."),
        ([], ["Milch"], "Milch steht schon auf der Liste."),
        (["Milch"], ["Eier", "Brot"], "Milch steht auf der Liste. Eier und Brot stehen schon darauf."),
    ],
)
def test_several_items_are_told_in_one_sentence(added: list[str], known: list[str], said: str) -> None:
    data = {"items": [*known, *added], "added": added, "known": known}
    assert _said(GERMAN, "Setze Milch, Eier und Brot auf die Einkaufsliste", data) == said


def test_in_english_the_tool_has_the_word() -> None:
    assert _said(ENGLISH, "What time is it?", {"time": "14:05"}, english="It's 2:05 PM.") == "It's 2:05 PM."


@pytest.mark.parametrize(
    ("intents", "text", "data", "said"),
    [
        (GERMAN, "Wie spät ist es?", {"time": "14:05"}, "Es ist 14:05."),
        (FRENCH, "Quelle heure est-il ?", {"time": "14:05"}, "Il est 14:05."),
        (DUTCH, "Hoe laat is het?", {"time": "14:05"}, "Het is 14:05."),
        (GERMAN, "Wie spät ist es in London?", {"time": "13:05"}, "In London ist es 13:05 Uhr."),
        (GERMAN, "Welcher Tag ist morgen?", {"date": "2026-11-24", "weekday": "Tuesday"}, "Morgen ist Dienstag, der 24. November 2026."),
        (FRENCH, "Quel jour sommes-nous ?", {"date": "2026-12-01"}, "Aujourd’hui, nous sommes le mardi 1er décembre 2026."),
        (SPANISH, "¿Qué día es hoy?", {"date": "2026-11-23"}, "Hoy es lunes, 23 de noviembre de 2026."),
        (GERMAN, "Setze Milch auf die Einkaufsliste", {"added": ["Milch"]}, "Milch steht auf der Liste."),
        (FRENCH, "Ajoute du lait à la liste de courses", {"added": ["lait"]}, "Lait : c'est sur la liste."),
        (SPANISH, "Añade leche a la lista de la compra", {"added": ["leche"]}, "Leche: está en la lista."),
        (GERMAN, "Was steht auf der Einkaufsliste?", {"items": ["Milch", "Eier", "Brot"]}, "Auf der Liste: Milch, Eier und Brot."),
        (GERMAN, "Was steht auf der Einkaufsliste?", {"items": []}, "Die Liste ist leer."),
        (FRENCH, "Qu'est-ce qu'il y a sur la liste de courses ?", {"items": ["lait"]}, "Sur la liste : lait."),
        (GERMAN, "Wie viel ist 7 durch 2?", {"value": "3.5"}, "Das ergibt 3,5."),
        (FRENCH, "Annule le minuteur", {"stopped": ["1"]}, "Minuteur supprimé."),
        (FRENCH, "Réveille-moi tous les lundis à sept heures", {"at": "2026-11-30T07:00+00:00", "left": 210000, "repeat": "weekly"}, "Le réveil sonnera lundi à 7 heures, puis tous les lundis."),
        (SPANISH, "Recuérdame mañana a las nueve llamar al fontanero", {"at": "2026-11-28T09:00+00:00", "left": 36000}, "De acuerdo, te lo recordaré mañana a las 9: llamar al fontanero."),
        (SPANISH, "¿Qué hora es?", {"time": "20:33"}, "Son las 20:33."),
        (GERMAN, "Stell einen Timer auf anderthalb Stunden", {"name": "", "seconds": 5400}, "Der Timer läuft 1 Stunde und 30 Minuten."),
        (GERMAN, "Schalte den Wecker aus", {"stopped": ["1"]}, "Der Wecker ist gestoppt."),
        (GERMAN, "Weck mich um halb sieben", {"at": "2026-11-28T06:30+00:00", "left": 36000}, "Der Wecker klingelt morgen um 6 Uhr 30."),
    ],
)  # fmt: skip
def test_another_language_is_answered_in_it(
    intents: LocalIntents, text: str, data: Mapping[str, Any], said: str
) -> None:
    assert _said(intents, text, data) == said


@pytest.mark.parametrize(
    ("intents", "text", "length"),
    [
        (GERMAN, "Stelle einen Timer auf 10 Minuten", "10 Minuten"),
        (GERMAN, "Wie lange läuft der Timer noch?", "5 Minuten"),
        (FRENCH, "Combien de temps reste-t-il sur le minuteur ?", "5 minutes"),
        (SPANISH, "¿Cuánto falta para el temporizador?", "5 minutos"),
    ],
)
def test_timers_are_told_in_another_language(intents: LocalIntents, text: str, length: str) -> None:
    timer = _timer(600, 300)
    assert length in (_said(intents, text, {"timers": [timer], **timer}) or "")


def test_a_timer_of_an_hour_is_told_without_seconds() -> None:
    said = _said(GERMAN, "Wie lange läuft der Timer noch?", {"timers": [_timer(7200, 3719)]}) or ""
    assert "1 Stunde" in said
    assert "Sekunden" not in said


@pytest.mark.parametrize(
    ("intents", "text", "status", "said"),
    [
        (GERMAN, "Stoppe den Timer", Status.FAILED, "Das finde ich nicht, oder es gibt mehrere davon."),
        (GERMAN, "Stelle einen Timer auf 10 Minuten", Status.REFUSED, "Das ist von hier aus leider nicht erlaubt."),
        (GERMAN, "Lösche die Einkaufsliste", Status.UNCONFIRMED, "Soll ich die Liste leeren?"),
        (SPANISH, "Vacía la lista de la compra", Status.UNCONFIRMED, "¿Vacío la lista?"),
        (FRENCH, "Combien font 1 sur 0 ?", Status.FAILED, "Ce calcul n'est pas possible."),
        (DUTCH, "Hoe laat is het?", Status.FAILED, "English."),
    ],
)
def test_what_could_not_be_done_is_said_in_the_language_where_it_has_words(
    intents: LocalIntents, text: str, status: Status, said: str
) -> None:
    assert _said(intents, text, {}, status=status) == said


def test_nobody_hears_of_nothing_by_its_name_in_python() -> None:
    intents = LocalIntents("es")
    intents.furnish([("Lámpara", "light")], [])
    one = {"things": [{"name": "Lámpara", "state": "on"}]}
    assert _said(intents, "Enciende lámpara", one) == "Lámpara: encendido."
    assert "None" not in (_said(intents, "Enciende lámpara", {}) or "")


def test_what_a_template_cannot_say_the_tool_says() -> None:
    assert _said(DUTCH, "Hoe laat is het?", {}) == "English."


@pytest.mark.parametrize("intents", [ENGLISH, GERMAN, FRENCH, SPANISH])
def test_what_the_house_cannot_do_is_said_in_every_language_of_ours(intents: LocalIntents) -> None:
    declined = {
        "en": "Turn on the light",
        "de": "Mach das Licht an",
        "fr": "Allume la lumière",
        "es": "Enciende la luz",
    }
    said = intents.say(intents.match_all(declined[intents.language])[0], None)
    assert said
    assert (said == "I can't control the home yet.") is (intents is ENGLISH)


def test_what_home_assistant_has_no_words_for_here_stays_with_the_model() -> None:
    assert DUTCH.match_all("Doe het licht aan") == []


@pytest.mark.long
@pytest.mark.parametrize("language", get_languages())
def test_every_language_of_home_assistant_loads(language: str) -> None:
    LocalIntents(language).match_all("12 timer")
