"""The assistant of the house: one a process. It owns the engines, and every conversation runs on them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from loguru import logger
from openai.types.chat import ChatCompletionMessageParam
from pipecat.services.llm_service import FunctionCallHandler
from pipecat.transports.base_transport import BaseTransport

from pipeline.announcements import Announcements, Standby
from pipeline.beside import run_beside
from pipeline.budget import memory_need
from pipeline.budget.memory_watch import MemoryWatch
from pipeline.budget.shedding import Shed
from pipeline.caller import Caller
from pipeline.context.builder import ContextBuilder
from pipeline.conversation import Conversation, Engines
from pipeline.engines.embedded import EmbeddedLanguageEngine
from pipeline.engines.engine_state import Maintenance
from pipeline.engines.slots import Slots
from pipeline.intents.local_answers import Loudness
from pipeline.intents.matching import LocalIntents
from pipeline.latency import LatencyLog
from pipeline.loading import completions_with, load_voice, start_language_model, warm_up
from pipeline.orchestrator.completions import Completions
from pipeline.providers import Providers
from pipeline.quiet import Quiet, QuietHours
from pipeline.settings import Settings
from pipeline.speech import Speech
from pipeline.store.conversations import forget
from pipeline.store.database import StoreDown
from pipeline.store.readings import Reading
from pipeline.store.shared import Shared
from pipeline.store.stores import Stores, open_shared, open_stores
from pipeline.toolbox import Toolbox, allowed, tool_context
from pipeline.writer import Written, WrittenRequest
from pipeline.written import WrittenConversation
from tools.outcomes import Outcome
from tools.policy import Policy
from tools.telephone import Exchange
from tools.timer_watch import DeviceTimers
from tools.tool import Tool

NOT_READY = "the assistant is still loading its models; try again in a few seconds"
NO_MEMORY = "the assistant is out of memory for further conversations; try again in a minute"
SMALL_CONTEXT_SECONDS = 0.25
"""What an answer waits for the household's memory where the model is very small."""
IDLE_SECONDS = 120.0
"""Nobody having spoken for so long, a conversation may end to save memory."""

_OWN_REPLIES = 500


class AssistantNotReady(Exception):  # noqa: N818 - reads as what is the matter
    """Somebody came before the engines were warm, or while no memory is left for one more."""


class Assistant:
    """Loads the engines when entered, warms them, and closes them when left.

    Raises:
        voice.models.ModelMissing, voice.whisper.WhisperError, voice.piper.VoiceError,
        pipeline.engines.supervision.LanguageEngineError, pipeline.budget.memory_need.NotEnoughMemory: on entering;
        each message is one line that says what to do.
    """

    def __init__(self, settings: Settings, *, planned: bool = True) -> None:
        """Take the settings; what is not `planned` is loaded without looking whether there is memory."""
        self.settings = settings
        self._planned = planned
        self.latency = LatencyLog()
        self._engines: Engines | None = None
        self._embedded: EmbeddedLanguageEngine | None = None
        self._stack = AsyncExitStack()
        self._slots = Slots()
        household = settings.household
        hours = QuietHours(household.quiet) if household.quiet else None
        self._quiet = Quiet(hours, zone=lambda: household.zone)
        self._announcements = Announcements(self._quiet)
        self._maintenance = Maintenance(settings.data_dir)
        self._memory = MemoryWatch(self._shed)
        self._stores: Stores | None = None
        self._shared: Shared | None = None
        self._open: set[Conversation] = set()
        self.exchange = Exchange()
        """Where a telephone plugs in."""
        self.exchange.undisturbed = self._announcements.undisturbed

    @property
    def ready(self) -> bool:
        """Whether the engines are loaded and warm."""
        return self._engines is not None

    @property
    def problem(self) -> str | None:
        """What keeps the assistant from answering now, or None."""
        if self._embedded is not None and self.ready and not self._embedded.healthy:
            return "the embedded language model is being restarted"
        return None

    async def __aenter__(self) -> Self:
        """Load and warm the engines: all at the same time, or speech first where memory is scarce."""
        try:
            self._engines = await self._loaded()
        except BaseExceptionGroup as group:
            await self._stack.aclose()
            raise group.exceptions[0] from None
        except BaseException:
            await self._stack.aclose()
            raise
        self._work_beside(self._engines)
        return self

    async def _loaded(self) -> Engines:
        async with asyncio.TaskGroup() as loading:
            voice = loading.create_task(asyncio.to_thread(load_voice, self.settings, self._stack))
            if self._planned and await asyncio.to_thread(memory_need.scarce, self.settings):
                await asyncio.wait({voice})
                await asyncio.to_thread(memory_need.check_language, self.settings)
            language = loading.create_task(start_language_model(self.settings, self._stack))
            stores = loading.create_task(open_stores(self.settings, self._stack, may_work=self._idle))
            shared = loading.create_task(open_shared(self.settings, self._stack))
            intents = loading.create_task(asyncio.to_thread(LocalIntents, self.settings.hearing.language))
        model, speech = language.result(), voice.result()
        endpoint, client = model.endpoint, model.client
        self._embedded = model.embedded
        self._stores = stores.result()
        self._shared = shared.result()
        toolbox = await self._toolbox(intents.result())
        engines = Engines(
            speech.whisper,
            speech.smart_turn,
            speech.detector,
            speech.piper,
            speech.voices,
            endpoint,
            client,
            completions_with(model, self.settings, self._stack, draining=self._maintenance.on),
            intents.result(),
            toolbox,
            deque(maxlen=_OWN_REPLIES) if endpoint.needs_examples else None,
            self._context(toolbox, small=endpoint.needs_examples),
        )
        await warm_up(engines, self.settings)
        return engines

    def _work_beside(self, engines: Engines) -> None:
        """Begin what goes on beside the conversations."""
        if self._stores is not None:
            extraction = None
            if self.settings.stores.learns:
                large = None if engines.endpoint.needs_examples else engines.endpoint.model
                extraction = self._stores.extraction(engines.completions, model=large, may_work=self._idle)
            run_beside(self._stack, self._stores.run(extraction), "stores")
        if self._shared is not None:
            self._announcements.share(self._shared)
            run_beside(self._stack, self._shared.run(self._announcements.devices, self._announcements.hear), "shared")
        run_beside(self._stack, self._announcements.run(), "announcements")
        run_beside(self._stack, self._memory.run(), "memory watch")
        run_beside(self._stack, asyncio.to_thread(memory_need.record, self.settings), "memory record")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engines; conversations must have ended."""
        self._engines = None
        await self._stack.aclose()

    async def converse(
        self,
        transport: BaseTransport,
        caller: Caller,
        *,
        call_tool: FunctionCallHandler | None = None,
        loudness: Loudness | None = None,
    ) -> None:
        """Hold one conversation; return when it has ended. Cancellation ends it and leaves the others alone.

        Raises:
            AssistantNotReady: before the engines are warm, or while there is no memory for one more.
        """
        engines, stores = self.check(), self._stores
        earlier: list[ChatCompletionMessageParam] = []
        if stores is not None:
            caller = await stores.people.known(caller)
            if caller.resumes:
                earlier = await stores.conversations.earlier(caller)
        engines = replace(engines, piper=await engines.voices.named(caller.voice))
        with self._slots.lend(engines.endpoint.slots) as slot:
            conversation = Conversation(
                transport,
                caller,
                engines=engines,
                settings=self.settings,
                latency=self.latency,
                slot=slot,
                call_tool=call_tool,
                loudness=loudness,
                earlier=earlier,
                note=stores.conversations.note if stores is not None and caller.resumes else forget,
                elsewhere=partial(stores.conversations.elsewhere, caller) if stores is not None else None,
            )
            self._open.add(conversation)
            try:
                kept = nullcontext() if loudness is not None else self._loudness(conversation)
                async with self._announcements.reach(conversation), kept:
                    await conversation.run()
            finally:
                self._open.discard(conversation)

    @asynccontextmanager
    async def standby(self, caller: Caller, wake: Callable[[], None]) -> AsyncIterator[None]:
        """Have `wake` called where something is to be said at a device that holds no conversation.

        The conversation that the device begins then says it.
        """
        waiting = Standby(caller, wake)
        if self._stores is not None:
            await waiting.look_up(self._stores.people.known)
        async with self._announcements.reach(waiting):
            yield

    def timers_at(self, device: str) -> AsyncGenerator[DeviceTimers]:
        """What is set at a device, again after each change. Raises `AssistantNotReady` before the tools are there."""
        if self._engines is None:
            raise AssistantNotReady(NOT_READY)
        return self._engines.toolbox.timers_at(device)

    @asynccontextmanager
    async def _loudness(self, conversation: Conversation) -> AsyncIterator[None]:
        """Speak as loudly as the device was told to last."""
        shared, device = self._shared, conversation.caller.device
        kept = await shared.volume(device) if shared is not None else None
        if kept is not None:
            conversation.volume = kept
        before = conversation.volume
        try:
            yield
        finally:
            if shared is not None and conversation.volume != before:
                await shared.keep_volume(device, conversation.volume)

    def write(self, request: WrittenRequest, caller: Caller) -> AsyncGenerator[Written]:
        """Answer in writing.

        Raises:
            AssistantNotReady: at once, as `check`; the rest as `WrittenConversation.answer`.
        """
        return self._write(self.check(), request, caller)

    async def _write(self, engines: Engines, request: WrittenRequest, caller: Caller) -> AsyncGenerator[Written]:
        if self._stores is not None:
            caller = await self._stores.people.known(caller)
        conversation = WrittenConversation(
            caller,
            request.identity(caller),
            endpoint=engines.endpoint,
            client=engines.client,
            completions=engines.completions,
            settings=self.settings,
            latency=self.latency,
            executor=engines.toolbox.executor,
            intents=engines.intents,
            context=engines.context,
            own_replies=engines.own_replies,
        )
        async with aclosing(conversation.answer(request)) as pieces:
            async for piece in pieces:
                yield piece

    @property
    def stores(self) -> Stores | None:
        """What is kept, for doors that show it; None where nothing is, or not yet."""
        return self._stores

    async def note_readings(self, readings: Sequence[Reading]) -> None:
        """Keep what sensors have measured; when this returns, it survives a crash. Raises `StoreDown`."""
        if self._stores is None:
            raise StoreDown("nothing is kept: there is no database")
        await self._stores.readings.note(readings)

    def speech(self) -> Speech:
        """Return the ears and the voice, for programs that hold a conversation of their own. Raises as `check`."""
        engines = self.check()
        return Speech(engines.whisper, engines.piper, engines.detector, self.settings)

    async def announce(self, text: str, *, devices: Collection[str], room: str | None, urgent: bool) -> bool:
        """Say something without having been asked; False where it waits until somebody can hear it.

        Without devices and a room it is said wherever somebody can hear it, and so it is where the one device is away.

        Raises `AssistantNotReady` before there is a voice.
        """
        if self._engines is None:
            raise AssistantNotReady(NOT_READY)
        if self._stores is not None:
            await self._announcements.look_up(self._stores.people.known)
        if len(devices) > 1 or room is not None:
            return await self._announcements.say_at(text, devices=devices, room=room, urgent=urgent)
        return await self._announcements.say(text, device=next(iter(devices), None), urgent=urgent)

    def house_tools(self, caller: Caller) -> Sequence[Tool]:
        """The tools that a program may use, those that matter left out. Raises `AssistantNotReady`."""
        return self.check().toolbox.executor.tools(allowed(caller))

    async def use_tool(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Outcome:
        """Use one, as often as asked. Raises `AssistantNotReady`."""
        executor, zone = self.check().toolbox.executor, self.settings.household.zone
        context = tool_context(caller, conversation=caller.device, turn=uuid4().hex, zone=zone)
        return await executor.call(name, arguments, context, allowed=allowed(caller))

    def engine_state(self) -> Mapping[str, Any]:
        """How the household's own model fares. Raises `AssistantNotReady` before it is loaded."""
        return {**self._models().status(), "memory": self._memory.state()}

    def drain(self) -> None:
        """Ask the own model nothing from now on; answers that have begun go on. Raises `AssistantNotReady`."""
        self._models().drain()
        self._maintenance.set(True)

    def resume(self) -> None:
        """Ask the own model again. Raises `AssistantNotReady`."""
        self._models().resume()
        self._maintenance.set(False)

    def check(self) -> Engines:
        """Return the engines for one more conversation.

        Raises:
            AssistantNotReady: before they are warm, or while there is no memory for one more.
        """
        if self._engines is None:
            raise AssistantNotReady(NOT_READY)
        if self._memory.step >= Shed.NEWCOMERS:
            raise AssistantNotReady(NO_MEMORY)
        return self._engines

    async def _shed(self, step: Shed) -> None:
        if self._engines is None:
            return
        self._engines.completions.shed(step)
        if step < Shed.IDLE or self._stores is None:
            return
        for conversation in sorted(self._open, key=lambda each: each.idle, reverse=True):
            # What was said in it is kept, and it goes on when somebody comes back.
            if conversation.caller.resumes and conversation.idle >= IDLE_SECONDS:
                logger.warning(f"conversation {conversation.id} with {conversation.caller.device} ends, it was idle")
                await conversation.end()

    def _models(self) -> Completions:
        if self._engines is None:
            raise AssistantNotReady(NOT_READY)
        return self._engines.completions

    async def _toolbox(self, intents: LocalIntents) -> Toolbox:
        notebook = self._stores.notebook() if self._stores is not None else None
        providers = Providers(
            self.settings,
            readings=self._stores.readings if self._stores is not None else None,
            shared=self._shared,
            announce=self._announcements.say,
            furnish=intents.furnish,
            exchange=self.exchange,
        )
        await providers.prepare()
        if providers.telephone is not None:
            self._announcements.last_resort = providers.telephone.ring
        self._announcements.messages = providers.messages
        toolbox = Toolbox(
            self.settings.data_dir / "household",
            on_ring=self._announcements.ring,
            notebook=notebook,
            hush=self._quiet.hush,
            providers=providers,
            policy=_policy(self.settings),
        )
        self._stack.push_async_callback(toolbox.close)
        run_beside(self._stack, toolbox.run(), "tools")
        return toolbox

    def _context(self, toolbox: Toolbox, *, small: bool) -> ContextBuilder | None:
        if self._stores is None:
            return None
        deadline, household = self.settings.stores.context_seconds, self.settings.household
        if small:
            # It stands in for a model that would make nothing of the question, and shares its small processor.
            deadline = max(deadline, SMALL_CONTEXT_SECONDS)
        return self._stores.context(
            timers=toolbox.upcoming, zone=lambda: household.zone, deadline=deadline, small=small
        )

    def _idle(self) -> bool:
        """Whether there is memory for what nobody waits for."""
        return self._memory.step < Shed.BACKGROUND


def _policy(settings: Settings) -> Policy:
    chosen = settings.policy
    return Policy(frozenset(chosen.forbid), frozenset(chosen.confirm), chosen.people, chosen.rooms)
