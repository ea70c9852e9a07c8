"""How a request reaches a language model, and who answers where that goes wrong.

A request is admitted (`admission`), goes to the household's own model unless that is under maintenance or known to fail
(`tools.breaker`), and is answered within limits (`guard`, `reply`). Where that fails, a hosted service answers if the
household allows it, or the own model is asked again while somebody still waits (`answer`).
"""

import time
from collections.abc import Callable
from typing import Any, Final

from loguru import logger

from pipeline.budget.shedding import Shed
from pipeline.engines.families import BUDGET
from pipeline.orchestrator.admission import Admission, Priority, Queue, Saturated
from pipeline.orchestrator.answer import Answer, Household, NoAnswer, Question, Why
from pipeline.orchestrator.guard import Pace
from pipeline.orchestrator.servers import Engine, Fallback, Request, Server
from pipeline.orchestrator.warming import read
from tools.breaker import State

__all__ = ["Answer", "Completions", "Engine", "Fallback", "NoAnswer", "Priority", "Request", "Saturated", "Why"]

HOSTED_FIRST_TOKEN: Final = 5.0
"""Seconds for a hosted service that was never seen: it is far away, but never cold."""
SLOTS: Final = 8
"""Answers at the same time where the server does not say: what vLLM is started with on one GB10."""

VOICE_SOON: Final = 1.2
"""Seconds from the end of somebody's speech to the first sound of the answer, on a small processor."""


class Completions:
    """The household's language models: one a process, for all conversations, used from one event loop."""

    def __init__(
        self,
        primary: Engine,
        fallback: Fallback | None = None,
        *,
        slots: int | None = None,
        others: int | None = None,
        beside_speech: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `primary` for up to `slots` answers at the same time, `others` of them for nobody's voice.

        Where it computes `beside_speech`, on the same processor, one of them is enough to slow hearing and speaking.
        The clients stay their owner's, who closes them after this.
        """
        others = 1 if others is None and beside_speech else others
        queue = Queue(slots or primary.endpoint.slots or SLOTS, others=others, clock=clock)
        self._beside_speech = beside_speech
        self._household = Household(
            Server(primary, pace=Pace(), clock=clock),
            Admission(queue),
            Server(fallback, pace=Pace(unseen=HOSTED_FIRST_TOKEN), clock=clock) if fallback else None,
            fallback,
        )

    def stream(
        self,
        request: Request,
        *,
        priority: Priority,
        private: bool,
        conversation: str,
        reasoning: bool = False,
        budget: int | None = BUDGET,
        redact: Callable[[Request], Request | None] | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Answer:
        """Answer a request. Nothing is asked before the first chunk is wanted.

        Args:
            request: for `AsyncOpenAI.chat.completions.create`; its model and `stream` are set here, and its
                `extra_body` reaches the own model only.
            priority: whose it is.
            private: whether it holds what a fallback without `private` may not see.
            conversation: conversations take turns.
            reasoning: whether the model is to think first.
            budget: tokens that it may think for; None is no limit.
            redact: makes of a private request one that the fallback may see, or None where that is impossible.
            on_wait: called once if nothing was said for `pipeline.orchestrator.answer.FILLER_AFTER` seconds.
        """
        question = Question(request, private, conversation, reasoning, budget, redact, on_wait)
        return Answer(self._household, question, priority)

    async def warm(self, request: Request, *, conversation: str) -> None:
        """Let the own model read a request's prompt as long as nobody waits for anything else; never fails.

        Where the switch for reasoning stands in the prompt, it reads it both ways.
        """
        server = self._household.primary
        family = server.family
        both = family.reasons and family.instruction_on != family.instruction_off
        for reasoning in (False, True) if both else (False,):
            await read(self._household, request, conversation=conversation, reasoning=reasoning)

    def expect_voice(self) -> None:
        """Somebody has just stopped speaking: what is nobody's voice waits until they have been answered."""
        if self._beside_speech:
            self._household.admission.expect_voice(VOICE_SOON)

    def shed(self, step: Shed) -> None:
        """Refuse what is given up while memory is short; what has begun goes on."""
        given_up = {Priority.BACKGROUND: Shed.BACKGROUND, Priority.SPECULATION: Shed.SPECULATION}
        refused = frozenset(priority for priority, at in given_up.items() if step >= at)
        self._household.admission.queue.refused = refused

    @property
    def draining(self) -> bool:
        """Whether the own model is under maintenance."""
        return self._household.draining

    def drain(self) -> None:
        """Ask the own model nothing from now on; answers that have begun go on, and so does who waits for one."""
        self._household.draining = True
        running = self._household.admission.queue.running
        logger.info(f"{self._household.primary.name} is under maintenance; {running} answers go on")

    def resume(self) -> None:
        """Ask the own model again."""
        self._household.draining = False
        logger.info(f"{self._household.primary.name} is asked again")

    def status(self) -> dict[str, Any]:
        """How the own model fares: draining, failing, answers running and waiting, and the wait expected in seconds."""
        queue = self._household.admission.queue
        return {
            "draining": self._household.draining,
            "failing": self._household.primary.breaker.state is State.OPEN,
            "running": queue.running,
            "waiting": queue.waiting,
            "expected_wait": round(queue.expected_wait(Priority.TYPED), 2),
        }

    def close(self) -> None:
        """Refuse what comes and what waits with `NoAnswer`; answers that have begun end with who reads them."""
        self._household.closed = True
        self._household.admission.refuse_waiting(NoAnswer("the assistant is closing"))
