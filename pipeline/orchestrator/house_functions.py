"""The house's tools as functions that one conversation's model may call."""

from datetime import tzinfo
from typing import Any
from uuid import uuid4

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallResultProperties, TTSSpeakFrame
from pipecat.processors.aggregators.llm_context import NOT_GIVEN, NotGiven
from pipecat.services.llm_service import FunctionCallParams, LLMService

from pipeline.caller import Caller
from pipeline.context.turn import TurnKnowledge
from pipeline.engines.endpoint import Endpoint
from pipeline.latency import TurnClock
from pipeline.orchestrator.language import LanguageModel
from pipeline.settings.house import Household
from pipeline.toolbox import allowed, tool_context
from tools.executor import Executor
from tools.outcomes import Status
from tools.tool import Context, Tool


class HouseFunctions:
    """Offers what the caller may use, in an order that never changes, and runs what the model calls.

    Args:
        clock: knows the turn that a call belongs to, so that one turn does nothing twice.
        knowledge: knows whether the model has read words from outside the house in this turn.
    """

    def __init__(
        self,
        executor: Executor,
        caller: Caller,
        *,
        conversation: str,
        clock: TurnClock,
        household: Household,
        knowledge: TurnKnowledge | None = None,
    ) -> None:
        self._executor = executor
        self._caller = caller
        self._conversation = conversation
        self._clock = clock
        self._household = household
        self._knowledge = knowledge
        self._allowed = allowed(caller)
        self._tools = executor.tools(self._allowed)

    def schema(self, endpoint: Endpoint) -> ToolsSchema | NotGiven:
        """What the model is offered: nothing where it could not use it."""
        if not endpoint.calls_tools:
            return NOT_GIVEN
        return ToolsSchema([_described(tool) for tool in self._tools])

    def register(self, model: LLMService[Any], endpoint: Endpoint) -> None:
        """Let `model` call them. They go on when the person interrupts, and the result still arrives."""
        if endpoint.calls_tools:
            for tool in self._tools:
                model.register_function(tool.name, self.call, cancel_on_interruption=False)

    def context(self) -> Context:
        """Who calls a tool in the turn that is under way."""
        record = self._clock.record
        zone: tzinfo = self._household.zone
        # Before the first turn, which a client may ask for without one, nothing tells one call from its repetition.
        turn = record.id if record else uuid4().hex
        return tool_context(self._caller, conversation=self._conversation, turn=turn, zone=zone)

    async def call(self, params: FunctionCallParams) -> None:
        """Run one call, and tell the model what came of it. What needs a yes is asked aloud."""
        assert isinstance(params.llm, LanguageModel)
        if self._knowledge is not None and self._knowledge.quotes:
            self._executor.note_quoted(self.context())
        outcome = await params.llm.patiently(
            self._executor.call(params.function_name, params.arguments, self.context(), allowed=self._allowed)
        )
        if outcome.status is Status.UNCONFIRMED:
            await params.result_callback(
                {"status": "waiting for the person to confirm"}, properties=FunctionCallResultProperties(run_llm=False)
            )
            await params.llm.push_frame(TTSSpeakFrame(outcome.say))
            return
        answer: dict[str, Any] = {"status": outcome.status.value, "say": outcome.say}
        if outcome.data:
            answer["data"] = dict(outcome.data)
        await params.result_callback(answer)


def _described(tool: Tool) -> FunctionSchema:
    return FunctionSchema(
        name=tool.name,
        description=tool.description,
        properties=dict(tool.parameters.get("properties", {})),
        required=list(tool.parameters.get("required", [])),
    )
