"""What the language model is told before the conversation.

The persona comes first and never changes within a conversation, so that a server's prefix cache holds; what changes
(the time, what a client asks for) is appended to the conversation and stays where it was put.
"""

from datetime import datetime
from typing import Final

from pipecat.processors.aggregators.llm_context import LLMContext

from pipeline.caller import Caller
from pipeline.settings import Household

PERSONA: Final = (
    "You are Passfel, the voice assistant of a household. Answer in one or two short spoken sentences, "
    "in plain words without lists or formatting. If you do not know something, say so."
)
CLOCK_STALE: Final = 300.0
"""Seconds after which the time told to the model is told again."""
CHARACTERS_A_TOKEN: Final = 3
KEPT_SHARE: Final = 0.5


def persona(household: Household) -> str:
    """The stable first part of the prompt."""
    parts = [PERSONA]
    if household.name:
        parts.append(f"The household is called {household.name}.")
    if household.location:
        parts.append(f"It is in {household.location}.")
    if household.persona:
        parts.append(household.persona)
    return " ".join(parts)


def clock_note(household: Household, caller: Caller) -> str:
    """What the model is told of the moment and the place."""
    now = datetime.now(household.zone)
    note = f"It is {now:%A}, {now.day} {now:%B %Y}, {now:%H:%M}."
    if caller.room:
        note += f" The person is in the {caller.room}."
    return note


def instruction(household: Household, caller: Caller, instructions: str = "") -> str:
    """The first message of a conversation: the persona, then what is true when it begins.

    It is one message, since many models' templates allow a system message at the beginning only.
    """
    return "\n".join(part for part in (persona(household), clock_note(household, caller), instructions) if part)


def trim(context: LLMContext, budget: int) -> int:
    """Forget the oldest messages where the conversation would not fit into `budget` tokens.

    Half of it goes at once, so that the server's prefix cache is lost seldom. A cut is made before a person's
    message, so that no answer or tool result stays without its question.

    Returns:
        How many messages were forgotten.
    """
    messages = context.messages
    sizes = [len(str(message)) // CHARACTERS_A_TOKEN for message in messages]
    if sum(sizes) <= budget:
        return 0
    kept, cut = 0, len(messages)
    for index in range(len(messages) - 1, -1, -1):
        kept += sizes[index]
        if kept > budget * KEPT_SHARE and cut < len(messages):
            break
        message = messages[index]
        if isinstance(message, dict) and message.get("role") == "user":
            cut = index
    context.set_messages(messages[cut:])
    return cut
