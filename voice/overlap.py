"""What is heard while the assistant speaks: an interruption, a sign of listening, or nothing."""

import difflib
import itertools
from enum import Enum
from typing import Final

from voice.hypothesis import is_invented, words_of
from voice.whisper import Transcript


class Overlap(Enum):
    """What speech over the assistant's voice is."""

    NOTHING = "nothing"
    """Noise, a cough, or the assistant's own echo."""
    BACKCHANNEL = "backchannel"
    """A sign of listening, which takes no turn."""
    INTERRUPTION = "interruption"
    """Somebody takes the turn."""


BACKCHANNELS: Final = frozenset(
    "mm mhm mmhm mmhmm mm-hm mm-hmm hm hmm hmmm uh-huh uhuh uh huh uhhuh ah oh ow um uh eh huh aha yeah yep yes ok "
    "okay right sure really wow nice great cool good i see got it ja genau gut oui d'accord sí vale".split()
)
STOPPING: Final = (
    "stop", "start talking", "wait", "hold on", "hang on", "cancel", "quiet", "be quiet", "hush", "shut up", "enough",
    "never mind", "nevermind", "no no", "pause", "excuse me", "hey", "stopp", "halt", "warte", "moment", "ruhe",
    "sei still", "sei ruhig", "hör auf", "genug", "schluss", "arrête", "attends", "attendez", "tais-toi", "silence",
    "ça suffit", "chut", "para", "espera", "cállate", "silencio", "basta", "ya basta", "un momento",
)  # fmt: skip
"""What interrupts at once, even as a single word. Who talks is not asked to start: "stop talking" was misheard."""

STOPS_ONLY: Final = frozenset(
    {
        "stop", "stop it", "stop that", "stop talking", "start talking", "quiet", "be quiet", "hush", "shut up",
        "enough", "that's enough", "never mind", "nevermind", "cancel", "stopp", "halt", "ruhe", "sei still",
        "sei ruhig", "hör auf", "genug", "das reicht", "schluss", "arrête", "arrête-toi", "tais-toi", "silence",
        "ça suffit", "chut", "para", "para ya", "cállate", "silencio", "basta", "ya basta",
    }
)  # fmt: skip
"""What asks for silence and for no answer."""
COURTESY: Final = frozenset("please okay ok oh no now thanks bitte danke jetzt merci gracias por favor".split())
"""Words that may stand around it."""

LEAST_LOG_PROBABILITY: Final = -0.8
LEAST_LOG_PROBABILITY_OF_STOPPING: Final = -1.3
"""Over noise "stop" is a guess, and of noise Whisper guesses anything but that."""
SHORT: Final = 1.5
"""Seconds of sound up to which Whisper makes words of anything: of a hummed "mm-hm" it makes "and the matcha"."""
HUMMED: Final = 3
"""Words that it makes of a hum, at most; of a cough it makes more, but is sure of none of them."""
LEAST_LOG_PROBABILITY_OF_SHORT: Final = -0.5
LEAST_LOG_PROBABILITY_OF_A_WORD: Final = -0.3
ECHOED: Final = 0.68
"""The share of the letters, in their order, that makes words the assistant's own."""
PERHAPS_ECHOED: Final = 0.6
"""The same for the first words of an utterance, which are heard worst."""
SENTENCE: Final = 4
"""Words from which on "stop" may be the assistant's own, as in "trains will stop here"; alone it is a person's."""


def only_stops(text: str) -> bool:
    """Tell whether these words ask for silence and nothing else."""
    words = [word for word in words_of(text) if word not in COURTESY]
    # Who is in earnest says it again.
    return " ".join(word for word, _ in itertools.groupby(words)) in STOPS_ONLY


def judge_overlap(
    transcript: Transcript,
    said: list[str],
    *,
    final: bool,
    before: str = "",
    goes_on: bool = False,
    afar: bool = False,
) -> Overlap:
    """Judge what was heard over the assistant's voice.

    Args:
        transcript: what Whisper made of it.
        said: the assistant's latest words, in lower case.
        final: whether the person has paused; before that Whisper guesses, and only words that it hears twice count.
        before: what it heard at the look before this one.
        goes_on: whether the person's turn had only just seemed to be over, so that speech is likelier than a hum.
        afar: whether it comes from people who are too far away to be meant; they may only ask for silence.
    """
    words = words_of(transcript.text)
    echoed = is_echo(words, said, ECHOED if final else PERHAPS_ECHOED)
    if _stops(words) and not (transcript.doubtful and afar) and not (echoed and len(words) >= SENTENCE):
        sure = transcript.log_probability >= LEAST_LOG_PROBABILITY_OF_STOPPING
        return Overlap.INTERRUPTION if sure else Overlap.NOTHING
    if not words or transcript.doubtful or afar:
        return Overlap.NOTHING
    if all(word in BACKCHANNELS for word in words) and len(words) <= 4:
        return Overlap.BACKCHANNEL
    may_be_a_hum = transcript.seconds < SHORT and len(words) <= HUMMED and not goes_on
    least = LEAST_LOG_PROBABILITY_OF_SHORT if may_be_a_hum else LEAST_LOG_PROBABILITY
    if is_invented(transcript.text) or transcript.log_probability < least or echoed:
        return Overlap.NOTHING
    if not final and (len(words) < 2 or words_of(before)[:2] != words[:2]):
        return Overlap.NOTHING
    if len(words) == 1 and not _is_clear_word(words[0], transcript):
        return Overlap.NOTHING
    return Overlap.INTERRUPTION


def _stops(words: list[str]) -> bool:
    return "stop" in words or f"{' '.join(words)} ".startswith(tuple(f"{each} " for each in STOPPING))


def _is_clear_word(word: str, transcript: Transcript) -> bool:
    """Tell whether a single word is one: of a hum or a cough Whisper makes short words that it is not sure of."""
    sure = transcript.log_probability > LEAST_LOG_PROBABILITY_OF_A_WORD and transcript.no_speech_probability < 0.4
    return len(word) > 2 and sure


def is_echo(words: list[str], said: list[str], share: float = ECHOED) -> bool:
    """Tell whether these words are what the assistant said, heard back and partly misheard.

    Whisper mishears whole words of an echo ("light that with water" for "wipe it with water"), so letters are
    compared, with every stretch of the assistant's words of the same number.
    """
    text = " ".join(words)
    matcher = difflib.SequenceMatcher(b=text, autojunk=False)
    for start in range(max(1, len(said) - len(words) + 1)):
        matcher.set_seq1(" ".join(said[start : start + len(words)]))
        if matcher.quick_ratio() >= share and matcher.ratio() >= share:
            return True
    return False
