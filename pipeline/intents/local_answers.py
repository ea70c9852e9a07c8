"""What one conversation is answered without the language model: plain household commands, and a yes or no to a question
of ours.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from loguru import logger
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage

from pipeline.caller import Caller
from pipeline.intents.calls import MISSING
from pipeline.intents.follow_ups import THING_TOOLS, Said
from pipeline.intents.matching import LocalIntents, Match
from pipeline.toolbox import allowed
from tools.executor import Executor
from tools.lists import TODO
from tools.outcomes import Status
from tools.tool import Context, Effect

VOLUME: Final = {"Louder": 0.25, "Quieter": -0.25, "SetVolume": None}
"""What changes the volume, and by how much; None sets it."""
QUIETEST: Final = 0.1


INSTEAD: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "finish_todo": ("remove_from_list", {"title": "item"}),
    "read_todos": ("read_list", {}),
}
"""What is asked of our own to-do list where nobody else keeps one: the tool, and its names of the arguments."""


class Loudness(Protocol):
    """The assistant's voice at one caller."""

    volume: float
    """0 to 1."""


class NotOnSpeculation(Exception):  # noqa: N818 - reads as what is the matter
    """The words ask for an action, and it is not yet certain that they are all of the turn."""


class LocalAnswers:
    """Answers one conversation.

    Args:
        loudness: where the caller hears the assistant; None where it only writes.
        context: says who calls a tool in the turn that is under way.
        elsewhere: what was said with the same person at another device; None where nothing is kept.
        spoken_from: how many messages of the conversation are examples for the model, which nobody said.
        small: whether the model is too small to be asked for what a command with a mistake in it may mean: it would
            make up that it was done.
    """

    def __init__(
        self,
        intents: LocalIntents,
        executor: Executor,
        *,
        caller: Caller,
        loudness: Loudness | None,
        context: Callable[[], Context],
        elsewhere: Callable[[], Awaitable[Sequence[LLMContextMessage]]] | None = None,
        spoken_from: int = 0,
        small: bool = False,
    ) -> None:
        self._house = self._intents = intents
        self.language = intents.language
        """In which the person speaks; the household's own until another one is heard."""
        self._executor = executor
        self._allowed = allowed(caller)
        self._effects = {tool.name: tool.effect for tool in executor.tools(tuple(Effect))}
        self._loudness = loudness
        self._context = context
        self._elsewhere = elsewhere
        self._spoken_from = spoken_from
        self._small = small

    async def answer(self, conversation: LLMContext, *, speculative: bool) -> str | None:
        """Answer the last message, or return None where that is for the language model.

        Raises:
            NotOnSpeculation: the answer would be an action; ask again once the turn is confirmed.
        """
        text = _last_words(conversation.messages)
        if not text or isinstance(conversation.tool_choice, dict) or conversation.tool_choice == "required":
            return None
        self._intents = await self._house.in_language(self.language)
        if (answer := await self._confirmed(text, speculative=speculative)) is not None:
            return answer
        before, asked = _earlier(conversation.messages[self._spoken_from :])
        matches = self._intents.match_all(text, before, asked=asked)
        if not matches and self._small and not self._others_may_help(conversation):
            matches = self._intents.instead_of_a_model(text)
        if not matches or (self._others_may_help(conversation) and any(self._is_declined(match) for match in matches)):
            return None
        if speculative and not all(self._only_tells(match) for match in matches):
            raise NotOnSpeculation
        logger.debug(f"{[match.intent for match in matches]} need no language model")
        answers = [await self._carry_out(match, conversation) for match in matches]
        known = [answer for answer in answers if answer is not None]
        if known and len(known) < len(answers):
            # Of two commands one is done: the model would answer as if none were, and silence as if both were.
            known += filter(
                None, (self._not_done(each) for each, said in zip(matches, answers, strict=True) if said is None)
            )
        return " ".join(known) if known else self._not_done(matches[0], alone=True) if self._small else None

    def _not_done(self, match: Match, *, alone: bool = False) -> str | None:
        """That a tool could do nothing with what was said: it may be about a thing that nobody knows."""
        name = match.arguments.get("name")
        if name and match.tool in THING_TOOLS:
            return self._intents.say(Match("NoThing", words={"name": str(name)}), None)
        return None if alone else self._intents.say(Match("NotDone"), None)

    async def _confirmed(self, text: str, *, speculative: bool) -> str | None:
        """Take a yes or no to what the assistant asked before an action that matters."""
        context = self._context()
        if self._executor.pending(context.conversation) is None:
            return None
        yes = self._intents.agrees(text)
        if yes is None:
            return None
        if speculative:
            raise NotOnSpeculation
        outcome = await self._executor.confirm(context.conversation, context, yes=yes)
        return self._intents.confirmed(outcome) if outcome is not None else None

    async def _carry_out(self, match: Match, conversation: LLMContext) -> str | None:
        if match.tool in INSTEAD and match.tool not in self._effects:
            match = _instead(match)
        if match.tool is not None and match.tool not in self._effects:
            return self._intents.say(Match(MISSING[match.tool]), None) if match.tool in MISSING else None
        if match.tool is not None:
            outcome = await self._executor.call(match.tool, match.arguments, self._context(), allowed=self._allowed)
            if outcome.status is Status.INVALID:
                return None
            return self._intents.say(match, outcome)
        if match.intent == "Repeat" and (answer := _last_answer(conversation.messages[self._spoken_from :])):
            return answer
        if match.intent == "Continue":
            return self._intents.say(Match("Continued" if await self._continued(conversation) else "NoEarlier"), None)
        if match.intent in VOLUME:
            if self._loudness is None:
                return self._intents.say(Match("NoVolume"), None)
            self._set_volume(self._loudness, match)
        return self._intents.say(match, None)

    async def _continued(self, conversation: LLMContext) -> bool:
        """Put what was said at another device before what is said here; tell whether there was anything."""
        earlier = list(await self._elsewhere()) if self._elsewhere is not None else []
        here = conversation.messages
        said = {str(message.get("content")) for message in here if isinstance(message, dict)}
        news = [each for each in earlier if isinstance(each, dict) and str(each.get("content")) not in said]
        conversation.set_messages([*here[:-1], *news, here[-1]])
        return bool(news)

    def _set_volume(self, loudness: Loudness, match: Match) -> None:
        change = VOLUME[match.intent]
        wanted = float(match.slots["percent"]) / 100 if change is None else loudness.volume + change
        loudness.volume = min(1.0, max(QUIETEST, wanted))

    def _others_may_help(self, conversation: LLMContext) -> bool:
        """Tell whether the model is offered functions that are not the house's: a lamp of the client's, say."""
        offered = conversation.tools
        return isinstance(offered, ToolsSchema) and any(
            tool.name not in self._effects for tool in offered.standard_tools
        )

    def _is_declined(self, match: Match) -> bool:
        return match.intent.startswith("No") or match.tool not in (None, *self._effects, *INSTEAD)

    def _only_tells(self, match: Match) -> bool:
        if match.tool is None:
            return match.intent not in (*VOLUME, "Continue")
        return self._effects.get(match.tool, Effect.READ) in (Effect.READ, Effect.PRIVATE)


def _instead(match: Match) -> Match:
    tool, named = INSTEAD[match.tool or ""]
    arguments = {named[name]: value for name, value in match.arguments.items() if name in named}
    return replace(match, tool=tool, arguments={**arguments, "list_name": TODO})


def _last_words(messages: Sequence[LLMContextMessage]) -> str:
    """What the person said last, or nothing where something else came after it."""
    last = messages[-1] if messages else None
    if not isinstance(last, dict) or last.get("role") != "user":
        return ""
    content = last.get("content")
    return content if isinstance(content, str) else ""


def _earlier(messages: Sequence[LLMContextMessage]) -> tuple[list[Said], bool]:
    """What the person said before their last words, and whether they were asked something just before those."""
    said: list[Said] = []
    asked = False
    for message in messages[:-1]:
        if not isinstance(message, dict) or not isinstance(content := message.get("content"), str):
            continue
        if message["role"] == "user":
            said.append(Said(content, asked))
        elif message["role"] == "assistant":
            asked = "?" in content
    return said, asked


def _last_answer(messages: Sequence[LLMContextMessage]) -> str:
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "assistant" and isinstance(message.get("content"), str):
            return str(message["content"])
    return ""
