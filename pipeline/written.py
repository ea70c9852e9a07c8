"""One answer in writing: a conversation's model, aggregators and prompt, in a pipeline without ears and voice.

Nothing is kept between two answers: whoever asks brings the history along, as OpenAI's chat completions have it.
"""

import asyncio
from collections.abc import AsyncGenerator, MutableSequence
from typing import Any, cast

from loguru import logger
from openai import AsyncOpenAI
from pipecat.adapters.llm.schemas.direct_function import DirectFunction
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import NOT_GIVEN, LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pipeline.caller import Caller
from pipeline.context.builder import ContextBuilder
from pipeline.context.turn import TurnKnowledge
from pipeline.engines.endpoint import Endpoint
from pipeline.intents.local_answers import LocalAnswers
from pipeline.intents.matching import LocalIntents
from pipeline.latency import LatencyLog, TurnClock
from pipeline.orchestrator.completions import Completions, NoAnswer
from pipeline.orchestrator.house_functions import HouseFunctions
from pipeline.orchestrator.prompt import Prompt
from pipeline.orchestrator.prompt_keeper import PromptKeeper
from pipeline.settings import Settings
from pipeline.writer import Finished, Text, Writer, Written, WrittenRequest
from tools.executor import Executor

LONGEST_SILENCE = 60.0
"""Seconds between two pieces of an answer; a tool of the house may take some."""
LONGEST_SHARE = 0.5
"""Part of the model's context that an answer may fill; the rest is for what it answers."""


class ModelDoesNotSee(Exception):  # noqa: N818 - reads as what is the matter
    """The messages show an image, and the model cannot look at it."""


class WrittenConversation:
    """Answers once, in writing.

    Args:
        caller: who asks, from where.
        identity: the conversation's.
        endpoint: the household's own language model.
        client: the way there, shared by all conversations.
        completions: who answers, also where that model cannot.
        executor: runs the house's tools, which are offered beside the client's.
        intents: answer plain commands without the model.
        context: knows what the household's memory knows.
        own_replies: as `LanguageModel` has them.
    """

    def __init__(
        self,
        caller: Caller,
        identity: str,
        *,
        endpoint: Endpoint,
        client: AsyncOpenAI,
        completions: Completions,
        settings: Settings,
        latency: LatencyLog,
        executor: Executor,
        intents: LocalIntents,
        context: ContextBuilder | None = None,
        own_replies: MutableSequence[str] | None = None,
    ) -> None:
        self.id = identity
        self._caller = caller
        self._endpoint = endpoint
        self._client = client
        self._completions = completions
        self._settings = settings
        self._latency = latency
        self._executor = executor
        self._intents = intents
        self._builder = context
        self._own_replies = own_replies

    async def answer(self, request: WrittenRequest) -> AsyncGenerator[Written]:
        """Answer, piece by piece. Closing this generator stops the model and the tools that may be stopped.

        Raises:
            ModelDoesNotSee: for an image, at a model without eyes.
            Saturated: at once, where the model has too much to do.
            Declined: the model's server does not take the request.
            NoAnswer: nobody could answer, or finish the answer.
        """
        if request.shows_image and not self._endpoint.sees:
            raise ModelDoesNotSee(f"the language model {self._endpoint.model} cannot look at images; send text")
        clock = TurnClock(self._latency, conversation=self.id, door=self._caller.door, device=self._caller.device)
        writer, worker = self._make_worker(request, clock)
        pieces, words = writer.pieces, []
        running = asyncio.create_task(_run(worker), name=f"written answer {self.id}")
        running.add_done_callback(lambda _: pieces.put_nowait(NoAnswer("the answer was broken off")))
        try:
            while True:
                piece = await _next(pieces)
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, Text):
                    words.append(piece.text)
                yield piece
                if isinstance(piece, Finished):
                    return
        finally:
            clock.answered("".join(words), interrupted=False)
            running.cancel()
            # wait() and not await: that the task was cancelled is no reason to cancel who waits for it.
            await asyncio.wait({running})

    def _make_worker(self, request: WrittenRequest, clock: TurnClock) -> tuple[Writer, PipelineWorker]:
        settings, endpoint = self._settings, self._endpoint
        longest = min(request.max_tokens or settings.language.max_tokens, round(endpoint.context * LONGEST_SHARE))
        prompt = Prompt(settings.household, small=endpoint.needs_examples)
        # A program that brings its own tools, or asks for data, has said all that is to be known.
        remembers = self._builder is not None and not (request.functions or "response_format" in request.sampling)
        knowledge = TurnKnowledge(self._builder, self._caller) if remembers and self._builder else None
        functions = HouseFunctions(
            self._executor,
            self._caller,
            conversation=self.id,
            clock=clock,
            household=settings.household,
            knowledge=knowledge,
        )
        local = LocalAnswers(
            self._intents,
            self._executor,
            caller=self._caller,
            loudness=None,
            context=functions.context,
            spoken_from=len(prompt.opening()),
            small=endpoint.needs_examples,
        )
        writer = Writer(
            request,
            endpoint=endpoint,
            client=self._client,
            completions=self._completions,
            conversation=self.id,
            instruction=prompt.instruction(self._caller, request.instructions),
            temperature=request.sampling.get("temperature", settings.language.temperature),
            max_tokens=longest,
            slot=None,
            clock=clock,
            local=local,
            knowledge=knowledge,
            own_replies=self._own_replies,
        )
        house = functions.schema(endpoint)
        tools = _offered(house if isinstance(house, ToolsSchema) else ToolsSchema([]), request)
        for tool in tools.standard_tools if tools else ():
            # All of them hold the answer up: whoever reads it waits for nothing that comes later.
            writer.register_function(tool.name, functions.call, cancel_on_interruption=True)
        # Some servers refuse a choice where there is nothing to choose from.
        chosen = request.tool_choice if tools else None
        context = LLMContext(prompt.opening(), tools or NOT_GIVEN, cast("Any", chosen) or NOT_GIVEN)
        keeper = PromptKeeper(
            context=context,
            budget=endpoint.context - longest,
            caller=self._caller,
            prompt=prompt,
            on_typed=clock.typed,
        )
        context.add_messages(list(request.messages))
        aggregators = LLMContextAggregatorPair(
            context, user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
        )
        worker = PipelineWorker(
            Pipeline([keeper, aggregators.user(), writer, aggregators.assistant()]),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
            conversation_id=self.id,
        )
        return writer, worker


def _offered(house: ToolsSchema, request: WrittenRequest) -> ToolsSchema | None:
    """The house's tools first, since they are always the same, and the client's behind them."""
    named = {tool["function"]["name"] for tool in request.functions}
    fit = [] if request.tool_choice == "required" else house.standard_tools
    standard: list[FunctionSchema | DirectFunction] = [tool for tool in fit if tool.name not in named]
    if not standard and not named:
        return None
    return ToolsSchema(standard, {AdapterType.OPENAI: [dict(tool) for tool in request.functions]})


async def _run(worker: PipelineWorker) -> None:
    runner = WorkerRunner(handle_sigint=False)
    try:
        await runner.add_workers(worker)
        await worker.queue_frame(LLMRunFrame())
        await runner.run()
    except Exception:  # noqa: BLE001 - that it is over tells whoever reads it
        logger.exception("A written answer failed")


async def _next(pieces: asyncio.Queue[Written | Exception]) -> Written | Exception:
    try:
        async with asyncio.timeout(LONGEST_SILENCE):
            return await pieces.get()
    except TimeoutError:
        return NoAnswer(f"nothing came for {LONGEST_SILENCE:.0f} s")
