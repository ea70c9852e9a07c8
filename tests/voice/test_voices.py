import asyncio
from types import SimpleNamespace
from typing import Any

from voice.models import ModelMissing
from voice.voices import Voices

OWN: Any = SimpleNamespace(close=lambda: None)


async def test_a_voice_is_loaded_once_when_it_is_first_wanted() -> None:
    loaded: list[str] = []
    closed: list[str] = []

    def load(name: str) -> Any:
        loaded.append(name)
        return SimpleNamespace(close=lambda: closed.append(name))

    voices = Voices(OWN, ["amy", "alan"], load)
    assert await voices.named(None) is OWN
    first, second = await asyncio.gather(voices.named("amy"), voices.named("amy"))
    assert first is second is not OWN
    assert loaded == ["amy"]
    voices.close()
    assert closed == ["amy"]


async def test_the_houses_own_voice_speaks_where_another_is_not_to_be_had() -> None:
    def load(name: str) -> Any:
        raise ModelMissing(f"no voice {name}")

    voices = Voices(OWN, ["amy"], load)
    assert await voices.named("amy") is OWN
    assert await voices.named("nobody") is OWN
