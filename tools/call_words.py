"""What is said to people by telephone, and of who called, in the language of the household.

Tools answer in English, and each conversation says it in its own language. This is said to others, or later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tools.clock import spoken_time
from tools.days import spoken_day


@dataclass(frozen=True, slots=True)
class CallWords:
    """The sentences of one language, with what they name in braces."""

    tells: str
    """To somebody who is called with a message."""
    asks: str
    """To somebody who is called without one."""
    busy: str
    nobody: str
    failed: str
    called: str
    """Who called when, with which message; `when` begins with a space."""
    hint: str
    """That there is a message, where nobody knows who listens."""
    you: str
    somebody: str
    """Whoever called without a number."""
    somebody_at: str
    none: str
    none_new: str
    more: str
    at: str
    """A time of day; of `{hour}` and `{minute}`, or of `{time}` as English has it."""
    yesterday: str
    days: tuple[str, ...]
    """Days of the week in the past, from Monday; none where days are said as English has them."""
    date: str
    """A day longer ago; of `{day}` and `{month}`, in numbers."""

    def when(self, moment: datetime, now: datetime) -> str:
        """Say when something was, beginning with a space: the day, unless that is today, and the time."""
        away = (now.date() - moment.date()).days
        if away == 0:
            day = ""
        elif not self.days:
            day = f" {spoken_day(moment.date(), now.date())}"
        elif away == 1:
            day = f" {self.yesterday}"
        elif away < 7:
            day = f" {self.days[moment.weekday()]}"
        else:
            day = f" {self.date.format(day=moment.day, month=moment.month)}"
        clock = self.at.format(hour=moment.hour, minute=f"{moment.minute:02}", time=spoken_time(moment))
        return f"{day} {clock}"


CALL_WORDS: Final[Mapping[str, CallWords]] = {
    "en": CallWords(
        tells="Hello, this is the assistant of the house. {person} wants to tell you: {message}.",
        asks="Hello, this is the assistant of the house. {person} has asked me to call you.",
        busy="{who} is busy.",
        nobody="{who} does not answer.",
        failed="{who} cannot be reached.",
        called="{who} called{when}: {text}.",
        hint="There is a message for {to} from {who}.",
        you="you",
        somebody="somebody without a number",
        somebody_at="somebody at {number}",
        none="There are no messages.",
        none_new="There are no new messages.",
        more="And {count} more.",
        at="at {time}",
        yesterday="yesterday",
        days=(),
        date="",
    ),
    "de": CallWords(
        tells="Hallo, hier ist der Assistent des Hauses. {person} lässt ausrichten: {message}.",
        asks="Hallo, hier ist der Assistent des Hauses. {person} hat mich gebeten, Sie anzurufen.",
        busy="Bei {who} ist besetzt.",
        nobody="{who} geht nicht ans Telefon.",
        failed="{who} ist nicht zu erreichen.",
        called="{who} hat{when} angerufen: {text}.",
        hint="Für {to} gibt es eine Nachricht von {who}.",
        you="dich",
        somebody="jemand ohne Nummer",
        somebody_at="jemand mit der Nummer {number}",
        none="Es gibt keine Nachrichten.",
        none_new="Es gibt keine neuen Nachrichten.",
        more="Und noch {count}.",
        at="um {hour}:{minute} Uhr",
        yesterday="gestern",
        days=(
            *("am Montag", "am Dienstag", "am Mittwoch", "am Donnerstag", "am Freitag", "am Samstag"),
            "am Sonntag",
        ),
        date="am {day}.{month}.",
    ),
    "fr": CallWords(
        tells="Bonjour, ici l'assistant de la maison. {person} vous fait dire : {message}.",
        asks="Bonjour, ici l'assistant de la maison. {person} m'a demandé de vous appeler.",
        busy="La ligne de {who} est occupée.",
        nobody="{who} ne répond pas.",
        failed="{who} n'est pas joignable.",
        called="{who} a appelé{when} : {text}.",
        hint="Il y a un message pour {to} de {who}.",
        you="vous",
        somebody="quelqu'un sans numéro",
        somebody_at="quelqu'un au {number}",
        none="Il n'y a aucun message.",
        none_new="Il n'y a aucun nouveau message.",
        more="Et encore {count}.",
        at="à {hour}:{minute}",
        yesterday="hier",
        days=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        date="le {day}/{month}",
    ),
    "es": CallWords(
        tells="Hola, soy el asistente de la casa. {person} quiere decirle: {message}.",
        asks="Hola, soy el asistente de la casa. {person} me ha pedido que le llame.",
        busy="La línea de {who} está ocupada.",
        nobody="{who} no contesta.",
        failed="No se puede localizar a {who}.",
        called="{who} ha llamado{when}: {text}.",
        hint="Hay un mensaje para {to} de {who}.",
        you="ti",
        somebody="alguien sin número",
        somebody_at="alguien desde el {number}",
        none="No hay mensajes.",
        none_new="No hay mensajes nuevos.",
        more="Y {count} más.",
        at="a las {hour}:{minute}",
        yesterday="ayer",
        days=("el lunes", "el martes", "el miércoles", "el jueves", "el viernes", "el sábado", "el domingo"),
        date="el {day}/{month}",
    ),
}


def call_words(language: str) -> CallWords:
    """The words of a language, or the English ones where it has none."""
    return CALL_WORDS.get(language, CALL_WORDS["en"])
