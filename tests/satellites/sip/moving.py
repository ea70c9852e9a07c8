"""The SIP stack on a machine whose addresses come and go, alone in a network namespace: prints where it is reached."""

import asyncio
import contextlib
import socket
import subprocess

from satellites.sip.native import NativeRuntime
from satellites.sip.stack import configuration, open_lines
from satellites.sip.wire import Setup

EVERYWHERE, PORT = "0.0.0.0", 5060
SETUP = Setup(
    *(EVERYWHERE, PORT, "passfel", True, (), "sdes", None, None, True, (10_000, 10_999)),
    max_calls=4,
    instance="8d0a7a0c-0000-4000-8000-000000000000",
    accounts=(),
)


def answers(address: str) -> bool:
    """Whether somebody answers SIP there."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(0.5)
        with contextlib.suppress(OSError):
            phone.connect((address, PORT))
            here = f"{address}:{phone.getsockname()[1]}"
            phone.send(
                f"OPTIONS sip:passfel@{address} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{here}\r\n"
                f"From: <sip:100@{address}>;tag=1\r\nTo: <sip:passfel@{address}>\r\nCall-ID: {here}\r\n"
                "CSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return phone.recv(4096).startswith(b"SIP/2.0 200")
    return False


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


async def main() -> None:
    runtime = NativeRuntime()
    await runtime.start(configuration(SETUP))
    await open_lines(runtime, SETUP)

    async def told(what: str) -> None:
        moved = await runtime.settle(EVERYWHERE, PORT)
        reached = [each for each in ("127.0.0.1", "10.9.9.1", "10.9.9.2") if await asyncio.to_thread(answers, each)]
        print(f"{what}: moved {moved}, reached at {' '.join(reached)}", flush=True)

    await told("without a network")
    await told("as before")
    ip("addr", "add", "10.9.9.1/24", "dev", "lo")
    await told("with one")
    ip("addr", "del", "10.9.9.1/24", "dev", "lo")
    ip("addr", "add", "10.9.9.2/24", "dev", "lo")
    await told("with another")
    await runtime.close()


if __name__ == "__main__":
    ip("link", "set", "lo", "up")
    asyncio.run(main())
