"""How long a pause must last before it is the end of a turn.

Neither smart turn's probability nor a fixed wait is right alone: at a threshold of 0.5 smart turn takes a third of
the pauses inside a sentence for its end, and doubts one finished question in ten. The words settle most cases: "…with
a" goes on, "What time is it?" does not. So the patience, in seconds of silence, comes from both, and since everything
but the speaking is done on speculation meanwhile, waiting costs nothing but the wait.
"""

import re
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from pipecat.audio.turn.smart_turn._whisper_features import compute_whisper_log_mel_features

SAMPLE_RATE: Final = 16_000
SMART_TURN_SECONDS: Final = 8

SHORTEST: Final = 0.35
"""Seconds of silence after which the surest end of a turn is acted upon."""
QUESTION_SHORTEST: Final = 0.28
"""The same for a question that begins like one; people seldom go on behind it."""
LONGEST: Final = 1.9

_BY_PROBABILITY: Final = (
    (0.00, 1.15),
    (0.05, 1.05),
    (0.20, 0.80),
    (0.40, 0.60),
    (0.60, 0.46),
    (0.80, 0.38),
    (0.92, SHORTEST),
    (1.00, SHORTEST),
)
"""Smart turn's probability, and the patience for words that could be complete."""
_PROBABILITIES: Final = [probability for probability, _ in _BY_PROBABILITY]
_PATIENCES: Final = [seconds for _, seconds in _BY_PROBABILITY]

DANGLING_PATIENCE: Final = 1.6
FRAGMENT_PATIENCE: Final = 1.4
LINKED_PATIENCE: Final = 0.85
QUESTION_PATIENCE: Final = 0.5
UNPUNCTUATED_PENALTY: Final = 0.25

_DANGLING: Final = {
    "en": frozenset(
        "a an the and or but nor with of to for from at by into than as because if my your our their its "
        "his not um uh er erm hmm every very between without plus versus".split()
    ),
    "de": frozenset(
        "und oder aber der die das den dem des ein eine einen einem einer mit von zu für bei aus nach "
        "weil wenn dass mein meine dein deine sein ihre unser als wie äh ähm zum zur im am vom".split()
    ),
    "fr": frozenset(
        "et ou mais le la les un une des de du avec à pour dans sur par que qui si mon ma mes ton ta tes "
        "son sa ses euh au aux en".split()
    ),
    "es": frozenset(
        "y o pero el la los las un una unos unas de del con a para en por que si mi mis tu tus su sus eh al".split()
    ),
}
"""Words that a sentence does not end with."""

_ASKING: Final = frozenset("what what's who who's whose whom when when's where where's which why how how's".split())
_TRANSITIVE: Final = frozenset("get have want give make need bring brew me".split())
"""Words that ask for something and are still to say for what: "Can I get", "Make me"."""
_VAGUE: Final = frozenset("it in him them her us that this".split())
"""What Whisper makes of an article before a pause: "Give me a" becomes "Give me it"."""
_PREPOSITIONS: Final = frozenset("of about for from at by with like in on to into than".split())
_DEMONSTRATIVE: Final = frozenset("this that".split())
"""What Whisper makes of the article behind a preposition: "Tell me about the" becomes "Tell me about this."."""
_MAY_END_A_QUESTION: Final = frozenset("of to for from at by with like as than".split())
_SHORT_ANSWERS: Final = frozenset("no ok hi go on up me us it ja si sí da ne oh".split())
_LINKING: Final = frozenset("and so but or because though although if when while unless until since whereas".split())
_SUBORDINATING: Final = frozenset("because though although if when while unless until since whereas".split())
_VERBS: Final = frozenset(
    "is are was were be am been isn't aren't wasn't weren't i'm you're he's she's it's we're they're "
    "that's there's have has had do does did don't doesn't didn't can can't could couldn't will won't "
    "would wouldn't shall should may might must want need know think say said go get got make made "
    "take took see saw come came let let's tell told ask asked give gave put turn set play stop open "
    "close find show call remind add like love hate feel help try use".split()
)
_WORD = re.compile(r"[^\W\d_][\w'’-]*|\d+")


def patience(text: str, probability: float, language: str = "en") -> float:
    """Seconds of silence after which a turn with these words is over.

    Args:
        text: what was said so far, as Whisper wrote it, punctuation included.
        probability: smart turn's, that the turn is complete.
        language: ISO 639-1 code of the text.
    """
    wait = float(np.interp(probability, _PROBABILITIES, _PATIENCES))
    words = [word.replace("’", "'") for word in _WORD.findall(text.lower())]
    if not words:
        return LONGEST
    is_question = text.rstrip().endswith("?")
    if _is_dangling(text, words, probability, language, is_question=is_question):
        return min(LONGEST, max(DANGLING_PATIENCE, wait + 0.4))
    if language == "en":
        if _asks_for_nothing_yet(words):
            return max(FRAGMENT_PATIENCE, wait)
        if not is_question and words[0] in _LINKING:
            return max(FRAGMENT_PATIENCE if _needs_a_main_clause(text, words) else LINKED_PATIENCE, wait)
    if is_question and words[0] in _ASKING:
        return QUESTION_SHORTEST if probability > 0.8 else min(wait, QUESTION_PATIENCE)
    if probability < 0.9 and not text.rstrip().endswith((".", "?", "!", "。", "？")):
        return wait + UNPUNCTUATED_PENALTY
    return wait


def _is_dangling(text: str, words: list[str], probability: float, language: str, *, is_question: bool) -> bool:
    if text.rstrip().endswith((",", "...", "…", "-", "–", "—", ":")):
        return True
    if len(words) == 1 and len(words[0]) <= 2 and words[0] not in _SHORT_ANSWERS and not words[0].isdigit():
        # The beginning of a longer word, or of nothing.
        return True
    if words[-1] not in _DANGLING.get(language, frozenset()):
        return False
    asked = is_question and words[0] in _ASKING and words[-1] in _MAY_END_A_QUESTION
    return not (asked and probability > 0.5)


def _asks_for_nothing_yet(words: list[str]) -> bool:
    """Tell whether English words ask for something without having named it: "Can I get", "Give me it"."""
    if words[0] in _ASKING:
        return False
    before, last = ["", *words][-2:]
    if last in _TRANSITIVE or (last in _DEMONSTRATIVE and before in _PREPOSITIONS):
        return True
    return 3 <= len(words) <= 4 and last in _VAGUE and before in _TRANSITIVE


def _needs_a_main_clause(text: str, words: list[str]) -> bool:
    """Tell whether English words that begin with a conjunction have not yet come to their point.

    "And so my fellow Americans" has no verb; "If it rains tomorrow" has one, but its main clause is still to come.
    """
    if words[0] in _SUBORDINATING:
        return "," not in text and len(words) < 10
    return not any(word in _VERBS for word in words)


class SmartTurn:
    """Pipecat's smart turn v3 model, one session a process, shared by all conversations.

    The features are Pipecat's own (`LocalSmartTurnAnalyzerV3`), over the last 8 s.
    """

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model), providers=["CPUExecutionProvider"], sess_options=options
        )

    def probability(self, audio: npt.NDArray[np.float32]) -> float:
        """Probability that the turn in this 16 kHz mono audio is complete. Takes about 30 ms: call it in a thread."""
        most = SMART_TURN_SECONDS * SAMPLE_RATE
        audio = audio[-most:]
        audio = np.pad(audio, (most - len(audio), 0))
        features = compute_whisper_log_mel_features(audio, do_normalize=True)
        output = self._session.run(None, {"input_features": features[np.newaxis]})[0]
        return float(np.asarray(output).reshape(-1)[0])
