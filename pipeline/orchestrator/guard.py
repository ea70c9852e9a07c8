"""What a language model's server may do wrong, and how long anybody waits for it.

`GuardedStream` reads an answer from the network within limits of time, and `reply` looks at what it says.
Every fault becomes one exception, `ModelMisbehaved`.
"""

import asyncio
import contextlib
import math
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, AsyncStream
from openai.types.chat import ChatCompletionChunk

FAST_FIRST_TOKEN = 2.5
"""Seconds for the first token of a server that has been fast; what is said instead then comes within three."""
COLD_FIRST_TOKEN = 20.0
"""Seconds for a server that has never answered: a large model reads its weights and compiles for so long."""
PATIENCE = 3.0
"""The first token may take this many times as long as the slowest of the last: an uncached prompt against a cached."""
VOICE_GAP = 2.0
"""Seconds between two pieces; speech that has begun covers about as much silence, and no healthy server takes it."""
CALL_GAP = 5.0
"""Seconds without a word once a model with tools has begun: some servers send a call only when it is complete."""
PATIENT_FIRST_TOKEN = 60.0
"""Seconds where nobody listens."""
PATIENT_GAP = 20.0
"""Seconds where nobody listens."""
LONGEST_ANSWER = 120.0
"""Seconds for all of it: 400 tokens at 4 tokens a second, the slowest model that anybody would bear."""
PATIENT_ANSWER = 600.0
"""Seconds where nobody listens."""
_AFTERWARDS = 1.0
_REMEMBERED = 8
_LONGEST_EXCERPT = 200


class Kind(StrEnum):
    """What went wrong."""

    UNREACHABLE = "unreachable"
    """No connection."""
    REFUSED = "refused"
    """An error of this request, by its status or in the stream."""
    BROKEN = "broken"
    """An error of the server, by its status or in the stream."""
    BUSY = "busy"
    """429: too many requests, or 503 with a time to come back."""
    SILENT = "silent"
    """No first token in time."""
    STALLED = "stalled"
    """A long gap between two pieces, or an answer that takes too long altogether."""
    CLOSED = "closed"
    """The connection ended in mid-answer."""
    HTML = "html"
    """A web page instead of an answer."""
    GARBLED = "garbled"
    """Something else that is no stream of chunks."""
    EMPTY = "empty"
    """Nothing was said."""
    ENDLESS = "endless"
    """More than was asked for."""
    LOOP = "loop"
    """The same words over and over."""
    BROKEN_CALL = "broken call"
    """A tool call that cannot be read."""


_OF_THE_SERVER = frozenset(
    {Kind.UNREACHABLE, Kind.BROKEN, Kind.SILENT, Kind.STALLED, Kind.CLOSED, Kind.HTML, Kind.GARBLED}
)
_PASSING = frozenset({Kind.UNREACHABLE, Kind.BROKEN, Kind.BUSY, Kind.CLOSED})
_CUT_SHORT = frozenset({Kind.ENDLESS, Kind.LOOP})


class ModelMisbehaved(Exception):  # noqa: N818 - reads as what is the matter
    """An answer that cannot be used, or not any further."""

    def __init__(self, kind: Kind, said: str = "", *, retry_after: float | None = None) -> None:
        """Quote what the server or the model `said`; it may ask to be tried again in `retry_after` seconds."""
        self.kind = kind
        self.said = " ".join(said.split())[:_LONGEST_EXCERPT]
        self.retry_after = retry_after
        super().__init__(f"{kind.value}: {self.said}" if self.said else kind.value)

    @property
    def speaks_against_server(self) -> bool:
        """Whether the next request will hardly fare better."""
        return self.kind in _OF_THE_SERVER

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.kind in _PASSING

    @property
    def usable(self) -> bool:
        """Whether what was said until then can stand as the answer."""
        return self.kind in _CUT_SHORT


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one answer may take, in seconds."""

    first: float
    """Until the first sign of it."""
    gap: float
    """Between two pieces."""
    silence: float
    """Until its first word or call, once there was a sign of it."""
    whole: float = LONGEST_ANSWER


class Pace:
    """Learns how long a server's first token may take: the slowest of the last few times `PATIENCE`, within bounds.

    A limit that was missed is doubled, because the server may have lost its cache or be reading a long prompt.
    """

    def __init__(self, *, unseen: float = COLD_FIRST_TOKEN) -> None:
        """Give a server that was never seen `unseen` seconds."""
        self._limit = unseen
        self._last: deque[float] = deque(maxlen=_REMEMBERED)

    def limits(self, *, heard: bool, offers_tools: bool) -> Limits:
        """The limits of the next answer; `heard` where a person listens to it."""
        if not heard:
            first = max(self._limit, PATIENT_FIRST_TOKEN)
            return Limits(first, PATIENT_GAP, PATIENT_GAP, PATIENT_ANSWER)
        return Limits(self._limit, VOICE_GAP, CALL_GAP if offers_tools else VOICE_GAP)

    def saw(self, seconds: float) -> None:
        """Note how long a first token took."""
        self._last.append(seconds)
        self._limit = min(max(FAST_FIRST_TOKEN, PATIENCE * max(self._last)), COLD_FIRST_TOKEN)

    def missed(self) -> None:
        """Note that no token came in time."""
        self._limit = min(2 * self._limit, COLD_FIRST_TOKEN)


class GuardedStream:
    """Reads the chunks of one answer, within limits. Leaving it closes the connection, whatever happened before.

    Iterating raises `ModelMisbehaved`, or `TimeoutError` after `stop`. What fails once the answer is there is not told.
    """

    def __init__(self, ask: Callable[[], Awaitable[AsyncStream[ChatCompletionChunk]]], limits: Limits) -> None:
        """Call `ask` with the first chunk that is wanted."""
        self.finished = False
        """Set by the reader once the answer is complete: only the usage may follow."""
        self.speaking = False
        """Set by the reader once the answer's first word or call is there."""
        self._ask = ask
        self._limits = limits
        self._stream: AsyncStream[ChatCompletionChunk] | None = None
        self._clock = asyncio.get_running_loop().time
        self._asked = self._clock()
        self._scope: asyncio.Timeout | None = None
        self._stopped = False
        self._began = False

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        if self._stream is not None:
            await self._stream.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        """Wait for the next chunk."""
        try:
            async with asyncio.timeout_at(self._deadline()) as self._scope:
                stream = self._stream or await self._open()
                chunk = await anext(stream)
        except StopAsyncIteration:
            raise
        except TimeoutError:
            raise self._late() from None
        except ModelMisbehaved:
            raise
        except Exception as error:
            # Whatever a stranger's bytes make the client stumble over.
            if self.finished:
                raise StopAsyncIteration from None
            raise misbehaviour(error, began=self._began) from error
        finally:
            self._scope = None
        if not isinstance(chunk, ChatCompletionChunk):
            raise ModelMisbehaved(Kind.GARBLED, repr(chunk))
        self._began = True
        return chunk

    def stop(self) -> None:
        """Let the reader, which may be waiting, fail with `TimeoutError` at once."""
        self._stopped = True
        if self._scope is not None:
            self._scope.reschedule(self._clock())

    def _deadline(self) -> float:
        now = self._clock()
        if self._stopped:
            return now
        if self.finished:
            return now + _AFTERWARDS
        if not self._began:
            return self._asked + self._limits.first
        gap = self._limits.gap if self.speaking else self._limits.silence
        return min(now + gap, self._asked + self._limits.whole)

    def _late(self) -> BaseException:
        if self._stopped:
            return TimeoutError("stopped")
        if self.finished:
            return StopAsyncIteration()
        seconds = f"nothing for {self._clock() - self._asked:.1f} s"
        return ModelMisbehaved(Kind.STALLED, "no next piece") if self._began else ModelMisbehaved(Kind.SILENT, seconds)

    async def _open(self) -> AsyncStream[ChatCompletionChunk]:
        self._stream = stream = await self._ask()
        content_type = stream.response.headers.get("content-type", "").lower()
        if "html" in content_type or "json" in content_type:
            said = await anext(stream.response.aiter_text(), "")
            raise ModelMisbehaved(Kind.HTML if "html" in content_type else Kind.GARBLED, _excerpt(said))
        return stream


def misbehaviour(error: Exception, *, began: bool = False) -> ModelMisbehaved:
    """Tell what an error of the OpenAI client means; `began` where a part of the answer had come."""
    match error:
        case APIStatusError(status_code=status):
            return _by_status(status, error)
        case APITimeoutError():
            return ModelMisbehaved(Kind.STALLED if began else Kind.SILENT, "the client's own limit")
        case APIConnectionError():
            reason = str(error.__cause__ or error)
            # A server that took the request and hung up was reached; one that refused the connection was not.
            lost = began or "disconnect" in reason or "Remote" in type(error.__cause__).__name__
            return ModelMisbehaved(Kind.CLOSED if lost else Kind.UNREACHABLE, reason)
        case APIError():
            return ModelMisbehaved(Kind.BROKEN, error.message)
        case ValueError():
            return ModelMisbehaved(Kind.GARBLED, getattr(error, "doc", "") or str(error))
        case _:
            return ModelMisbehaved(Kind.GARBLED, f"{type(error).__name__}: {error}")


def _by_status(status: int, error: APIStatusError) -> ModelMisbehaved:
    retry_after = retry_delay(error.response.headers)
    if status == 429 or (status == 503 and retry_after is not None):
        kind = Kind.BUSY
    else:
        kind = Kind.BROKEN if status >= 500 else Kind.REFUSED
    # The client quotes an error in JSON; whatever else came instead is in the body.
    said = error.body if isinstance(error.body, str) else error.message
    return ModelMisbehaved(kind, f"status {status}: {_excerpt(said)}", retry_after=retry_after)


def retry_delay(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Tell from a refusal's headers in how many seconds it is worth asking again, or None where they do not say.

    `Retry-After` holds seconds or a date (RFC 9110, 10.2.3). Venice.ai's `x-ratelimit-reset-requests` is a Unix time,
    and `x-ratelimit-reset-tokens` is seconds; only a limit of which nothing remains counts.

    Args:
        headers: with lower-case names.
        now: Unix time; the system's by default.
    """
    now = time.time() if now is None else now
    if (after := headers.get("retry-after")) is not None:
        if (seconds := _number(after)) is not None:
            return max(0.0, seconds)
        with contextlib.suppress(ValueError):
            return max(0.0, parsedate_to_datetime(after).timestamp() - now)
    waits = []
    for limit, origin in (("requests", now), ("tokens", 0.0)):
        reset = _number(headers.get(f"x-ratelimit-reset-{limit}", ""))
        remaining = _number(headers.get(f"x-ratelimit-remaining-{limit}", "0"))
        if reset is not None and not remaining:
            waits.append(max(0.0, reset - origin))
    return max(waits, default=None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _excerpt(text: str) -> str:
    """Leave the words of a text that may be a web page."""
    return re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
