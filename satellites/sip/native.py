"""Refusals that say why: baresip's Python side refuses every call with 486, its C side with any status.

Its C functions may be called only on the stack's own thread, which comes by in Python where it tells that it has
answered a ping. There it refuses what waits to be refused, in the way in which the package's own commands do.
"""

import contextlib
import ctypes
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from baresip import Call, Runtime, _native

REASONS: Final = {403: "Forbidden", 480: "Temporarily Unavailable", 486: "Busy Here"}
"""What each status says. None of them ends the ringing of other telephones, as 603 would."""


@dataclass(slots=True)
class _Refusal:
    handle: int
    call_id: bytes
    status: int
    done: bool = False


class RefusingRuntime(Runtime):
    """A stack that refuses calls with more than one status."""

    def __init__(self) -> None:
        super().__init__()
        self._refusals: deque[_Refusal] = deque()
        self._functions: _Functions | None = None
        with contextlib.suppress(AttributeError, OSError):  # another build of the package may keep them to itself
            self._functions = _Functions()

    async def refuse(self, call: Call, status: int) -> None:
        """Refuse a call that rings, with a status of `REASONS`, or with 486 where the stack knows no other.

        Raises:
            BaresipError: the call has ended meanwhile, or the stack does not answer.
        """
        refusal = _Refusal(call.handle, (call.call_id or "").encode(), status)
        if self._functions is not None:
            self._refusals.append(refusal)
            await self.cmd(_native.lib.BP_CMD_PING)
        if not refusal.done:
            await call.reject()

    def _on_native_event(self, ev: int, handle: int, payload: bytes | None) -> None:
        if ev == _native.lib.BP_EV_PONG and self._functions is not None:
            while self._refusals:
                self._functions.refuse(self._refusals.popleft())
        super()._on_native_event(ev, handle, payload)


class _Functions:
    """What is needed of baresip 4's `uag.c`, `ua.c` and `call.c`, and of the package's own table of handles."""

    def __init__(self) -> None:
        """Find them. Raises `AttributeError`, `OSError` where they are not to be had."""
        library = ctypes.CDLL(_native.__file__)
        pointer = ctypes.c_void_p
        self._find = _function(library.uag_call_find, pointer, ctypes.c_char_p)
        self._handle = _function(library.bp_call_handle_find, ctypes.c_uint32, pointer)
        self._agent = _function(library.call_get_ua, pointer, pointer)
        self._hang_up = _function(library.ua_hangup, None, pointer, pointer, ctypes.c_uint16, ctypes.c_char_p)

    def refuse(self, refusal: _Refusal) -> None:
        """Refuse a call, on the stack's thread, if it is still there."""
        call = self._find(refusal.call_id)
        # A caller may have chosen the Call-ID of another call.
        if call and self._handle(call) == refusal.handle:
            self._hang_up(self._agent(call), call, refusal.status, REASONS[refusal.status].encode())
            refusal.done = True


def _function(found: Any, result: Any, *arguments: Any) -> Any:
    found.restype, found.argtypes = result, arguments
    return found
