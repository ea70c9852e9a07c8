"""Who is at a websocket: what a device says of itself counts only where nothing better is known."""

import pytest
from starlette.websockets import WebSocket

from satellites.access import DEVICE
from satellites.realtime.door import caller_of


def at(headers: dict[str, str], **known: str) -> WebSocket:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "headers": encoded, "client": ("192.168.1.9", 1), **known}

    async def nothing(*_: object) -> dict:
        return {}

    return WebSocket(scope, nothing, nothing)


@pytest.mark.parametrize(
    ("headers", "known", "device", "door", "resumes"),
    [
        ({}, {}, "realtime:192.168.1.9", "realtime", False),
        ({"x-passfel-device": "kitchen"}, {}, "satellite:kitchen", "satellite", True),
        ({"x-passfel-device": "../etc"}, {}, "realtime:192.168.1.9", "realtime", False),
        ({}, {DEVICE: "Puck-1a2b3c4d"}, "Puck-1a2b3c4d", "realtime", True),
        ({"x-passfel-device": "kitchen"}, {DEVICE: "Puck-1a2b3c4d"}, "Puck-1a2b3c4d", "satellite", True),
    ],
)
def test_a_device_that_was_let_in_goes_by_its_own_name(
    headers: dict[str, str], known: dict[str, str], device: str, door: str, resumes: bool
) -> None:
    caller = caller_of(at(headers, **known))
    assert (caller.device, caller.door, caller.resumes) == (device, door, resumes)
