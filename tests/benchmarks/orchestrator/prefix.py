"""What a prompt that the server has read already is worth."""

import random
from dataclasses import dataclass

from openai import AsyncOpenAI

from tests.benchmarks.orchestrator.asking import LIMIT, streamed
from tests.benchmarks.servers import LanguageServer

TOKENS = 1500
_WORDS = (
    "time people water house day world work life hand part child eye woman place week case point night car home "
    "room mother area money story fact month lot right study book job word business issue side kind head friend"
).split()


@dataclass(frozen=True, slots=True)
class Prefix:
    """Seconds to the first token."""

    uncached: list[float]
    cached: list[float]
    tokens: int
    """Of the prompt, as the server counts them."""


async def measure(server: LanguageServer, rounds: int) -> Prefix:
    """Ask with a beginning that was never seen, then with the same one and another question."""
    uncached, cached, tokens = [], [], 0
    slot = {"id_slot": 0} if server.embedded else {}
    chance = random.Random()
    async with AsyncOpenAI(base_url=server.url, api_key=server.key, max_retries=0, timeout=LIMIT) as client:
        for _ in range(rounds):
            beginning = " ".join(chance.choice(_WORDS) for _ in range(TOKENS))
            for times, asked in ((uncached, "Say hello."), (cached, "Say goodbye.")):
                messages = [{"role": "system", "content": beginning}, {"role": "user", "content": asked}]
                body = {"model": server.model, "messages": messages, "max_tokens": 16}
                body["extra_body"] = {"ignore_eos": True, **slot}
                times.append((await streamed(client, body)).first)
        counted = await client.chat.completions.create(
            model=server.model, messages=[{"role": "system", "content": beginning}], max_tokens=1
        )
        tokens = counted.usage.prompt_tokens if counted.usage else 0
    return Prefix(uncached, cached, tokens)
