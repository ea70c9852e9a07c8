import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline.announcements import MOST_WAITING, Announcements, Standby
from pipeline.caller import Caller, Capability, Permission
from pipeline.quiet import Quiet, QuietHours
from tests.tools.calling import MemoryStore
from tools.messages import Messages
from tools.timer_board import Timer


class Talk:
    """A conversation that somebody may hear."""

    def __init__(self, device: str, *, silent: bool = False, person: str | None = None) -> None:
        capabilities = frozenset({Capability.SHOW} if silent else {Capability.HEAR, Capability.SPEAK})
        self.caller = Caller("realtime", device, person=person, capabilities=capabilities)
        self.said: list[str] = []
        self.left: list[str] = []
        self.hears = True
        self.unheard: list[asyncio.Future[bool]] = []

    def announce(self, text: str, heard: asyncio.Future[bool] | None = None) -> None:
        self.said.append(text)
        if heard is not None and self.hears:
            heard.set_result(True)
        elif heard is not None:
            self.unheard.append(heard)

    def unsaid(self) -> list[str]:
        for heard in self.unheard:
            if not heard.done():
                heard.set_result(False)
        return self.left


async def test_a_timer_rings_where_it_was_set() -> None:
    house, kitchen, study = Announcements(), Talk("kitchen"), Talk("study")
    async with house.reach(kitchen), house.reach(study):
        await house.ring(Timer("1", "timer", "pasta", 0, 600, "kitchen"))
    assert kitchen.said[0].startswith("Your pasta timer is done.")
    assert not study.said


PASTA = Timer("1", "timer", "pasta", 0, 600, "kitchen", person="ana")


async def test_a_timer_follows_its_person_where_the_device_is_gone() -> None:
    house, study, hall = Announcements(), Talk("study", person="ana"), Talk("hall", person="joe")
    async with house.reach(study), house.reach(hall):
        await house.ring(PASTA)
    assert len(study.said) == 1
    assert not hall.said


async def test_a_timer_rings_until_somebody_is_there() -> None:
    house, page, hall = Announcements(), Talk("page", silent=True), Talk("hall")
    async with house.reach(page):
        ringing = asyncio.create_task(house.ring(PASTA))
        await asyncio.sleep(0.01)
        assert not ringing.done()
        async with house.reach(hall):
            await asyncio.wait_for(ringing, 2)
    assert len(hall.said) == 1
    assert not page.said


async def test_a_timer_rings_again_elsewhere_where_the_conversation_ended_before_it_was_heard() -> None:
    house, kitchen, hall = Announcements(), Talk("kitchen"), Talk("hall")
    kitchen.hears = False
    async with house.reach(kitchen):
        ringing = asyncio.create_task(house.ring(PASTA))
        await asyncio.sleep(0.01)
        assert len(kitchen.said) == 1
    assert not ringing.done()
    async with house.reach(hall):
        await asyncio.wait_for(ringing, 2)
    assert len(hall.said) == 1


async def test_a_timer_that_is_stuck_in_one_conversation_rings_in_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.announcements.UNHEARD_SECONDS", 0.02)
    house, kitchen, hall = Announcements(), Talk("kitchen"), Talk("hall")
    kitchen.hears = False
    async with house.reach(kitchen), house.reach(hall):
        await asyncio.wait_for(house.ring(PASTA), 2)
    assert (len(kitchen.said), len(hall.said)) == (1, 1)


async def test_where_nobody_is_at_the_device_others_hear_it() -> None:
    house, study, page = Announcements(), Talk("study"), Talk("page", silent=True)
    async with house.reach(study), house.reach(page):
        await house.say("Dinner is ready.", device="kitchen")
    assert study.said == ["Dinner is ready."]
    assert not page.said


async def test_what_nobody_could_hear_waits_for_the_next_conversation() -> None:
    house, page, hall = Announcements(), Talk("page", silent=True), Talk("hall")
    async with house.reach(page):
        for number in range(MOST_WAITING + 1):
            await house.say(f"{number}", device="kitchen")
    async with house.reach(Talk("other page", silent=True)), house.reach(hall):
        assert len(hall.said) == MOST_WAITING
        assert hall.said[-1] == str(MOST_WAITING)
    async with house.reach(later := Talk("hall")):
        assert later.said == []


async def test_what_a_conversation_ended_too_early_to_say_waits_for_the_next_one() -> None:
    house, kitchen, hall = Announcements(), Talk("kitchen"), Talk("hall")
    async with house.reach(kitchen):
        kitchen.left = ["The wash is done."]
    async with house.reach(hall):
        assert hall.said == ["The wash is done."]


def moment(hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC).timestamp()


async def test_in_quiet_hours_only_what_cannot_wait_is_said() -> None:
    now = [moment(23)]
    quiet = Quiet(QuietHours("22:00-07:00"), zone=lambda: UTC, now=lambda: now[0])
    house, kitchen = Announcements(quiet), Talk("kitchen")
    async with house.reach(kitchen):
        assert not await house.say("The wash is done.", device="kitchen")
        await house.ring(Timer("1", "alarm", "", moment(23), 600, "kitchen"))
        assert await house.say("A storm is coming.", urgent=True)
        await house.release()
        assert [text.split()[0] for text in kitchen.said] == ["Your", "A"]
        async with house.reach(late := Talk("hall")):
            assert late.said == []
        now[0] = moment(7)
        await house.release()
        assert kitchen.said[-1] == "The wash is done."
        await house.release()
        assert len(kitchen.said) == 3


async def test_who_does_not_want_to_be_disturbed_is_told_later() -> None:
    now = [moment(12)]
    quiet = Quiet(None, zone=lambda: UTC, now=lambda: now[0])
    house, study, kitchen = Announcements(quiet), Talk("study"), Talk("kitchen")
    async with house.reach(study), house.reach(kitchen):
        quiet.hush("study", 3600)
        await house.say("Dinner is ready.")
        assert (study.said, kitchen.said) == ([], ["Dinner is ready."])
        await house.say("Your package is here.", device="study")
        assert "Your package is here." not in study.said
        now[0] += 3601
        await house.release()
        assert "Your package is here." in study.said + kitchen.said
        quiet.hush("study", 3600)
        quiet.hush("study", 0)
        assert await house.say("Now?", device="study")


async def test_nobody_is_to_be_disturbed_where_every_device_near_is_hushed() -> None:
    now = [moment(12)]
    quiet = Quiet(None, zone=lambda: UTC, now=lambda: now[0])
    house, study, kitchen = Announcements(quiet), Talk("study", person="ana"), Talk("kitchen")
    calling = Talk("sip:100", person="ana")
    calling.caller = replace(calling.caller, door="sip")
    assert not house.undisturbed()
    async with house.reach(study), house.reach(kitchen), house.reach(calling):
        quiet.hush("study", 3600)
        assert house.undisturbed("Ana")
        assert not house.undisturbed("ben")
        assert not house.undisturbed()
        quiet.keep("kitchen", "11:00-13:00")
        assert house.undisturbed()
        now[0] = moment(13)
        assert not house.undisturbed()
    now[0] = moment(12, 30)
    assert house.undisturbed(), "what was said holds on where the device is gone"
    assert not house.undisturbed("ana"), "she may be anywhere"
    now[0] = moment(13, 1)
    assert not house.undisturbed()


async def test_in_quiet_hours_nobody_is_to_be_disturbed_wherever_they_are() -> None:
    quiet = Quiet(QuietHours("22:00-07:00"), zone=lambda: UTC, now=lambda: moment(23))
    assert Announcements(quiet).undisturbed()


@pytest.mark.parametrize("words", ["", "22-7", "25:00-07:00", "22:00-07:60", "night", "22:00"])
def test_what_are_no_hours_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"two times of day|must be in"):
        QuietHours(words)


@given(some.times(), some.times(), some.times())
def test_it_is_quiet_in_the_hours_or_in_those_between(begins: time, ends: time, now: time) -> None:
    quiet = QuietHours(f"{begins:%H:%M}-{ends:%H:%M}")
    other = QuietHours(f"{ends:%H:%M}-{begins:%H:%M}")
    if (begins.hour, begins.minute) != (ends.hour, ends.minute):
        assert quiet.hold(now) != other.hold(now)
    else:
        assert not quiet.hold(now)


async def test_a_device_that_stands_by_is_woken_and_its_conversation_says_it() -> None:
    house, talk, woken = Announcements(), Talk("kitchen"), asyncio.Event()
    async with house.reach(Standby(talk.caller, woken.set)):
        ringing = asyncio.create_task(house.ring(PASTA))
        await asyncio.wait_for(woken.wait(), 2)
        assert not ringing.done()
        async with house.reach(talk):
            await asyncio.wait_for(ringing, 2)
            await house.say("The wash is done.", device="kitchen")
    assert [text.split(".")[0] for text in talk.said] == ["Your pasta timer is done", "The wash is done"]


async def test_what_a_device_that_vanished_has_not_said_waits_for_somebody() -> None:
    house, hall = Announcements(), Talk("hall")
    async with house.reach(Standby(Talk("kitchen").caller, lambda: None)):
        ringing = asyncio.create_task(house.ring(PASTA))
        assert await house.say("The wash is done.")
    assert not ringing.done()
    async with house.reach(hall):
        await asyncio.wait_for(ringing, 2)
    assert {text.split(".")[0] for text in hall.said} == {"Your pasta timer is done", "The wash is done"}


async def test_a_device_keeps_quiet_hours_of_its_own() -> None:
    quiet = Quiet(None, zone=lambda: UTC, now=lambda: moment(23))
    house, nursery, hall = Announcements(quiet), Talk("nursery"), Talk("hall")
    nursery.caller = replace(nursery.caller, quiet="20:00-08:00")
    async with house.reach(nursery), house.reach(hall):
        assert await house.say("The wash is done.")
        assert await house.say("A storm is coming.", urgent=True)
    assert nursery.said == ["A storm is coming."]
    assert hall.said == ["The wash is done.", "A storm is coming."]


async def test_what_is_said_of_a_device_that_stands_by_counts_from_the_next_announcement_on() -> None:
    quiet = Quiet(None, zone=lambda: UTC, now=lambda: moment(23))
    said: dict[str, Any] = {"room": "nursery"}
    house, woken = Announcements(quiet), list[bool]()

    async def known(caller: Caller) -> Caller:
        return replace(caller, **said)

    async with house.reach(Standby(Talk("puck").caller, lambda: woken.append(True))):
        await house.look_up(known)
        assert await house.say_at("Dinner!", devices=(), room="nursery")
        said = {"quiet": "20:00-08:00"}
        await house.look_up(known)
        assert not await house.say_at("Dinner!", devices=(), room="nursery")
        assert not await house.say("The wash is done.", device="puck")
        said = {}
        await house.look_up(known)
        assert await house.say("The wash is done.", device="puck")
    assert woken == [True, True]


async def test_hours_that_cannot_be_read_silence_no_device() -> None:
    house, nursery = Announcements(), Talk("nursery")
    nursery.caller = replace(nursery.caller, quiet="at night")
    async with house.reach(nursery):
        assert await house.say("The wash is done.", device="nursery")
    assert nursery.said == ["The wash is done."]


async def test_some_devices_and_all_of_a_room_are_spoken_at() -> None:
    house, talks = Announcements(), {name: Talk(name) for name in ("hall", "stove", "table", "study")}
    for name in ("stove", "table"):
        talks[name].caller = replace(talks[name].caller, room="Kitchen")
    async with AsyncExitStack() as open_ones:
        for talk in talks.values():
            await open_ones.enter_async_context(house.reach(talk))
        assert await house.say_at("Dinner!", devices=["hall"], room="kitchen")
        assert {name: talk.said for name, talk in talks.items()} == {
            "hall": ["Dinner!"], "stove": ["Dinner!"], "table": ["Dinner!"], "study": [],
        }  # fmt: skip
        assert not await house.say_at("Bath!", devices=["attic"], room="bathroom")
    async with house.reach(later := Talk("hall")):
        assert later.said == ["Bath!"]


async def test_what_nobody_hears_for_a_minute_rings_a_telephone_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.announcements.UNHEARD_SECONDS", 0.02)
    monkeypatch.setattr("pipeline.announcements.LOOK_SECONDS", 0.01)
    house, rung = Announcements(), list[tuple[str | None, str]]()

    async def ring(person: str | None, text: str) -> bool:
        rung.append((person, text))
        return True

    house.last_resort = ring
    await asyncio.wait_for(house.ring(PASTA), 10)
    assert rung[0][0] == "ana"
    assert rung[0][1].startswith("Your pasta timer is done.")
    kitchen = Talk("kitchen")
    async with house.reach(kitchen):
        await asyncio.wait_for(house.ring(PASTA), 10)
    assert len(rung) == 1


def of_the_house(device: str, person: str | None) -> Talk:
    talk = Talk(device, person=person)
    talk.caller = replace(talk.caller, permissions=frozenset({Permission.CONVERSE, Permission.PRIVATE}))
    return talk


async def with_message(quiet: Quiet | None = None) -> tuple[Announcements, Messages]:
    house = Announcements(quiet)
    house.messages = Messages(MemoryStore(), ["ana"], lambda: UTC)
    await house.messages.leave("I will be late", caller="tom", to="ana")
    return house, house.messages


async def test_a_caller_s_message_is_told_at_the_beginning_of_the_next_conversation_of_its_person() -> None:
    house, _ = await with_message()
    stranger, ben, ana, again = Talk("door"), of_the_house("study", "ben"), of_the_house("hall", "ana"), Talk("hall")
    again.caller = ana.caller
    for talk in (stranger, ben, ana, again):
        async with house.reach(talk):
            await asyncio.sleep(0)
    assert not stranger.said
    assert not ben.said
    assert not again.said
    (told,) = ana.said
    assert told.startswith("Ana, Tom called at ")
    assert told.endswith(": I will be late.")


async def test_a_message_that_nobody_heard_is_told_again() -> None:
    house, _ = await with_message()
    left, ana = of_the_house("hall", "ana"), of_the_house("hall", "ana")
    left.hears = False
    async with house.reach(left):
        pass
    await asyncio.sleep(0)
    async with house.reach(ana):
        pass
    assert len(left.said) == len(ana.said) == 1


async def test_a_device_that_waits_is_not_told_of_messages() -> None:
    house, messages = await with_message()
    woken: list[bool] = []
    waiting = Standby(of_the_house("hall", "ana").caller, lambda: woken.append(True))
    async with house.reach(waiting):
        pass
    assert not woken
    assert await messages.waiting("ana")
