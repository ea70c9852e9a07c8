"""The speaking end of a conversation: Pipecat's text-to-speech service over the shared Piper engine.

Words travel between the audio that says them: the frame of a word leaves right behind the audio in which it ends. So
whatever happens to the audio (held back, ducked, cut off) happens to the words, and what the context keeps of an
interrupted answer is what was heard.
"""

import difflib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from loguru import logger
from pipecat.frames.frames import (
    AggregatedTextFrame,
    EagerEndOfTurnCancelFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.utils.text.base_text_aggregator import BaseTextAggregator, TextType

from voice.clauses import ClauseAggregator
from voice.frames import SpeechSpeedFrame
from voice.piper import PiperEngine
from voice.resampling import StreamResampler
from voice.speakable import speakable

SPECULATIVE = "passfel-speculative"
"""The key, in the metadata of a response's first frame, that marks it as an answer to an unconfirmed turn."""


class Speaking(TTSService):
    """Speaks what the language model writes, clause by clause.

    Args:
        engine: shared.
        speed: 1.0 is the voice's own.
        language: ISO 639-1 code of the voice.
        on_clause: told when the first clause of a response goes to the engine.
    """

    def __init__(
        self,
        *,
        engine: PiperEngine,
        speed: float = 1.0,
        language: str = "en",
        on_clause: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=60.0,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self._engine = engine
        self._speed = speed
        self._spoken_language = language
        self._on_clause = on_clause
        # Pipecat took the parameter for it away and kept the attribute.
        self._text_aggregator: BaseTextAggregator = ClauseAggregator()  # type: ignore[assignment]
        self._speculative = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow speculation, which Pipecat keeps from its speech services and which here reaches up to the gate."""
        if isinstance(frame, LLMFullResponseStartFrame):
            self._speculative = bool(frame.metadata.get(SPECULATIVE))
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._speculative = False
        elif isinstance(frame, EagerEndOfTurnCancelFrame) and self._speculative:
            self._speculative = False
            await self._start_interruption()
            await self._handle_interruption(InterruptionFrame(), direction)
        elif isinstance(frame, SpeechSpeedFrame):
            self._speed = frame.speed
        await super().process_frame(frame, direction)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak one clause: its audio at the output's sample rate, with each word's frame behind the audio it ends in.

        Closing the generator stops the synthesis after the chunk in hand.
        """
        spoken = speakable(text, self._spoken_language)
        self._on_clause()
        resampler = StreamResampler(self._engine.sample_rate, self.sample_rate, quality="MQ")
        pairs = pair_words(text.split(), spoken.split())
        try:
            async with aclosing(self._engine.synthesize(spoken, words=pairs, speed=self._speed)) as chunks:
                async for chunk in chunks:
                    if audio := resampler.resample(chunk.audio):
                        yield TTSAudioRawFrame(audio, self.sample_rate, 1, context_id=context_id)
                    for word in chunk.words:
                        yield self._word_frame(word, context_id)
            if audio := resampler.resample(b"", last=True):
                yield TTSAudioRawFrame(audio, self.sample_rate, 1, context_id=context_id)
        except RuntimeError as error:
            logger.error(f"could not speak {text!r}: {error!r}")
            yield ErrorFrame(error=f"the voice failed: {error}")

    def _word_frame(self, word: str, context_id: str) -> TTSTextFrame:
        frame = TTSTextFrame(word, text_type=TextType.WORD)
        frame.will_be_spoken = True
        frame.context_id = context_id
        frame.append_to_context = (
            self._tts_contexts[context_id].append_to_context if context_id in self._tts_contexts else True
        )
        return frame

    async def _push_spoken_text(
        self, src_frame: AggregatedTextFrame, text: str, context_id: str, append_to_context: bool
    ) -> None:
        # Pipecat would send the clause as one frame behind its audio; its words have gone out already.
        for frame in self._aggregated_frame_sequencer.complete_spoken_slot():
            await self.push_frame(frame)


def pair_words(written: list[str], spoken: list[str]) -> list[tuple[str, str]]:
    """Pair each written word with the words it is spoken as: `7:30` with `seven thirty`.

    Where several written words became several others, the spoken ones are shared out in order. Nothing is lost and
    nothing doubled: the spoken words of all pairs, joined, are the spoken text.
    """
    pairs: list[tuple[str, str]] = []
    leading: list[str] = []
    matcher = difflib.SequenceMatcher(a=[_bare(w) for w in written], b=[_bare(w) for w in spoken], autojunk=False)
    for _, first, last, spoken_first, spoken_last in matcher.get_opcodes():
        count, sounds = last - first, spoken[spoken_first:spoken_last]
        if count == 0:
            if pairs:
                pairs[-1] = (pairs[-1][0], " ".join([pairs[-1][1], *sounds]).strip())
            else:
                leading = sounds
            continue
        for index in range(count):
            share = sounds[index * len(sounds) // count : (index + 1) * len(sounds) // count]
            pairs.append((written[first + index], " ".join([*leading, *share])))
            leading = []
    return pairs


def _bare(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum()) or word


__all__ = ["SPECULATIVE", "Speaking", "pair_words"]
