"""Not to be disturbed for a while."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from tools.clock import next_time, spoken_time, time_of_day
from tools.tool import Context, Effect, Result, Tool, TryAgain, tool
from tools.wording import spoken_length

USUAL: Final = 3600.0
LONGEST: Final = 24 * 3600.0

Hush = Callable[[str, float], None]
"""Says nothing at a device for so many seconds, except what cannot wait; 0 ends that."""


class Disturbance:
    """Keeps announcements from a device."""

    def __init__(self, hush: Hush) -> None:
        self._hush = hush

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [tool(self.do_not_disturb, effect=Effect.CONTROL), tool(self.disturb_again, effect=Effect.CONTROL)]

    async def do_not_disturb(
        self, context: Context, hours: float = 0, minutes: float = 0, until: str | None = None
    ) -> Result:
        """Announce nothing here for a while; timers, alarms and severe warnings still sound.

        Args:
            hours: how many hours.
            minutes: and how many minutes.
            until: or until which time of day, such as 18:00.
        """
        now = datetime.now(context.zone).timestamp()
        seconds = hours * 3600 + minutes * 60 or USUAL
        if until is not None:
            seconds = next_time(time_of_day(until), now, context.zone) - now
        if not 0 < seconds <= LONGEST:
            raise TryAgain("For how long? Give up to a day.")
        self._hush(context.device, seconds)
        end = spoken_time(datetime.fromtimestamp(now + seconds, context.zone))
        said = f"until {end}" if until is not None or seconds > USUAL else f"for {spoken_length(seconds)}"
        return Result(f"I won't disturb you {said}.", {"seconds": seconds})

    async def disturb_again(self, context: Context) -> Result:
        """Announce things here again."""
        self._hush(context.device, 0.0)
        return Result("All right, I'll speak up again.")
