"""What the telephone itself says, and how people say goodbye to it."""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language's."""

    greeting: str
    greeting_person: str
    greeting_guest: str
    ask_pin: str
    wrong_pin: str
    no_pin: str
    welcome: str
    still_there: str
    goodbye: str
    one_minute: str
    too_long: str
    unwell: str
    not_reached: str
    nobody_free: str
    """Before somebody who cannot talk to the assistant dictates a message."""
    your_message: str
    """Before somebody dictates one who asked to."""
    passed_on: str
    not_understood: str
    no_more_messages: str
    leave: re.Pattern[str]
    """What asks to leave a message."""
    farewells: frozenset[str]
    """What ends a call, at the end of what is said."""
    hang_up: frozenset[str]
    """What asks to hang up, alone or after a please."""
    others: frozenset[str]
    """Words with which a farewell is talked about, and not meant."""


PHRASES: Final = {
    "en": Phrases(
        greeting="Hello. What can I do for you?",
        greeting_person="Hello {person}.",
        greeting_guest="Hello, this is the assistant of the house. What would you like to know?",
        ask_pin="Hello. Please type the PIN.",
        wrong_pin="That was wrong. Once more, please.",
        no_pin="I cannot let you in. Goodbye.",
        welcome="Thank you.",
        still_there="Are you still there?",
        goodbye="Goodbye.",
        one_minute="I have to hang up in one minute.",
        too_long="We have talked for a long time. Goodbye.",
        unwell="I am sorry, I cannot talk now. Please call again in a minute.",
        not_reached="I am sorry, {person} cannot be reached right now.",
        nobody_free=(
            "Hello. Nobody can come to the phone now. Please say who you are, and leave your message. I write it down, "
            "without a recording."
        ),
        your_message="Please say your message now, and who you are. Press the hash key when you are done.",
        passed_on="Thank you. I will pass it on.",
        not_understood="I am sorry, I did not understand a message.",
        no_more_messages="I am sorry, I cannot take any more messages now.",
        leave=re.compile(
            r"\b(?:leave|take|pass on|record) (?:\w+ )?(?:(?:a|my|the) )?(?:\w+ )?message\b", re.IGNORECASE
        ),
        farewells=frozenset({"goodbye", "good bye", "bye", "bye bye", "see you later", "talk to you later"}),
        hang_up=frozenset({"hang up", "hang up now", "hang up the phone", "end the call", "hang up please"}),
        others=frozenset({"say", "said", "says", "saying", "mean", "means", "called", "word"}),
    ),
    "de": Phrases(
        greeting="Hallo. Was kann ich für Sie tun?",
        greeting_person="Hallo {person}.",
        greeting_guest="Hallo, hier ist der Assistent des Hauses. Was möchten Sie wissen?",
        ask_pin="Hallo. Bitte geben Sie die PIN ein.",
        wrong_pin="Das war falsch. Bitte noch einmal.",
        no_pin="So kann ich Ihnen leider nicht weiterhelfen. Auf Wiederhören.",
        welcome="Danke.",
        still_there="Sind Sie noch da?",
        goodbye="Auf Wiederhören.",
        one_minute="In einer Minute muss ich auflegen.",
        too_long="Wir haben lange gesprochen. Auf Wiederhören.",
        unwell="Es tut mir leid, ich kann gerade nicht sprechen. Bitte rufen Sie in einer Minute noch einmal an.",
        not_reached="Es tut mir leid, {person} ist gerade nicht zu erreichen.",
        nobody_free=(
            "Hallo. Gerade kann niemand ans Telefon kommen. Bitte sagen Sie, wer Sie sind, und was ich ausrichten "
            "soll. Ich schreibe es auf, ohne Aufnahme."
        ),
        your_message=(
            "Bitte sagen Sie jetzt, was ich ausrichten soll und wer Sie sind. Drücken Sie danach die Raute-Taste."
        ),
        passed_on="Danke. Ich richte es aus.",
        not_understood="Es tut mir leid, ich habe keine Nachricht verstanden.",
        no_more_messages="Es tut mir leid, ich kann gerade keine Nachrichten mehr annehmen.",
        leave=re.compile(
            r"\bnachricht\b.*\b(?:hinterlass\w*|aufnehmen|ausrichten)\b|\bhinterlass\w*\b.*\bnachricht\b", re.IGNORECASE
        ),
        farewells=frozenset(
            {"tschüss", "tschüs", "auf wiederhören", "auf wiedersehen", "ciao", "wiederhören", "bis bald"}
        ),
        hang_up=frozenset({"leg auf", "bitte auflegen", "auflegen", "leg bitte auf"}),
        others=frozenset({"sag", "sage", "sagt", "heißt", "bedeutet", "wort"}),
    ),
    "fr": Phrases(
        greeting="Bonjour. Que puis-je faire pour vous ?",
        greeting_person="Bonjour {person}.",
        greeting_guest="Bonjour, ici l'assistant de la maison. Que voulez-vous savoir ?",
        ask_pin="Bonjour. Tapez le code, s'il vous plaît.",
        wrong_pin="Ce code n'est pas le bon. Encore une fois, s'il vous plaît.",
        no_pin="Je ne peux pas vous donner accès. Au revoir.",
        welcome="Merci.",
        still_there="Êtes-vous toujours là ?",
        goodbye="Au revoir.",
        one_minute="Dans une minute, je devrai raccrocher.",
        too_long="Nous avons parlé longtemps. Au revoir.",
        unwell="Je suis désolé, je ne peux pas vous répondre pour le moment. Rappelez dans une minute.",
        not_reached="Je suis désolé, {person} n'est pas joignable pour le moment.",
        nobody_free=(
            "Bonjour. Personne ne peut répondre pour le moment. Dites qui vous êtes et laissez votre message. Je le "
            "note, sans rien enregistrer."
        ),
        your_message="Dites maintenant votre message et qui vous êtes, puis appuyez sur la touche dièse.",
        passed_on="Merci. Je le transmettrai.",
        not_understood="Je suis désolé, je n'ai pas compris de message.",
        no_more_messages="Je suis désolé, je ne peux plus prendre de messages pour le moment.",
        leave=re.compile(r"\b(?:laisser|laisse|laissez|prendre|prenez|prends) (?:\w+ )?message\b", re.IGNORECASE),
        farewells=frozenset({"au revoir", "à bientôt", "salut", "bonne journée", "bonne soirée"}),
        hang_up=frozenset({"raccroche", "raccrochez", "tu peux raccrocher"}),
        others=frozenset({"dit", "dire", "dis", "signifie", "mot"}),
    ),
    "es": Phrases(
        greeting="Hola. ¿En qué puedo ayudarle?",
        greeting_person="Hola {person}.",
        greeting_guest="Hola, soy el asistente de la casa. ¿Qué quiere saber?",
        ask_pin="Hola. Por favor, marque el código.",
        wrong_pin="No es correcto. Otra vez, por favor.",
        no_pin="No puedo darle acceso. Adiós.",
        welcome="Gracias.",
        still_there="¿Sigue ahí?",
        goodbye="Adiós.",
        one_minute="Dentro de un minuto tengo que colgar.",
        too_long="Hemos hablado mucho tiempo. Adiós.",
        unwell="Lo siento, ahora no puedo atenderle. Llame otra vez dentro de un minuto.",
        not_reached="Lo siento, {person} no está disponible ahora.",
        nobody_free="Hola. Ahora nadie puede atenderle. Diga quién es y deje su mensaje. Lo anoto, sin grabarlo.",
        your_message="Diga ahora su mensaje y quién es. Al terminar, pulse la tecla almohadilla.",
        passed_on="Gracias. Se lo diré.",
        not_understood="Lo siento, no he entendido ningún mensaje.",
        no_more_messages="Lo siento, ahora no puedo recibir más mensajes.",
        leave=re.compile(r"\b(?:dejar|deja|dejo|tomar|toma|tome) (?:\w+ )?(?:mensaje|recado)\b", re.IGNORECASE),
        farewells=frozenset({"adiós", "adios", "hasta luego", "hasta pronto", "chao"}),
        hang_up=frozenset({"cuelga", "puedes colgar", "cuelga por favor"}),
        others=frozenset({"dice", "decir", "di", "significa", "palabra"}),
    ),
}
"""By language; what has none of its own is spoken to in English."""

_FOR: Final = re.compile(r"\b(?:for|für|pour|para)\s+", re.IGNORECASE)
ALIKE: Final = 0.8
"""From which likeness on, 0 to 1, what was heard is a name."""
_ABOUT: Final = frozenset({"did", "has", "have", "who", "was", "were", "hat", "haben", "wer", "est-ce", "hay", "quién"})
"""How sentences begin that ask about messages, and want to leave none."""
MOST_WORDS: Final = 8
"""Of a sentence that ends in a farewell and is one."""


def is_farewell(text: str, phrases: Phrases) -> bool:
    """Tell whether somebody says goodbye or wants to hang up."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    said = " ".join(words)
    if not words or len(words) > MOST_WORDS or phrases.others.intersection(words):
        return False
    return (
        said in phrases.hang_up
        or any(said.endswith(f" {each}") for each in phrases.hang_up)
        or any(f" {said}".endswith(f" {each}") for each in phrases.farewells)
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants to leave a message."""

    to: str | None
    """For whom; None is the household."""


def wants_message(text: str, phrases: Phrases, people: Collection[str]) -> Wish | None:
    """Tell whether somebody wants to leave a message, and for whom of these people; None where not."""
    first, _, _ = text.strip().lower().partition(" ")
    if first in _ABOUT or phrases.leave.search(text) is None:
        return None
    return Wish(meant(text, people))


def meant(text: str, people: Collection[str]) -> str | None:
    """The first of these people whom a message is for, as it says: "for Ana"; None where it names none."""
    for found in _FOR.finditer(text):
        rest = text[found.end() :].casefold()
        for person in people:
            said = rest[: len(person) + 2].split()[: person.count(" ") + 1]
            # Names are written as they sound: Anna, and not Ana.
            if difflib.SequenceMatcher(None, " ".join(said).strip(".,?!"), person.casefold()).ratio() >= ALIKE:
                return person
    return None
