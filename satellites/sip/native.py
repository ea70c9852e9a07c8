"""What baresip's C side can and its Python side does not offer: refusals that say why, the machine's addresses as they
come and go, and how well a call is heard whose other side does not tell.

Its C functions may be called only on the stack's own thread, which comes by in Python where it tells that it has
answered a ping. There it does what waits to be done, in the way in which the package's own commands do.
"""

import contextlib
import ctypes
import errno
import ipaddress
import os
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from baresip import Call, Event, Runtime, _native

REASONS: Final = {403: "Forbidden", 480: "Temporarily Unavailable", 486: "Busy Here"}
"""What each status says. None of them ends the ringing of other telephones, as 603 would."""
_LONGEST_ADDRESS: Final = 64
_ADDRESS_AND_PORT: Final = 3
MOST_SOURCES: Final = 64
"""Calls of which it is known where their sound comes from; more than there may be at a time."""
_UDP, _TCP, _TLS = range(3)
"""As the stack counts its transports."""
_POINTER: Final = ctypes.c_void_p
_LOWEST: Final = -100
"""Below encryption, as the stack orders those who see a socket's packets."""
_SEES_PACKET: Final = ctypes.CFUNCTYPE(ctypes.c_bool, _POINTER, _POINTER, _POINTER)
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

    async def follow_sound(self, call: Call, address: str) -> None:
        """Send a call's sound to where its sound comes from, if that is not where it was asked for (RFC 4961): a router
        between has other addresses. The first time only prepares that.

        Args:
            address: where its messages come from, from which its sound may come as well.
        """
        if (functions := self._functions) is not None:
            await self._on_its_thread(lambda: functions.follow_sound(*_named(call), address))

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
        only = None if ipaddress.ip_address(listen).is_unspecified else listen
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
        self._stream = _function(library.audio_strm, _POINTER, _POINTER)
        self._audio = _function(library.call_audio, _POINTER, _POINTER)
        self._media = _function(library.stream_sdpmedia, _POINTER, _POINTER)
        self._wanted_at = _function(library.sdp_media_raddr, _POINTER, _POINTER)
        self._update = _function(library.stream_update, number, _POINTER)
        self._rtp = _function(library.stream_rtp_sock, _POINTER, _POINTER)
        self._socket = _function(library.rtp_sock, _POINTER, _POINTER)
        self._watch = _function(
            *(library.udp_register_helper, number, _POINTER, _POINTER, number, _POINTER, _SEES_PACKET, _POINTER)
        )
        self._same = _function(library.sa_cmp, ctypes.c_bool, _POINTER, text, number)
        # It has to outlive every socket that it is handed to.
        self._see_packet = _SEES_PACKET(self._came)
        self._sources: OrderedDict[int, bytes] = OrderedDict()
        self._network = _function(library.baresip_network, _POINTER)
        self._present = _function(library.net_if_apply, number, _SEES_ADDRESS, _POINTER)
        self._known = _function(library.net_laddr_apply, ctypes.c_bool, _POINTER, _SEES_ADDRESS, _POINTER)
        self._add = _function(library.net_add_address_ifname, number, _POINTER, text, text)
        self._remove = _function(library.net_rm_address, number, _POINTER, text)
        self._stack = _function(library.uag_sip, _POINTER)
        self._certificate = _function(library.uag_tls, _POINTER)
        self._reset = _function(library.uag_reset_transp, number, ctypes.c_bool, ctypes.c_bool)
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

    def follow_sound(self, handle: int, call_id: bytes, address: str) -> None:
        """Have a call's sound sent to where its sound comes from."""
        if not (call := self._call(handle, call_id)) or not (stream := self._stream(self._audio(call))):
            return
        if handle not in self._sources:
            self._sources[handle] = b""
            self._watch(None, self._socket(self._rtp(stream)), _LOWEST, None, self._see_packet, handle)
            while len(self._sources) > MOST_SOURCES:
                self._sources.popitem(last=False)
            return
        wanted, source = self._wanted_at(self._media(stream)), self._sources[handle]
        asked = self._address(wanted)
        if not source or asked == "0.0.0.0" or self._address(source) not in (asked, address):  # noqa: S104 - on hold
            return
        if not self._same(wanted, source, _ADDRESS_AND_PORT):
            ctypes.memmove(wanted, source, self._size)
            self._update(stream)

    def _came(self, source: int, _: int | None, handle: int) -> bool:
        if handle in self._sources:
            self._sources[handle] = ctypes.string_at(source, self._size)
        return False

    def settle(self, only: str | None, port: int) -> _Settled:
        """Take the machine's addresses, and listen at all of them or at only one."""
        network = self._network()
        known = self._seen(lambda see: self._known(network, see, None))
        present = self._seen(lambda see: self._present(see, None))
        for gone in known.keys() - present.keys():
            self._remove(network, known[gone].address)
            self._leave(self._stack(), known[gone].address)
        changed = bool(known.keys() - present.keys())
        problem = 0 if only in (None, *present) else errno.EADDRNOTAVAIL
        if not self._certificate() and known.keys() != present.keys():
            # It had no address to listen at when it started, and has not made ready for TLS yet.
            for new in present.keys() - known.keys():
                self._add(network, present[new].address, present[new].interface)
            return _Settled(changed=True, problem=self._reset(False, False) or problem)
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
        stack = self._stack()
        local = ctypes.create_string_buffer(address, len(address))
        self._set_port(local, port)
        failed = self._listen(stack, _UDP, local, None) or self._listen(stack, _TCP, local, None)
        self._set_port(local, port + 1)
        return int(failed or self._listen(stack, _TLS, local, self._certificate()))

    def _call(self, handle: int, call_id: bytes) -> int | None:
        call: int | None = self._find(call_id)
        # A caller may have chosen the Call-ID of another call.
        return call if call and self._handle(call) == handle else None

    def _address(self, place: int | bytes) -> str:
        written = ctypes.create_string_buffer(_LONGEST_ADDRESS)
        return "" if self._written(place, written, _LONGEST_ADDRESS) else written.value.decode()

    def _seen(self, apply: Callable[[Any], object]) -> dict[str, _Place]:
        """Return addresses as they are written."""
        found: dict[str, _Place] = {}

        def see(interface: bytes, address: int, _: int | None) -> bool:
            if written := self._address(address):
                found[written] = _Place(interface, ctypes.string_at(address, self._size))
            return False

        apply(_SEES_ADDRESS(see))
        return found


def _function(found: Any, result: Any, *arguments: Any) -> Any:
    found.restype, found.argtypes = result, arguments
    return found
