"""A server that tools ask, as it is asked: seldom enough, again where that helps, not at all while it keeps failing.

What it answered is kept for a while, with the moment when it did, so that a person hears how old it is.
"""

import asyncio
import hashlib
import json
import math
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import astuple, dataclass, replace
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

import httpx
from aiolimiter import AsyncLimiter
from loguru import logger
from pydantic import TypeAdapter, ValidationError

from tools.breaker import Breaker
from tools.tool import Failed
from tools.web import Refused, Reply, TooLarge, Web

ATTEMPTS: Final = 3
LONGEST_PAUSE: Final = 2.0
"""Seconds before another attempt; a person who waits bears no more."""
LONGEST_TURN: Final = 3.0
"""Seconds that a request waits for its turn where a server allows only so many."""
STALE: Final = 24 * 3600.0
"""Seconds for which an old answer is better than none."""
LARGEST_KEPT: Final = 500_000
_MOST_KEPT: Final = 200
_FIRST_PAUSE: Final = 0.25
_LONGEST_RETRY: Final = 24 * 3600.0
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

T = TypeVar("T")


class NotThere(Exception):  # noqa: N818 - reads as what happened
    """The server knows no such thing, or refuses the question: a bad status that is nobody's fault."""

    def __init__(self, status: int, body: bytes) -> None:
        """Keep what it answered."""
        self.status = status
        self.body = body
        super().__init__(f"status {status}")


class Unwell(Failed):
    """A server did not answer properly; the message is for the person."""


class Unauthorized(Unwell):
    """A server does not accept who asks."""

    def __init__(self, said: str, body: bytes) -> None:
        """Keep what it answered."""
        self.body = body
        super().__init__(said)


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """An answer, and when it was given."""

    value: T
    at: float
    """Seconds since 1970."""


class Cache(Protocol):
    """Keeps answers for a while. May forget at any time; raises nothing."""

    async def get(self, key: str) -> str | None:
        """What is kept."""

    async def put(self, key: str, text: str, seconds: float) -> None:
        """Keep a text for so long."""


class MemoryCache:
    """Keeps the latest answers while the process lives."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def get(self, key: str) -> str | None:
        """What is kept."""
        until, text = self._kept.get(key, (0.0, ""))
        return text if time.monotonic() < until else None

    async def put(self, key: str, text: str, seconds: float) -> None:
        """Keep a text for so long; the oldest makes room."""
        self._kept[key] = (time.monotonic() + seconds, text)
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


class Service:
    """One server.

    Args:
        name: as a person would call it, in the middle of a sentence: "the weather service".
        url: where its addresses begin.
        requests: how many in `seconds` it bears.
        headers: sent with each request, such as a key.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        url: str,
        web: Web,
        *,
        cache: Cache,
        requests: float = 60,
        seconds: float = 60.0,
        headers: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._web = web
        self._cache = cache
        self._limit = AsyncLimiter(requests, seconds)
        self._headers = dict(headers or {})
        self._clock = clock
        self._breaker = Breaker(name)

    async def json(
        self,
        form: TypeAdapter[T],
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        fresh: float = 0.0,
        stale: float = STALE,
    ) -> Known[T]:
        """Get JSON of this form, or the last one where it is younger than `fresh` seconds, or the server is unwell.

        Raises:
            NotThere: the server refuses the question.
            Unwell: it does not answer, and nothing younger than `stale` seconds is known.
        """
        return await self.get(form.validate_json, path, params, fresh=fresh, stale=stale)

    async def get(
        self,
        read: Callable[[bytes], T],
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        fresh: float = 0.0,
        stale: float = STALE,
    ) -> Known[T]:
        """Get what `read` makes of an answer, or raises `ValueError` about; otherwise as `json`."""
        key = self._key(path, params)
        kept, unchanged = await self._kept(key, read) if fresh else (None, _Kept(0.0, ""))
        if kept is not None and self._clock() - kept.at < fresh:
            return kept
        try:
            reply = await self.request("GET", path, params=params, headers=unchanged.conditions)
            value = self._read(read, reply)
        except Unwell:
            if kept is not None and self._clock() - kept.at < stale:
                return kept
            raise
        except NotThere as answer:
            if answer.status != 304 or kept is None:
                raise
            await self._cache.put(key, replace(unchanged, at=self._clock()).text, max(fresh, stale))
            return replace(kept, at=self._clock())
        now = self._clock()
        if fresh and len(reply.body) <= LARGEST_KEPT:
            validators = (reply.headers.get("etag", ""), reply.headers.get("last-modified", ""))
            answered = _Kept(now, reply.body.decode(errors="replace"), *validators)
            await self._cache.put(key, answered.text, max(fresh, stale))
        return Known(value, now)

    async def send(self, method: str, path: str, json: object = None) -> Reply:
        """Have something done, once: it is not sent again, for it may have been done. Raises `NotThere`, `Unwell`."""
        return await self.request(method, path, json=json, attempts=1)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = ATTEMPTS,
    ) -> Reply:
        """Ask the server; several times where it fails in passing. Raises `NotThere` and `Unwell`."""
        asked = partial(
            self._web.request, method, params=params, json=json, form=form, headers={**self._headers, **(headers or {})}
        )
        for attempt in range(1, attempts + 1):
            try:
                return await self._ask(path, asked)
            except _Passing as passing:
                pause = _FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311
                pause = pause if passing.pause is None else passing.pause
                if attempt == attempts or pause > LONGEST_PAUSE or self._breaker.refuses:
                    raise Unwell(passing.said) from passing
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _ask(self, path: str, asked: Callable[[str], Awaitable[Reply]]) -> Reply:
        ticket = self._breaker.enter()
        if ticket is None:
            raise Unwell(f"{self._begun} doesn't answer right now. Please try again in a minute.")
        try:
            await self._turn()
            url = path if path.startswith(("http://", "https://")) else f"{self.url}{path}"
            reply = await asked(url)
            self._check(reply)
        except (NotThere, Failed):
            # It answered; what is wrong is not that it is away.
            self._breaker.succeeded(ticket)
            raise
        except _Passing:
            self._breaker.failed(ticket)
            raise
        except (httpx.HTTPError, httpx.InvalidURL, Refused, TooLarge, OSError) as error:
            logger.warning(f"{self.name}: {type(error).__name__}: {error}")
            self._breaker.failed(ticket)
            raise self._said(error) from error
        except BaseException:
            self._breaker.left(ticket)
            raise
        self._breaker.succeeded(ticket)
        return reply

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(LONGEST_TURN):
                await self._limit.acquire()
        except TimeoutError:
            raise Unwell(f"I have asked {self.name} very often. Please try again in a minute.") from None

    def _check(self, reply: Reply) -> None:
        status = reply.status
        if status < 300:
            return
        # Google says so with a status that others have for who may not ask at all.
        if status in _PASSING or (status == 403 and b"ateLimitExceeded" in reply.body):
            pause = _retry_after(reply.headers.get("retry-after"), self._clock())
            told = f"{self._begun} has trouble right now. Please try again in a few minutes."
            if status in (403, 429):
                again = "in a few minutes" if pause is None else f"in {_spoken_pause(pause)}"
                told = f"{self._begun} wants to be asked less often. Please try again {again}."
            raise _Passing(told, pause)
        if status in (401, 403):
            raise Unauthorized(f"{self._begun} doesn't let me in. Its key or password has to be checked.", reply.body)
        raise NotThere(status, reply.body)

    def _said(self, error: Exception) -> Exception:
        if isinstance(error, Refused):
            return Unwell(f"{self._begun} leads to an address that I may not open, so I stopped.")
        if isinstance(error, TooLarge):
            return Unwell(f"{self._begun} sent far more than I asked for, so I stopped.")
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Unwell(f"I can't trust the certificate of {self.name}, so I didn't ask it.")
        return _Passing(f"{self._begun} doesn't answer right now. Please try again in a few minutes.", None)

    def _read(self, read: Callable[[bytes], T], reply: Reply) -> T:
        try:
            return read(reply.body)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            logger.warning(f"{self.name} answered in an unknown form: {problem['loc']}: {problem['msg']}")
        except (ValueError, RecursionError) as error:
            logger.warning(f"{self.name} answered in an unknown form: {error}")
        raise Unwell(f"{self._begun} sent something that I can't read. Please try again later.")

    async def _kept(self, key: str, read: Callable[[bytes], T]) -> tuple[Known[T] | None, "_Kept"]:
        text = await self._cache.get(key)
        try:
            kept = _Kept(*json.loads(text or ""))
            return Known(read(kept.body.encode()), float(kept.at)), kept
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None, _Kept(0.0, "")

    def _key(self, path: str, params: Mapping[str, Any] | None) -> str:
        # Who asks is part of it: another key may see other things.
        asked = json.dumps([self.url, path, params, self._headers], sort_keys=True, default=str)
        return hashlib.sha256(asked.encode()).hexdigest()[:40]

    @property
    def _begun(self) -> str:
        return self.name[:1].upper() + self.name[1:]


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer as the cache has it, with what tells whether it has changed (RFC 9110, 8.8)."""

    at: float
    body: str
    etag: str = ""
    modified: str = ""

    @property
    def text(self) -> str:
        return json.dumps(astuple(self))

    @property
    def conditions(self) -> dict[str, str]:
        return {
            name: value for name, value in (("if-none-match", self.etag), ("if-modified-since", self.modified)) if value
        }


class _Passing(Exception):  # noqa: N818
    def __init__(self, said: str, pause: float | None) -> None:
        self.said = said
        self.pause = pause
        super().__init__(said)


def spoken_age(at: float, now: float, *, from_: float = 120.0) -> str:
    """How old an answer is, to put before it: "As of 10 minutes ago, "; nothing where it is younger than `from_`."""
    age = now - at
    if age < from_:
        return ""
    return f"As of {_spoken_pause(age)} ago, "


def _spoken_pause(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a minute"


def _retry_after(header: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` asks for (RFC 9110, 10.2.3)."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (ValueError, TypeError):
            return None
    return min(max(0.0, seconds), _LONGEST_RETRY) if math.isfinite(seconds) else None
