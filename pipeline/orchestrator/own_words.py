"""What the assistant says of itself: that it waits, thinks, cannot answer, or is not the one who answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.orchestrator.answer import Why


@dataclass(frozen=True, slots=True)
class OwnWords:
    """The sentences of one language."""

    apology: str
    """The language model does not answer."""
    busy: str
    """Too many people ask at once."""
    broken_off: str
    """The rest of an answer is lost."""
    moment: str
    """The answer takes longer than a second."""
    looking: str
    """A tool takes longer than a second."""
    thinking: str
    """The model is about to reason."""
    instead: Mapping[Why, str]
    """A hosted service answers; said once a conversation."""


_WORDS: Final = {
    "en": OwnWords(
        "Sorry, my language model is not answering. Please try again in a moment.",
        "Sorry, too many people are asking me at once. Please try again in a moment.",
        "Sorry, I lost the rest of that answer.",
        "One moment.",
        "One moment, I'm on it.",
        "Let me think. ",
        {
            Why.MAINTENANCE: "My own model is under maintenance, so another service answers. ",
            Why.SATURATED: "My own model is busy, so another service answers. ",
            Why.FAILED: "My own model is not answering, so another service does. ",
        },
    ),
    "de": OwnWords(
        "Mein Sprachmodell antwortet leider nicht. Bitte versuch es gleich noch einmal.",
        "Es fragen mich gerade leider zu viele auf einmal. Bitte versuch es gleich noch einmal.",
        "Der Rest der Antwort ist mir leider verloren gegangen.",
        "Einen Moment.",
        "Einen Moment, ich bin dabei.",
        "Lass mich überlegen. ",
        {
            Why.MAINTENANCE: "Mein eigenes Modell wird gewartet, deshalb antwortet ein anderer Dienst. ",
            Why.SATURATED: "Mein eigenes Modell ist ausgelastet, deshalb antwortet ein anderer Dienst. ",
            Why.FAILED: "Mein eigenes Modell antwortet nicht, deshalb tut es ein anderer Dienst. ",
        },
    ),
    "fr": OwnWords(
        "Désolé, mon modèle de langage ne répond pas. Réessayez dans un instant.",
        "Désolé, trop de personnes me parlent à la fois. Réessayez dans un instant.",
        "Désolé, j'ai perdu la suite de cette réponse.",
        "Un instant.",
        "Un instant, je m'en occupe.",
        "Laissez-moi réfléchir. ",
        {
            Why.MAINTENANCE: "Mon propre modèle est en maintenance, un autre service répond donc. ",
            Why.SATURATED: "Mon propre modèle est occupé, un autre service répond donc. ",
            Why.FAILED: "Mon propre modèle ne répond pas, un autre service le fait donc. ",
        },
    ),
    "es": OwnWords(
        "Lo siento, mi modelo de lenguaje no responde. Inténtalo de nuevo en un momento.",
        "Lo siento, demasiadas personas me hablan a la vez. Inténtalo de nuevo en un momento.",
        "Lo siento, he perdido el resto de esa respuesta.",
        "Un momento.",
        "Un momento, estoy en ello.",
        "Déjame pensar. ",
        {
            Why.MAINTENANCE: "Mi propio modelo está en mantenimiento, así que responde otro servicio. ",
            Why.SATURATED: "Mi propio modelo está ocupado, así que responde otro servicio. ",
            Why.FAILED: "Mi propio modelo no responde, así que lo hace otro servicio. ",
        },
    ),
}


def own_words(language: str) -> OwnWords:
    """The sentences in a language (ISO 639-1), in English where there are none of it."""
    return _WORDS.get(language, _WORDS["en"])
