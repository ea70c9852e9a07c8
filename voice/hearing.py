"""The listening end of a conversation: audio in, turns out, as a Pipecat processor.

It stands where others put a speech-to-text service with turn detection of its own, and speaks the same language to
Pipecat's aggregator: it proposes starts of turns, hands in eager transcripts for speculation, withdraws them, and
commits. The decisions are `TurnTaker`'s; this class owns the audio, the models' time and the tasks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Final

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from voice.calling import without_call
from voice.commands import (
    Abandon,
    Backchannel,
    Command,
    Commit,
    Duck,
    PredictEnd,
    ShowPartial,
    Speculate,
    StartTurn,
    Transcribe,
    Unduck,
    Withdraw,
)
from voice.ducking import Ducker
from voice.endpointing import SmartTurn
from voice.frames import (
    CONTINUES,
    SPOKEN_LANGUAGE,
    UNANSWERED,
    ClearAudioFrame,
    CommitAudioFrame,
    TurnDetectionFrame,
    UserTurnAbandonedFrame,
)
from voice.turns import ONSET, PREROLL, TurnTaker, windows
from voice.vad import WINDOW, WINDOW_SECONDS, SpeechDetector, loudness
from voice.whisper import Audio, Transcript, WhisperEngine, WhisperError

SMART_TURN_LIMIT: Final = 5.0
TRANSCRIPTION_LIMIT: Final = 30.0
"""Seconds before a model's answer is given up; the turn is then abandoned and the conversation goes on."""
ONSET_SECONDS: Final = (ONSET + PREROLL) * WINDOW_SECONDS
"""How far behind its detection the audio of an utterance begins."""
MOST_UNCOMMITTED: Final = windows(120)
"""What is kept of audio whose end the caller marks; older audio is forgotten."""


@dataclass(slots=True)
class HeardTurn:
    """When a person's turn passed its stages; monotonic seconds, None for what did not happen."""

    text: str = ""
    continues: bool = False
    """It holds the words of the turn before it too, which had seemed to be over."""
    speech_ended: float = 0.0
    """The true end of speech, as far as the VAD can tell."""
    paused: float | None = None
    """The VAD noticed the silence."""
    transcribed: float | None = None
    speculated: float | None = None
    decided: float | None = None
    """The turn was taken to be over."""
    withdrawn: int = 0
    """Speculations that were withdrawn because the person went on."""


class Hearing(FrameProcessor):
    """Turns a caller's microphone into turns.

    Args:
        whisper: shared engine.
        smart_turn: shared model.
        detector: shared model.
        ducker: the filter on the caller's output.
        on_partial: told what has been heard of a turn that goes on.
        on_language: told the language of what was understood, before anything else is told of it.
        on_pause: told when the person may have finished, before it is known what they said.
        is_command: whether these words are one that is carried out without the language model.
        on_turn: told of each committed turn, right before its transcript is pushed.
    """

    def __init__(
        self,
        *,
        whisper: WhisperEngine,
        smart_turn: SmartTurn,
        detector: SpeechDetector,
        ducker: Ducker,
        on_turn: Callable[[HeardTurn], Awaitable[None]],
        on_partial: Callable[[str], None] = lambda _: None,
        on_pause: Callable[[], None] = lambda: None,
        on_language: Callable[[str], None] = lambda _: None,
        is_command: Callable[[str], bool] = lambda _: False,
        user_id: str = "",
    ) -> None:
        super().__init__()
        self._whisper = whisper
        self._smart_turn = smart_turn
        self._speech = detector.stream()
        self._ducker = ducker
        self._on_turn = on_turn
        self._on_partial = on_partial
        self._on_pause = on_pause
        self._on_language = on_language
        self._user_id = user_id
        self._taker = TurnTaker(is_command=is_command)
        self._lock = asyncio.Lock()
        self._pending = np.empty(0, dtype=np.float32)
        self._audio: list[Audio] = []
        self._first_window = 0
        self._final: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = HeardTurn()

    def note_assistant_said(self, text: str) -> None:
        """Note words that the assistant speaks, so that their echo is not taken for the person's."""
        self._taker.assistant_said(text)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take audio and control frames; all others pass."""
        await super().process_frame(frame, direction)
        match frame:
            case InputAudioRawFrame():
                await self._hear(frame)
                return
            case TurnDetectionFrame():
                await self._configure(frame)
            case CommitAudioFrame():
                await self._commit_audio()
            case ClearAudioFrame():
                await self._clear_audio()
            case BotStartedSpeakingFrame() | BotStoppedSpeakingFrame():
                async with self._lock:
                    speaking = isinstance(frame, BotStartedSpeakingFrame)
                    await self._execute(self._taker.assistant_speaks(speaking=speaking))
            case EndFrame() | CancelFrame():
                await self._stop_tasks()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Cancel what is still being transcribed."""
        await self._stop_tasks()
        await super().cleanup()

    async def _hear(self, frame: InputAudioRawFrame) -> None:
        samples = np.frombuffer(frame.audio, dtype=np.int16).astype(np.float32) / 32768.0
        self._pending = np.concatenate((self._pending, samples))
        while len(self._pending) >= WINDOW:
            window, self._pending = self._pending[:WINDOW], self._pending[WINDOW:]
            async with self._lock:
                self._audio.append(window)
                if self._taker.enabled:
                    await self._execute(self._taker.window(self._speech.probability(window), loudness(window)))
                self._forget()

    def _forget(self) -> None:
        if self._taker.enabled:
            surplus = self._taker.oldest_window - self._first_window
        else:
            surplus = len(self._audio) - MOST_UNCOMMITTED
        if surplus > 0:
            del self._audio[:surplus]
            self._first_window += surplus

    async def _execute(self, commands: list[Command]) -> None:
        for command in commands:
            await self._execute_one(command)

    async def _execute_one(self, command: Command) -> None:
        now = time.monotonic()
        match command:
            case Transcribe():
                self._transcribe(command)
            case PredictEnd():
                self._own(self._predict(command))
            case ShowPartial(text):
                # Upstream, since the aggregator keeps it to itself and the doors are who shows it.
                partial = InterimTranscriptionFrame(text, self._user_id, time_now_iso8601())
                await self.push_frame(partial, FrameDirection.UPSTREAM)
                self._on_partial(text)
            case StartTurn(continues):
                # Over the assistant's voice words decide, so that the end may be known before the beginning is.
                self._turn.continues, self._turn.withdrawn, self._turn.speculated = continues, 0, None
                await self.push_frame(VADUserStartedSpeakingFrame(start_secs=ONSET_SECONDS), FrameDirection.UPSTREAM)
                await self.push_frame(ProposedUserStartedSpeakingFrame())
            case Speculate(text):
                self._turn.speculated = now
                frame = EagerTranscriptionFrame(text, self._user_id, time_now_iso8601())
                frame.metadata[CONTINUES] = self._turn.continues
                await self.push_frame(frame)
            case Withdraw():
                self._turn.withdrawn += 1
                self._turn.speculated = None
                await self.push_frame(EagerEndOfTurnCancelFrame())
            case Commit():
                self._turn.text, self._turn.decided = command.text, now
                await self._on_turn(self._turn)
                await self._push_transcript(command)
                self._turn = HeardTurn()
            case Abandon():
                self._turn = HeardTurn()
                await self.push_frame(ProposedUserStoppedSpeakingFrame())
                await self.broadcast_frame(UserTurnAbandonedFrame)
            case Duck():
                self._ducker.duck()
            case Unduck():
                self._ducker.unduck()
            case Backchannel(text):
                await self.push_frame(UserBackchannelFrame(text, self._user_id, time_now_iso8601()))

    async def _push_transcript(self, turn: Commit) -> None:
        frame = TranscriptionFrame(turn.text, self._user_id, time_now_iso8601(), finalized=True)
        frame.metadata[UNANSWERED] = not turn.answer
        frame.metadata[CONTINUES] = self._turn.continues
        try:
            frame.language = Language(turn.language)
        except ValueError:
            logger.debug(f"Whisper's language {turn.language!r} has no name in Pipecat")
        await self.push_frame(frame)
        silence = time.monotonic() - self._turn.speech_ended
        stopped = VADUserStoppedSpeakingFrame(stop_secs=silence)
        stopped.metadata[SPOKEN_LANGUAGE] = turn.language
        await self.push_frame(stopped, FrameDirection.UPSTREAM)
        await self.push_frame(ProposedUserStoppedSpeakingFrame())

    def _transcribe(self, command: Transcribe) -> None:
        if command.final:
            self._on_pause()
            self._turn.paused = time.monotonic()
            self._turn.speech_ended = self._turn.paused - self._taker.silence
            self._turn.transcribed = None
            if self._final is not None:
                # Overtaken; if it still waits for the engine, it need not run at all.
                self._final.cancel()
            self._final = self._own(self._run_whisper(command))
        else:
            self._own(self._run_whisper(command))

    async def _run_whisper(self, command: Transcribe) -> None:
        audio = self._span(command.start, command.end)
        transcript = await self._transcript_of(audio, only_if_idle=not command.final)
        if transcript is None:
            return
        logger.trace(f"{self} understood {transcript}")
        async with self._lock:
            if command.final:
                self._turn.transcribed = time.monotonic()
                self._on_language(transcript.language)
            await self._execute(self._taker.transcribed(command.request, transcript))

    async def _transcript_of(self, audio: Audio, *, only_if_idle: bool = False) -> Transcript | None:
        try:
            async with asyncio.timeout(TRANSCRIPTION_LIMIT):
                if only_if_idle:
                    return await self._whisper.transcribe_if_idle(audio)
                return await self._whisper.transcribe(audio)
        except (TimeoutError, WhisperError, RuntimeError) as error:
            logger.error(f"what was said could not be transcribed: {error!r}")
            return None

    async def _predict(self, command: PredictEnd) -> None:
        audio = self._span(command.start, command.end)
        try:
            async with asyncio.timeout(SMART_TURN_LIMIT):
                probability = await asyncio.to_thread(self._smart_turn.probability, audio)
        except (TimeoutError, RuntimeError) as error:
            logger.error(f"smart turn failed, the words alone decide: {error!r}")
            probability = 0.5
        async with self._lock:
            await self._execute(self._taker.predicted(command.request, probability))

    def _span(self, start: int, end: int) -> Audio:
        pieces = self._audio[max(0, start - self._first_window) : end - self._first_window]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.float32)

    async def _configure(self, frame: TurnDetectionFrame) -> None:
        async with self._lock:
            if frame.enabled != self._taker.enabled:
                await self._drop_audio()
                self._taker.enabled = frame.enabled
            self._taker.may_interrupt = frame.interrupt_response
            self._taker.eagerness = frame.eagerness or "auto"
            self._taker.shortest_silence = frame.silence or 0.0

    async def _commit_audio(self) -> None:
        async with self._lock:
            audio = np.concatenate([*self._audio, self._pending])
            await self._drop_audio()
            now = time.monotonic()
            turn = self._turn = HeardTurn(speech_ended=now, paused=now)
            await self.push_frame(ProposedUserStartedSpeakingFrame())
            transcript = await self._transcript_of(audio)
            turn.transcribed = time.monotonic()
            text = without_call(transcript.text) if transcript is not None else ""
            if transcript is None or not text or not self._taker.believes(transcript):
                await self._execute([Abandon()])
            else:
                await self._execute([Commit(text, transcript.language)])

    async def _clear_audio(self) -> None:
        async with self._lock:
            await self._drop_audio()

    async def _drop_audio(self) -> None:
        await self._execute(self._taker.reset())
        self._audio.clear()
        self._pending = np.empty(0, dtype=np.float32)
        self._first_window = self._taker.now

    def _own(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _stop_tasks(self) -> None:
        for task in list(self._tasks):
            await self.cancel_task(task)
