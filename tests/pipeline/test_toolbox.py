import asyncio
from contextlib import aclosing
from pathlib import Path

from pipeline.toolbox import Toolbox
from tests.tools.calling import ALL, context
from tools.timer_board import Timer


async def test_a_timer_that_was_asked_for_at_a_device_is_seen_there(tmp_path: Path) -> None:
    async def ring(_: Timer) -> None:
        """Nothing is due here."""

    toolbox = Toolbox(tmp_path, on_ring=ring)
    async with asyncio.timeout(10), aclosing(toolbox.timers_at("kitchen")) as seen:
        assert not (await anext(seen)).running
        await toolbox.executor.call("set_timer", {"minutes": 5}, context(device="kitchen"), allowed=ALL)
        assert [timer.label for timer in (await anext(seen)).running] == ["5 minute timer"]
    await toolbox.close()
