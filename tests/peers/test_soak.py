"""Many conversations, one after another: nothing is left of those that have ended."""

from pathlib import Path

import pytest

from tests.peers.server import running_server
from tests.peers.test_realtime_sdk import talking

CONVERSATIONS = 60
SETTLED = 20
MOST_GROWTH = 40e6


def field(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(f"{name}:"))


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_conversations_that_have_ended_leave_no_memory_behind(tmp_path: Path) -> None:
    question = "How many days are in a week?"
    async with running_server(tmp_path) as server:
        status = Path(f"/proc/{server.process.pid}/status")
        sizes = []
        for _ in range(CONVERSATIONS):
            async with talking(server) as talk:
                await talk.say(question)
                await talk.until("response.done")
                assert "week" in talk.heard[0].lower()
            sizes.append(field(status, "VmRSS") * 1024)
        assert sizes[-1] - sizes[SETTLED] < MOST_GROWTH
        assert field(status, "Threads") < 60
