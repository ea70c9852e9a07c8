"""One connection to a device: its sound goes into conversations, and their speech and events come back to it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from aioesphomeapi.client import APIClient
from aioesphomeapi.core import APIConnectionError
from aioesphomeapi.model import VoiceAssistantAnnounceFinished, VoiceAssistantAudioSettings, VoiceAssistantCommandFlag
from loguru import logger
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
)

from pipeline.assistant import AssistantNotReady
from pipeline.caller import Caller
from pipeline.settings.satellites import Esphome
from satellites.allowance import SoundAllowance
from satellites.attention import Attention
from satellites.esphome import run
from satellites.esphome.profile import Profile
from satellites.esphome.run import Phase, Run
from satellites.esphome.speech import Shelf, Speech
from satellites.esphome.timers import TimerTeller
from satellites.esphome.udp import UdpSound
from satellites.esphome.volume import PlayerVolume
from satellites.line import LineTransport
from satellites.services import House
from voice.frames import ClearAudioFrame
from voice.wakeword import WakeWords, WakeWordUnknown, loudness

INPUT_RATE: Final = 16_000
"""Hz of what devices hear, and of what they play where they fetch nothing."""
PLAYER_LEAD: Final = 1.2
"""Seconds by which a player is sent speech ahead; linux-voice-assistant's begins to play once it has 0.8."""
SPEAKER_LEAD: Final = 0.25
"""The same for firmware that takes sound as it is played; it keeps 0.5 s and drops what is more."""
MEASURED: Final = 0.1
"""Seconds of sound behind the wake word by which it is told which device is nearest."""
MEASURING: Final = 0.3
"""Seconds in which they arrive."""
MOST_WOKEN: Final = 5 * INPUT_RATE * 2
"""Bytes of sound that are kept meanwhile."""
MOST_WAITING: Final = 500
"""Pieces of sound, of about 32 ms, that wait for a conversation; what is more is dropped."""
ENDING: Final = bytes(2 * INPUT_RATE * 2)
"""The silence that is heard where a device ends its sound by itself."""
FETCHING: Final = 5.0
"""Seconds in which a device fetches what it is to say."""
ANNOUNCING: Final = 300.0
"""Seconds that an announcement takes at most."""
GRACE: Final = 5.0
"""Seconds in which a conversation ends whose device has gone."""
SHORTEST_FOLLOW_UP: Final = 2.0
"""Seconds for which a conversation stays open at least, also where no further question is listened to: as long may pass
between what is said and its answer without anything happening."""
NOTHING: Final = 0.05
"""Seconds of silence that take the place of what a player is to stop."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A device that is connected."""

    client: APIClient
    profile: Profile
    traits: run.Traits
    caller: Caller
    shelf: Shelf
    sound: UdpSound | None
    """Where its sound comes by UDP."""
    timers: TimerTeller | None
    """Where it shows timers."""
    volume: PlayerVolume | None
    """Where it has one of its own that can be changed."""


class Session:
    """Serves one device while it is connected.

    Args:
        house: whom it talks to.
        device: what is connected.
        settings: the door's.
        on_problem: told what is wrong and how to mend it; None once it is mended.
    """

    def __init__(
        self, house: House, device: Reached, *, settings: Esphome, on_problem: Callable[[str | None], None]
    ) -> None:
        self._house = house
        self._device = device
        self._settings = settings
        self._on_problem = on_problem
        self._run = Run(device.traits, self._new_url)
        self._tasks = asyncio.TaskGroup()
        self._owned: set[asyncio.Task[None]] = set()
        self._work: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._talk: _Talk | None = None
        self._holding: asyncio.Task[None] | None = None
        self._judging: asyncio.Task[None] | None = None
        self._woken = bytearray()
        self._measurable = asyncio.Event()
        self._offered: Speech | None = None
        self._speech: Speech | None = None
        self._spoke_at = 0.0
        self._sound = SoundAllowance(device.caller.device)
        self._words: WakeWords | None = None
        self._loudness: float | None = None
        if device.sound is not None:
            device.sound.hear = self.hear

    @property
    def talking(self) -> bool:
        """Whether it holds a conversation."""
        return self._run.talking

    def gone(self) -> None:
        """The device is not connected any more."""
        self._gone.set()

    async def serve(self) -> None:
        """Serve until the device has gone. Cancellation ends its conversation at once."""
        async with self._tasks, contextlib.AsyncExitStack() as stack:
            stack.callback(self._cancel)
            self._own(self._pump())
            self._subscribe()
            if self._device.traits.announces:
                waking = self._house.assistant.standby(self._device.caller, lambda: self._do(self._run.called()))
                await stack.enter_async_context(waking)
            if self._device.timers is not None:
                self._own(self._device.timers.watch(self._house.assistant, self._device.caller.device))
            await self._gone.wait()
            await self._wind_down()

    def _own(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task

    def _cancel(self) -> None:
        for task in self._owned:
            task.cancel()

    def _subscribe(self) -> None:
        self._device.client.subscribe_voice_assistant(
            handle_start=self._asked,
            handle_stop=self._stopped,
            handle_audio=self._audio if self._device.sound is None else None,
            handle_announcement_finished=self._finished,
        )
        if self._device.volume is not None:
            self._device.client.subscribe_states(self._device.volume.see)

    async def _asked(self, _: str, flags: int, settings: VoiceAssistantAudioSettings, wake_word: str | None) -> int:
        """Say where to send sound: 0 is over this connection."""
        self._woken.clear()
        self._measurable.clear()
        self._loudness = None
        if flags & VoiceAssistantCommandFlag.USE_WAKE_WORD:
            self._do(self._run.left_to_hear())
        else:
            self._do(self._run.asked(wake_word))
        return 0 if self._device.sound is None else self._device.sound.port

    async def _stopped(self, abort: bool) -> None:
        if abort:
            self._do(self._run.stopped())
        else:
            self.hear(ENDING)

    async def _audio(self, data: bytes, _: bytes | None = None) -> None:
        self.hear(data)

    async def _finished(self, _: VoiceAssistantAnnounceFinished) -> None:
        # Firmware says so too where its player was slow to begin; one that fetches has not stopped.
        speech = self._speech
        if speech is not None and not speech.fetched and time.monotonic() - self._spoke_at > FETCHING / 2:
            self._do(self._run.played())

    def hear(self, pcm: bytes) -> None:
        """Take what the device has heard; what comes faster than there can be any is dropped."""
        if not self._sound.takes(len(pcm) / (INPUT_RATE * 2), time.monotonic()):
            return
        if self._run.phase is Phase.WAITING:
            self._listen_for_word(pcm)
            return
        if self._run.phase is Phase.WOKEN:
            self._woken += pcm[: MOST_WOKEN - len(self._woken)]
            if len(self._woken) >= MEASURED * INPUT_RATE * 2:
                self._measurable.set()
            return
        listens = self._run.phase is Phase.LISTENING or self._device.traits.full_duplex
        if self._talk is not None and listens and self._work.qsize() < MOST_WAITING:
            self._work.put_nowait(partial(self._talk.transport.hear, pcm))

    def _listen_for_word(self, pcm: bytes) -> None:
        woken = self._words.hear(pcm[: len(pcm) // 2 * 2]) if self._words is not None else None
        if woken is not None:
            self._loudness = woken.loudness
            self._do(self._run.woken(woken.phrase))

    async def _await_word(self) -> None:
        try:
            if self._words is None:
                self._words = await asyncio.to_thread(WakeWords, self._settings.wake_words)
            self._words.reset()
        except WakeWordUnknown as error:
            self._on_problem(f"its wake word cannot be heard: {error}")

    async def _pump(self) -> None:
        while True:
            await (await self._work.get())()

    def _do(self, commands: Sequence[run.Command]) -> None:
        for command in commands:
            try:
                self._ask_device(command)
                self._ask_conversation(command)
            except APIConnectionError as error:
                # Its session ends next.
                logger.debug("{} is not told {}: {}", self._device.caller.device, command, error)

    def _ask_device(self, command: run.Command) -> None:
        match command:
            case run.Tell(event, data):
                self._device.client.send_voice_assistant_event(event, dict(data))
            case run.Speak():
                self._speak()
            case run.Finish(broken_off):
                if self._speech is not None:
                    self._speech.close(drop=broken_off)
                self._speech = None
            case run.Announce(url, listen, text):
                self._own(self._announce(url, text, listen=listen))
            case run.Hush():
                nothing = Speech(self._device.profile.form, lambda: None)
                nothing.write(bytes(int(NOTHING * nothing.form.rate) * 2))
                nothing.close()
                self._own(self._announce(self._device.shelf.offer(nothing), "", listen=False))

    def _ask_conversation(self, command: run.Command) -> None:
        match command:
            case run.AwaitWord():
                self._own(self._await_word())
            case run.Judge():
                if self._judging is not None:
                    self._judging.cancel()
                self._judging = self._own(self._judge())
            case run.Converse():
                self._converse()
            case run.Listen() if self._talk is not None:
                self._talk.transport.listen()
                self._work.put_nowait(partial(self._talk.transport.tell, ClearAudioFrame()))
                self._take_woken(self._talk)
            case run.BreakOff() if self._talk is not None:
                self._work.put_nowait(self._talk.transport.interrupt)
            case run.HangUp() if self._talk is not None:
                self._work.put_nowait(partial(self._talk.transport.end, "nobody wants anything more"))

    def _new_url(self) -> str:
        self._offered = Speech(self._device.profile.form, lambda: self._do(self._run.played()))
        return self._device.shelf.offer(self._offered)

    def _speak(self) -> None:
        self._speech, self._spoke_at = self._offered, time.monotonic()
        if self._speech is not None and self._device.traits.plays_urls:
            self._own(self._demand_fetching(self._speech))

    async def _demand_fetching(self, speech: Speech) -> None:
        await asyncio.sleep(FETCHING)
        if speech.fetched:
            self._on_problem(None)
        if speech.fetched or speech.dropped:
            return
        self._on_problem(
            f"it does not fetch its speech from {self._device.shelf.base}: if it cannot reach this machine there, "
            "open the port in the firewall or set esphome.address"
        )
        if speech is self._speech:
            self._do(self._run.played())

    async def _announce(self, url: str, text: str, *, listen: bool) -> None:
        with contextlib.suppress(APIConnectionError, TimeoutError):
            await self._device.client.send_voice_assistant_announcement_await_response(
                url, ANNOUNCING, text, start_conversation=listen
            )

    async def _judge(self) -> None:
        if self._loudness is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MEASURING):
                    await self._measurable.wait()
            self._loudness = loudness(bytes(self._woken))
        name = self._device.caller.device
        won = await self._house.arbiter.wins(name, self._loudness)
        if not won:
            logger.info("{} has heard its wake word, and another device answers", name)
        self._do(self._run.judged(won=won))

    def _converse(self) -> None:
        talk = self._talk = _Talk(self, self._device, self._settings.follow_up)
        self._take_woken(talk)
        if self._device.timers is not None:
            self._device.timers.begin()
        self._holding = self._own(self._hold(talk, self._holding))

    def _take_woken(self, talk: "_Talk") -> None:
        """Let the conversation hear what was said while it was found out who answers."""
        if self._woken:
            self._work.put_nowait(partial(talk.transport.hear, bytes(self._woken)))
            self._woken.clear()

    async def _hold(self, talk: "_Talk", before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        name = self._device.caller.device
        commands: Callable[[], Sequence[run.Command]] = self._run.ended
        try:
            volume = self._device.volume
            loudness = volume if volume is not None and volume.known else None
            await self._house.assistant.converse(talk.transport, self._device.caller, loudness=loudness)
        except AssistantNotReady as error:
            logger.info("{} came too early: {}", name, error)
            commands = partial(self._run.failed, "not-ready", str(error))
        except Exception:  # noqa: BLE001 - one conversation's failure ends no other
            logger.exception("The conversation with {} failed", name)
            commands = partial(self._run.failed, "failed", "the conversation failed; the assistant's log says why")
        if self._talk is talk:
            self._talk = None
            self._do(commands())
            if self._device.timers is not None:
                self._device.timers.end()

    async def _wind_down(self) -> None:
        if self._speech is not None:
            self._speech.close(drop=True)
        if self._talk is not None:
            await self._talk.transport.end("its device is gone")
        if self._holding is not None:
            await asyncio.wait({self._holding}, timeout=GRACE)

    async def play(self, talk: "_Talk", pcm: bytes) -> None:
        """Have the device say a piece of a conversation's speech."""
        if talk is not self._talk or not pcm:
            return
        self._do(self._run.speech())
        if self._run.phase is not Phase.SPEAKING or self._speech is None:
            return
        if self._device.traits.plays_urls:
            self._speech.write(pcm)
        elif self._device.sound is not None:
            self._device.sound.say(pcm)
        else:
            with contextlib.suppress(APIConnectionError):
                self._device.client.send_voice_assistant_audio(pcm)

    def follow(self, talk: "_Talk", frame: Frame, *, answering: bool) -> None:
        """Tell the device what happens in its conversation."""
        if talk is not self._talk:
            return
        match frame:
            case UserStartedSpeakingFrame():
                self._do(self._run.began())
            case LLMContextUserTurnFrame():
                if self._device.timers is not None:
                    self._device.timers.answer()
                self._do(self._run.said(frame.text))
            case TTSTextFrame():
                self._run.word(frame.text)
            case AggregatedTextFrame():
                self._run.sentence(frame.text)
            case InterruptionFrame():
                self._do(self._run.interrupted())
            case BotStoppedSpeakingFrame() if not answering:
                self._do(self._run.answered())


class _Talk:
    """A conversation, as the line that it is held over."""

    def __init__(self, session: Session, device: Reached, follow_up: float) -> None:
        self._session = session
        self._attention = Attention(follow_up, time.monotonic())
        fetches = device.traits.plays_urls
        self.transport = LineTransport(
            self,
            input_rate=INPUT_RATE,
            output_rate=device.profile.form.rate if fetches else INPUT_RATE,
            follow_up=max(follow_up, SHORTEST_FOLLOW_UP),
            lead=PLAYER_LEAD if fetches else SPEAKER_LEAD,
        )

    async def play(self, audio: bytes) -> None:
        await self._session.play(self, audio)

    async def follow(self, frame: Frame) -> None:
        self._attention.see(frame, time.monotonic())
        self._session.follow(self, frame, answering=self._attention.answering)
