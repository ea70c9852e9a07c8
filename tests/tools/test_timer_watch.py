import asyncio
from contextlib import aclosing

from tests.tools.test_timers import House
from tools.timer_watch import DeviceTimers


async def test_who_watches_a_device_sees_its_timers_start_and_stop() -> None:
    house = House()
    async with asyncio.timeout(10), aclosing(house.timers.watch.at("kitchen")) as seen:
        assert await anext(seen) == DeviceTimers()
        await house.ask("set_timer", minutes=10, name="pasta")
        (pasta,) = (await anext(seen)).running
        assert (pasta.name, pasta.seconds) == ("pasta", 600)
        await house.ask("change_timer", minutes=1)
        assert (await anext(seen)).running[0].seconds == 660
        await house.ask("cancel_timer")
        assert await anext(seen) == DeviceTimers()


async def test_a_timer_that_was_heard_is_told_from_one_that_was_stopped() -> None:
    house = House()
    await house.ask("set_timer", minutes=10)
    async with asyncio.timeout(20), house.running(), aclosing(house.timers.watch.at("kitchen")) as seen:
        (timer,) = (await anext(seen)).running
        house.now += 600
        await house.ask("set_alarm", time="23:00")
        while (there := await anext(seen)).running[0].kind == "timer":
            pass
        assert there.heard == {timer.id}


async def test_nothing_of_another_device_is_seen() -> None:
    house = House()
    async with aclosing(house.timers.watch.at("bedroom")) as seen:
        assert await anext(seen) == DeviceTimers()
        following = asyncio.ensure_future(anext(seen))
        await house.ask("set_timer", minutes=10)
        done, _ = await asyncio.wait({following}, timeout=0.2)
        assert not done
        following.cancel()
        await asyncio.wait({following})


async def test_who_reads_slowly_sees_the_last_of_several_changes() -> None:
    house = House()
    async with aclosing(house.timers.watch.at("kitchen")) as seen:
        await anext(seen)
        for minutes in (1, 2, 3):
            await house.ask("set_timer", minutes=minutes)
        assert [timer.seconds for timer in (await anext(seen)).running] == [60, 120, 180]
