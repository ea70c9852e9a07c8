"""A satellite's timers in Wyoming's words: https://github.com/OHF-Voice/wyoming#timers."""

from wyoming.event import Eventable
from wyoming.timer import TimerCancelled, TimerFinished, TimerStarted, TimerUpdated

from satellites.timer_display import Happened, TimerEvent


def timer_event(event: TimerEvent, now: float) -> Eventable:
    """Return what a satellite is told at `now`, in seconds since 1970."""
    timer, left = event.timer, round(event.timer.left(now))
    match event.happened:
        case Happened.STARTED:
            minutes, seconds = divmod(round(timer.seconds), 60)
            return TimerStarted(timer.id, left, timer.name or None, minutes // 60, minutes % 60, seconds)
        case Happened.UPDATED:
            return TimerUpdated(timer.id, is_active=True, total_seconds=left)
        case Happened.CANCELLED:
            return TimerCancelled(timer.id)
        case Happened.FINISHED:
            return TimerFinished(timer.id)
