"""What baresip's C side can and its Python side does not offer: refusals that say why, the machine's addresses as they
come and go, and how well a call is heard whose other side does not tell.

Its C functions may be called only on the stack's own thread, which comes by in Python where it tells that it has
answered a ping. There it does what waits to be done, in the way in which the package's own commands do.
"""

import contextlib
import ctypes
import ipaddress
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from baresip import Call, Event, Runtime, _native

REASONS: Final = {403: "Forbidden", 480: "Temporarily Unavailable", 486: "Busy Here"}
"""What each status says. None of them ends the ringing of other telephones, as 603 would."""
_LONGEST_ADDRESS: Final = 64
_UDP, _TCP, _TLS = range(3)
"""As the stack counts its transports."""
_POINTER: Final = ctypes.c_void_p
_SEES_ADDRESS: Final = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_char_p, _POINTER, _POINTER)


class NativeRuntime(Runtime):
    """A stack that does more. Where its C functions are not to be had, it is as it was."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Callable[[], None]] = deque()
        self._functions: _Functions | None = None
        with contextlib.suppress(AttributeError, OSError):  # another build of the package may keep them to itself
            self._functions = _Functions()

    async def refuse(self, call: Call, status: int) -> None:
        """Refuse a call that rings, with a status of `REASONS`, or with 486 where the stack knows no other.

        Raises:
            BaresipError: the call has ended meanwhile, or the stack does not answer.
        """
        done = []
        if (functions := self._functions) is not None:
            reason = REASONS[status].encode()
            await self._on_its_thread(lambda: done.append(functions.refuse(*_named(call), status, reason)))
        if not any(done):
            await call.reject()

    async def report(self, call: Call) -> None:
        """Have the stack tell now how well a call is heard, as it does whenever the other side sends a report."""
        if (functions := self._functions) is not None:
            await self._on_its_thread(lambda: functions.report(*_named(call)))

    async def settle(self, listen: str, port: int) -> bool:
        """Listen at the addresses that the machine has now, loopback included, and at none that it has no more.

        The stack by itself takes those that there are at its start, without loopback.

        Args:
            listen: the only address to listen at; 0.0.0.0 for all.
            port: for UDP and TCP; TLS has the next one.

        Returns:
            Whether any came or went.

        Raises:
            OSError: one of them cannot be listened at; the next time it is tried again.
        """
        if (functions := self._functions) is None:
            return False
        settled: list[_Settled] = []
        only = None if ipaddress.ip_address(listen).is_unspecified else listen.encode()
        await self._on_its_thread(lambda: settled.append(functions.settle(only, port)))
        if settled and settled[0].problem:
            raise OSError(settled[0].problem, os.strerror(settled[0].problem))
        return bool(settled) and settled[0].changed

    async def _on_its_thread(self, work: Callable[[], None]) -> None:
        self._waiting.append(work)
        await self.cmd(_native.lib.BP_CMD_PING)

    def _on_native_event(self, ev: int, handle: int, payload: bytes | None) -> None:
        if ev == _native.lib.BP_EV_PONG:
            while self._waiting:
                self._waiting.popleft()()
        super()._on_native_event(ev, handle, payload)


def _named(call: Call) -> tuple[int, bytes]:
    return call.handle, (call.call_id or "").encode()


class _Place(NamedTuple):
    interface: bytes
    address: bytes
    """As C has it."""


class _Settled(NamedTuple):
    changed: bool
    problem: int
    """The number of what went wrong, or 0."""


class _Functions:
    """What is needed of baresip 4, of its library re, and of the package's own table of handles. All of it is called
    on the stack's thread."""

    def __init__(self) -> None:
        """Find them. Raises `AttributeError`, `OSError` where they are not to be had."""
        library = ctypes.CDLL(_native.__file__)
        text, number = ctypes.c_char_p, ctypes.c_int
        self._find = _function(library.uag_call_find, _POINTER, text)
        self._handle = _function(library.bp_call_handle_find, ctypes.c_uint32, _POINTER)
        self._agent = _function(library.call_get_ua, _POINTER, _POINTER)
        self._hang_up = _function(library.ua_hangup, None, _POINTER, _POINTER, ctypes.c_uint16, text)
        self._emit = _function(library.bevent_call_emit, number, number, _POINTER, text)
        self._network = _function(library.baresip_network, _POINTER)
        self._present = _function(library.net_if_apply, number, _SEES_ADDRESS, _POINTER)
        self._known = _function(library.net_laddr_apply, ctypes.c_bool, _POINTER, _SEES_ADDRESS, _POINTER)
        self._add = _function(library.net_add_address_ifname, number, _POINTER, text, text)
        self._remove = _function(library.net_rm_address, number, _POINTER, text)
        self._stack = _function(library.uag_sip, _POINTER)
        self._certificate = _function(library.uag_tls, _POINTER)
        self._listen = _function(library.sip_transp_add, number, _POINTER, number, text, _POINTER)
        self._leave = _function(library.sip_transp_rmladdr, None, _POINTER, text)
        self._set_port = _function(library.sa_set_port, None, text, ctypes.c_uint16)
        self._written = _function(library.sa_ntop, number, _POINTER, text, number)
        self._size = _function(library.sa_struct_get_size, ctypes.c_size_t)()

    def refuse(self, handle: int, call_id: bytes, status: int, reason: bytes) -> bool:
        """Refuse a call; returns whether it was still there."""
        if call := self._call(handle, call_id):
            self._hang_up(self._agent(call), call, status, reason)
        return call is not None

    def report(self, handle: int, call_id: bytes) -> None:
        """Have a call's statistics told, if it is still there."""
        if call := self._call(handle, call_id):
            self._emit(Event.CALL_RTCP.value, call, b"")

    def settle(self, only: bytes | None, port: int) -> _Settled:
        """Take the machine's addresses, and listen at all of them or at only one."""
        network = self._network()
        known = self._seen(lambda see: self._known(network, see, None))
        present = self._seen(lambda see: self._present(see, None))
        for gone in known.keys() - present.keys():
            self._remove(network, known[gone].address)
            self._leave(self._stack(), known[gone].address)
        changed, problem = bool(known.keys() - present.keys()), 0
        for new in present.keys() - known.keys():
            place = present[new]
            failed = self._listen_at(place.address, port) if only in (None, new) else 0
            if failed:
                self._leave(self._stack(), place.address)
                problem = failed
            else:
                self._add(network, place.address, place.interface)
                changed = True
        return _Settled(changed, problem)

    def _listen_at(self, address: bytes, port: int) -> int:
        stack, certificate = self._stack(), self._certificate()
        local = ctypes.create_string_buffer(address, len(address))
        self._set_port(local, port)
        failed = self._listen(stack, _UDP, local, None) or self._listen(stack, _TCP, local, None)
        self._set_port(local, port + 1)
        return int(failed or (self._listen(stack, _TLS, local, certificate) if certificate else 0))

    def _call(self, handle: int, call_id: bytes) -> int | None:
        call: int | None = self._find(call_id)
        # A caller may have chosen the Call-ID of another call.
        return call if call and self._handle(call) == handle else None

    def _seen(self, apply: Callable[[Any], object]) -> dict[bytes, _Place]:
        """Return addresses as they are written."""
        found: dict[bytes, _Place] = {}

        def see(interface: bytes, address: int, _: int | None) -> bool:
            written = ctypes.create_string_buffer(_LONGEST_ADDRESS)
            if not self._written(address, written, _LONGEST_ADDRESS):
                found[written.value] = _Place(interface, ctypes.string_at(address, self._size))
            return False

        apply(_SEES_ADDRESS(see))
        return found


def _function(found: Any, result: Any, *arguments: Any) -> Any:
    found.restype, found.argtypes = result, arguments
    return found
