import asyncio
import subprocess
import sys

import pytest

UNSHARE = ("unshare", "--net", "--map-root-user")


def in_a_namespace() -> bool:
    """Whether this user may have a network of their own."""
    try:
        return subprocess.run([*UNSHARE, "ip", "link"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not in_a_namespace(), reason="needs a network namespace of its own")
async def test_the_addresses_of_the_machine_are_followed():
    process = await asyncio.create_subprocess_exec(
        *(*UNSHARE, sys.executable, "-m", "tests.satellites.sip.moving"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, failed = await process.communicate()
    assert told.decode().splitlines() == [
        "without a network: moved True, reached at 127.0.0.1",
        "as before: moved False, reached at 127.0.0.1",
        "with one: moved True, reached at 127.0.0.1 10.9.9.1",
        "with another: moved True, reached at 127.0.0.1 10.9.9.2",
    ], failed.decode()
