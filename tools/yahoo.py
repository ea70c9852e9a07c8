"""What shares cost, from Yahoo by `yfinance`, which is not official: for personal use, and it may refuse at times."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from loguru import logger

from tools.breaker import Breaker
from tools.finance import Quote
from tools.service import Known, NotThere, Unwell

FRESH: Final = 60.0
SECONDS: Final = 8.0
_MOST_KEPT: Final = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """A share, as Yahoo tells of it."""

    name: str
    price: float
    currency: str
    before: float | None
    """Its price when the last day of trade ended."""


Look = Callable[[str], Listed | None]
"""Finds a share by its symbol or a company's name; this blocks. None where there is none."""


class Yahoo:
    """Knows what shares cost.

    Args:
        look: asks Yahoo.
        clock: seconds since 1970.
    """

    def __init__(self, look: Look | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._look = look or _looked_up
        self._clock = clock
        self._known: dict[str, Known[Quote]] = {}
        self._breaker = Breaker("Yahoo's quotes")

    async def quote(self, what: str) -> Known[Quote]:
        """The price of a share. Raises `Unwell`, `NotThere`."""
        key, now = what.lower(), self._clock()
        known = self._known.get(key)
        if known is not None and now - known.at < FRESH:
            return known
        ticket = self._breaker.enter()
        if ticket is None:
            raise Unwell("The service that knows shares doesn't answer right now. Please try again in a minute.")
        try:
            async with asyncio.timeout(SECONDS):
                listed = await asyncio.to_thread(self._look, what)
        except asyncio.CancelledError:
            self._breaker.left(ticket)
            raise
        except Exception as error:
            # yfinance has no one error: whatever comes of a page that Yahoo has changed arrives here.
            logger.warning(f"Yahoo does not answer: {type(error).__name__}: {error}")
            self._breaker.failed(ticket)
            if known is not None:
                return known
            raise Unwell("The service that knows shares doesn't answer right now. Please try again later.") from error
        self._breaker.succeeded(ticket)
        if listed is None:
            raise NotThere(404, b"")
        if not (math.isfinite(listed.price) and 0 < listed.price < 1e9):
            raise Unwell("The service that knows shares told a price that can't be true.")
        change = (listed.price / listed.before - 1) * 100 if listed.before else None
        self._known[key] = Known(Quote(listed.name, listed.price, listed.currency, change), now)
        while len(self._known) > _MOST_KEPT:
            del self._known[next(iter(self._known))]
        return self._known[key]


def _looked_up(what: str) -> Listed | None:
    # Half a second and 60 MB, for those who ask for it.
    import yfinance  # noqa: PLC0415

    found: list[Mapping[str, Any]] = yfinance.Search(what, max_results=3, news_count=0).quotes
    shares = [each for each in found if each.get("quoteType") in ("EQUITY", "ETF", "INDEX", "MUTUALFUND")]
    if not shares:
        return None
    share = shares[0]
    told = yfinance.Ticker(share["symbol"]).fast_info
    before = told.get("previousClose")
    name = str(share.get("shortname") or share.get("longname") or share["symbol"])
    return Listed(name, float(told["lastPrice"]), str(told["currency"]).upper(), float(before) if before else None)
