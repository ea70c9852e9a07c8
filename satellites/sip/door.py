"""The door for telephones: who calls, in how many calls at a time, over a stack that is started again when it dies."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from loguru import logger

from pipeline.assistant import AssistantNotReady
from pipeline.settings.sip import Sip
from satellites.services import House, Satellite, Service
from satellites.sip import wire
from satellites.sip.call import Call
from satellites.sip.callers import Admission, Directory, Pins, number_of, shown
from satellites.sip.process import Phone, PhoneEnded, end_calls
from tools.telephone import Dialled

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds until a telephone process that ended is started again, twice as many each time."""
CALM: Final = 60.0
"""Seconds of running after which its end counts as the first one again."""
ANSWER_PAUSE: Final = 0.3
"""Seconds between ringing and answering: some phones lose what is said the moment somebody answers."""
ACCEPTING: Final = 10.0
"""Seconds that somebody's telephone gets beside those that it rings elsewhere."""
REFUSED: Final = frozenset({401, 403, 404, 407})
BUSY: Final = frozenset({486, 600})
UNANSWERED: Final = frozenset({408, 480, 487, 603})


@dataclass(slots=True)
class _Account:
    state: str = "registering"
    problem: str | None = None


@dataclass(slots=True)
class _Open:
    """A call, from its first ring on."""

    call: Call
    over: asyncio.Event = field(default_factory=asyncio.Event)
    established: asyncio.Event = field(default_factory=asyncio.Event)
    account: str | None = None
    codec_rate: int = 0
    begun: wire.Begun | None = None
    quality: wire.Quality | None = None
    ended: wire.Ended | None = None


class _Leg:
    """A call in the telephone process."""

    def __init__(self, phone: Phone, number: int) -> None:
        self._phone = phone
        self._number = number

    def play(self, pcm: bytes) -> None:
        self._phone.send_audio(self._number, pcm)

    def flush(self) -> None:
        self._phone.send(wire.Flush(self._number))

    def hang_up(self) -> None:
        self._phone.send(wire.HangUp(self._number))


class SipDoor:
    """The telephone."""

    name = "sip"

    def __init__(self, house: House) -> None:
        self._house = house
        self._settings: Sip = house.settings.sip
        self._directory = Directory(self._settings)
        self._pins = Pins(self._settings.pin)
        self._accounts = {name: _Account() for name, each in self._settings.accounts.items() if each.registers}
        self._open: dict[int, _Open] = {}
        self._banned: dict[str, float] = {}
        self._state = "starting"
        self._problem: str | None = None
        self._instance = str(uuid4())
        self._calls: asyncio.TaskGroup
        self._dialled = 0
        self.phone = Phone(self._take)

    async def run(self) -> None:
        """Take calls until cancelled; when the telephone process dies, its calls end, and it is started again."""
        pause = FIRST_PAUSE
        self._house.assistant.exchange.line = self
        async with asyncio.TaskGroup() as self._calls:
            while True:
                began = time.monotonic()
                try:
                    await self.phone.run(self._setup())
                except (PhoneEnded, OSError) as error:
                    self._problem = self._mending(str(error))
                    logger.error(f"the telephone process is gone and is started again: {self._problem}")
                finally:
                    self._state = "starting"
                    left = [each.begun for each in self._open.values() if each.begun is not None]
                    for each in self._open.values():
                        each.over.set()
                        each.call.over()
                await end_calls(left)
                if time.monotonic() - began > CALM:
                    pause = FIRST_PAUSE
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def satellites(self) -> Sequence[Satellite]:
        """The telephone itself, and each call."""
        detail: dict[str, Any] = {
            "listens": f"{self._settings.listen} port {self._settings.port}" if self._settings.direct else None,
            "accounts": {name: {"state": each.state, "problem": each.problem} for name, each in self._accounts.items()},
            "calls": len(self._open),
            "banned": {
                address: round(until - time.time()) for address, until in self._banned.items() if until > time.time()
            },
            "problem": self._problem,
        }
        return [Satellite("sip", "sip", self._state, detail), *(_described(each) for each in self._open.values())]

    def _shown(self, caller: str) -> str:
        return shown(number_of(caller.partition("<")[2] or caller, self._settings.country))

    def _mending(self, problem: str) -> str:
        """Say what to do where that is known."""
        listen, port = self._settings.listen, self._settings.port
        if "already in use" in problem:
            return f"another program uses port {port} or the next one: stop that, or set another port below [sip]"
        if "requested address" in problem or "network" in problem.lower():
            return f"this machine has no address {listen}: check listen below [sip]; {problem}"
        return problem

    # What the telephone process reports.

    def _take(self, report: wire.Message | wire.Audio) -> None:
        match report:
            case wire.Audio(number, pcm):
                if (each := self._open.get(number)) is not None:
                    each.call.hear(pcm)
            case wire.Ready():
                self._state, self._problem = "ready", None
                logger.info(f"the telephone listens at {self._settings.listen} port {self._settings.port}")
            case wire.Registration():
                self._note_registration(report)
            case wire.Incoming():
                self._ring(report)
            case wire.Unacceptable(caller, address, status, why):
                logger.warning(f"a call from {self._shown(caller)} by {address} is not taken ({status}): {why}")
            case wire.Banned(address, seconds, why):
                self._banned = {each: until for each, until in self._banned.items() if until > time.time()}
                self._banned[address] = time.time() + seconds
                logger.warning(f"{address} is not listened to for {seconds / 60:.0f} minutes: {why}")
            case _:
                self._follow(report)

    def _follow(self, report: wire.Message) -> None:
        """Follow a call that is open; what is told of another one came too late."""
        number = getattr(report, "call", None)
        each = self._open.get(number) if number is not None else None
        if each is None:
            return
        match report:
            case wire.Established():
                each.codec_rate = report.codec_rate
                each.established.set()
            case wire.Dialog():
                each.begun = report.begun
            case wire.Held():
                each.call.hold(report.held)
            case wire.Digit():
                each.call.press(report.digit)
            case wire.Quality():
                each.quality = report
            case wire.NotTransferred():
                logger.warning(f"a caller is not put through: {report.reason}")
                self._calls.create_task(each.call.not_put_through(), name=f"call {report.call} goes on")
            case wire.Ended():
                each.ended = report
                each.over.set()
                each.call.over()

    def _note_registration(self, report: wire.Registration) -> None:
        account = self._accounts.get(report.account)
        if account is None:
            return
        if report.registered:
            account.state, account.problem = "registered", None
            logger.info(f"the telephone account {report.account} is registered")
            return
        chosen = self._settings.accounts[report.account]
        where = f"[sip.accounts.{report.account}]"
        if report.status in REFUSED:
            account.state = "refused"
            account.problem = (
                f"{chosen.server} does not accept user or password ({report.status}): check both below {where}"
            )
        elif report.status is not None:
            account.state = "refused"
            account.problem = f"{chosen.server} answers {report.status} {report.reason}: check {where}"
        elif report.unproven:
            account.state = "refused"
            account.problem = (
                f"{chosen.server} does not prove who it is ({report.unproven}): check server below {where}, or set "
                "authorities below [sip] to the file of who issued its certificate"
            )
        else:
            account.state = "away"
            account.problem = (
                f"{chosen.server} cannot be reached by {chosen.transport}: check server and transport below {where}, "
                "and that it is on"
            )
        logger.warning(f"telephone: {account.problem}; tried again in {report.again:.0f} s")

    def _ring(self, report: wire.Incoming) -> None:
        quiet = self._house.assistant.exchange.undisturbed(None)
        admission = self._directory.admit(report.caller, trusted=report.trusted, quiet=quiet)
        who = f"{shown(admission.number)} by {report.account or report.address or 'somebody'}"
        if admission.kind == "refused":
            why = "its number is not below sip.people" if report.trusted else "it comes from outside of sip.networks"
            logger.info(f"a call from {who} is refused: {why}")
            self.phone.send(wire.Refuse(report.call, 403))
            return
        try:
            self._house.assistant.speech()
        except AssistantNotReady as error:
            logger.warning(f"a call from {who} is not taken: {error}")
            self.phone.send(wire.Refuse(report.call, 480))
            return
        logger.info(f"a call from {who} is taken")
        each = self._open[report.call] = _Open(
            Call(_Leg(self.phone, report.call), admission, house=self._house, pins=self._pins), account=report.account
        )
        self._calls.create_task(self._hold(report.call, each), name=f"call {report.call}")

    async def dial(self, number: str, *, person: str | None, words: str) -> Dialled:
        """Call a number and, once somebody answers, say `words` and talk with them; returns when that has begun."""
        chosen = self._settings
        account = chosen.outbound.account or next(iter(chosen.accounts), None)
        if self._state != "ready" or account is None:
            logger.warning("no call can be made: there is no account below [sip.accounts], or no telephone now")
            return Dialled.FAILED
        self._dialled -= 1
        mine, server = self._dialled, chosen.accounts[account].server
        admission = Admission("person" if person else "guest", number, person, chosen.pin is not None)
        call = Call(_Leg(self.phone, mine), admission, house=self._house, pins=self._pins, words=words)
        each = self._open[mine] = _Open(call)
        self.phone.send(wire.Dial(mine, account, f"sip:{number}@{server}", chosen.outbound.ring_seconds))
        logger.info(f"{shown(number)} is called by {account}")
        await _first(each.established, each.over)
        self._calls.create_task(self._hold(mine, each, answers=False), name=f"call {mine}")
        if not each.over.is_set():
            return Dialled.ANSWERED
        outcome = _outcome(each.ended)
        why = each.ended.reason if each.ended is not None else "the telephone process has ended"
        logger.warning(f"{shown(number)} is not reached by {account}, {outcome.value}: {why}")
        return outcome

    def put_through(self, device: str, number: str, *, who: str) -> bool:
        """Put a caller through to a number, once that was said; False where there is no such call, or no way.

        Args:
            device: which telephone calls, as `Caller.device` names it.
        """
        found = [each for each in self._open.items() if each[1].call.admission.caller(proven=False).device == device]
        if not found:
            return False
        (mine, each), chosen = found[-1], self._settings
        account = each.account or chosen.outbound.account or next(iter(chosen.accounts), None)
        if account is None:
            logger.warning("a caller cannot be put through: there is no account below [sip.accounts]")
            return False
        target = f"sip:{number}@{chosen.accounts[account].server}"
        order = wire.Transfer(mine, target, chosen.outbound.ring_seconds + ACCEPTING)
        return each.call.put_through(who, lambda: self.phone.send(order))

    async def _hold(self, number: int, each: _Open, *, answers: bool = True) -> None:
        try:
            if answers:
                await asyncio.sleep(ANSWER_PAUSE)
                taken = await self._has_room(each.call.admission)
                self.phone.send(wire.Answer(number) if taken else wire.Refuse(number, 480))
            await _first(each.established, each.over)
            if not each.over.is_set():
                await each.call.run()
        except Exception:  # noqa: BLE001 - whatever goes wrong in one call stays within it
            logger.exception("a call failed")
        finally:
            self.phone.send(wire.HangUp(number))
            del self._open[number]
            logger.info(f"the call with {shown(each.call.admission.number)} is over{_heard(each.quality)}")

    async def _has_room(self, admission: Admission) -> bool:
        """Whether there is room for what a caller is let in for alone: a message."""
        messages = self._house.assistant.exchange.messages
        may_talk = not admission.leaves_message or (admission.kind == "person" and self._pins.length > 0)
        if may_talk or messages is None or await messages.takes_from(admission.named):
            return True
        logger.warning(f"a call from {shown(admission.number)} is not taken: too many of its messages wait already")
        return False

    def _setup(self) -> wire.Setup:
        chosen = self._settings
        accounts = tuple(
            wire.AccountSetup(
                name,
                server=each.server,
                user=each.user,
                password=each.password.get_secret_value() if each.password else "",
                auth_user=each.auth_user,
                proxy=each.proxy,
                transport=each.transport,
                encryption=each.encryption,
                expires=each.expires,
                registers=each.registers,
            )
            for name, each in chosen.accounts.items()
        )
        return wire.Setup(
            listen=chosen.listen,
            port=chosen.port,
            user=chosen.user,
            direct=chosen.direct,
            networks=chosen.networks,
            encryption=chosen.encryption,
            certificate=chosen.certificate,
            authorities=chosen.authorities,
            verify=chosen.verify,
            rtp_ports=chosen.rtp_ports,
            max_calls=chosen.max_calls,
            instance=self._instance,
            accounts=accounts,
        )


def _outcome(ended: wire.Ended | None) -> Dialled:
    """What came of a call that nobody took."""
    if ended is None:
        return Dialled.FAILED
    if ended.status in BUSY:
        return Dialled.BUSY
    return Dialled.NOBODY if ended.status is None or ended.status in UNANSWERED else Dialled.FAILED


async def _first(*events: asyncio.Event) -> None:
    """Wait for the first of these."""
    waiting = [asyncio.create_task(each.wait()) for each in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


def _described(each: _Open) -> Satellite:
    quality = each.quality
    detail: dict[str, Any] = {
        "number": shown(each.call.admission.number),
        "person": each.call.admission.person,
        "seconds": round(each.call.seconds),
        "codec_rate": each.codec_rate,
        "problem": each.call.problem,
    }
    if quality is not None and quality.received:
        detail |= {
            "lost": _share(quality.lost, quality.received),
            "jitter_ms": round(quality.jitter_ms, 1),
            "round_trip_ms": round(quality.round_trip_ms),
            "mos": quality.mos,
            "encrypted": quality.encrypted,
        }
    return Satellite(each.call.admission.caller(proven=False).device, "sip", each.call.state, detail)


def _heard(quality: wire.Quality | None) -> str:
    if quality is None:
        return ""
    if not quality.received:
        return "; nothing of it was heard"
    lost = _share(quality.lost, quality.received)
    return f"; {lost:.1%} of its sound was lost, jitter {quality.jitter_ms:.0f} ms, estimated MOS {quality.mos}"


def _share(lost: int, received: int) -> float:
    return lost / (lost + received) if lost + received else 0.0


def make(house: House) -> Service:
    """Make the telephone."""
    return SipDoor(house)
