from pipeline.announcements import MOST_WAITING, Announcements
from pipeline.caller import Caller, Capability
from tools.timers import Timer


class Talk:
    """A conversation that somebody may hear."""

    def __init__(self, device: str, *, silent: bool = False) -> None:
        capabilities = frozenset({Capability.SHOW} if silent else {Capability.HEAR, Capability.SPEAK})
        self.caller = Caller("realtime", device, capabilities=capabilities)
        self.said: list[str] = []
        self.left: list[str] = []

    def announce(self, text: str) -> None:
        self.said.append(text)

    def unsaid(self) -> list[str]:
        return self.left


async def test_a_timer_rings_where_it_was_set() -> None:
    house, kitchen, study = Announcements(), Talk("kitchen"), Talk("study")
    async with house.reach(kitchen), house.reach(study):
        await house.ring(Timer("1", "timer", "pasta", 0, 600, "kitchen"))
    assert kitchen.said[0].startswith("Your pasta timer is done.")
    assert not study.said


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
