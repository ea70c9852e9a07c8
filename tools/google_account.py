"""An account at Google: how a household lets PASSFEL in, and how it is let in from then on.

Sources: OAuth 2.0 for limited-input devices (RFC 8628) as Google has it, and its refresh tokens (RFC 6749, 6).
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from tools.service import NotThere, Service, Unauthorized, Unwell
from tools.tool import Failed

SCOPE: Final = "https://www.googleapis.com/auth/calendar"
GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
EARLY: Final = 60.0
"""Seconds before its end in which a token is renewed."""
SLOWER: Final = 5.0
"""Seconds more between two questions where Google asks for that (RFC 8628, 3.5)."""


class _Offer(BaseModel):
    device_code: str
    user_code: str
    verification_url: str
    expires_in: float
    interval: float = 5.0


class _Granted(BaseModel):
    access_token: str
    expires_in: float = 3600.0
    refresh_token: str | None = None


class _Refusal(BaseModel):
    error: str = ""


_OFFER: Final = TypeAdapter(_Offer)
_GRANTED: Final = TypeAdapter(_Granted)
_REFUSAL: Final = TypeAdapter(_Refusal)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a person does to let PASSFEL in."""

    code: str
    """What they type there."""
    url: str
    """Where."""
    device_code: str
    seconds: float
    """For how long that is possible."""
    interval: float
    """Seconds between two questions whether it is done."""


class GoogleAccount:
    """Gives out tokens.

    Args:
        service: Google's server for that.
        refresh_token: what Google has given when PASSFEL was let in; None before that.
    """

    def __init__(self, service: Service, client_id: str, client_secret: str, refresh_token: str | None = None) -> None:
        self._service = service
        self._client = {"client_id": client_id, "client_secret": client_secret}
        self._refresh_token = refresh_token
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def invite(self) -> Invitation:
        """Begin to be let in. Raises `Failed`."""
        form = {"client_id": self._client["client_id"], "scope": SCOPE}
        try:
            reply = await self._service.request("POST", "/device/code", form=form)
            offer = _OFFER.validate_json(reply.body)
        except (NotThere, Unauthorized) as refused:
            told = _error(refused)
            raise Failed(
                f"Google refuses: {told}. The client has to be of the type 'TVs and Limited Input devices'."
            ) from refused
        except ValidationError as strange:
            raise Failed("Google sent something that I can't read.") from strange
        return Invitation(
            offer.user_code, offer.verification_url, offer.device_code, offer.expires_in, max(offer.interval, 0.0)
        )

    async def let_in(self, invitation: Invitation) -> str:
        """Wait until a person has done it; returns a refresh token. Raises `Failed`."""
        form = {**self._client, "device_code": invitation.device_code, "grant_type": GRANT}
        interval, until = invitation.interval, time.monotonic() + invitation.seconds
        while time.monotonic() < until:
            await asyncio.sleep(interval)
            try:
                granted = await self._granted(form)
            except (NotThere, Unauthorized) as refused:
                match error := _error(refused):
                    case "authorization_pending":
                        continue
                    case "slow_down":
                        interval += SLOWER
                        continue
                    case "access_denied":
                        raise Failed("Google says that access was refused. Run this again to be asked again.") from None
                    case "expired_token":
                        break
                    case _:
                        raise Failed(f"Google refuses: {error}. Are the client's id and secret right?") from refused
            if granted.refresh_token is None:
                raise Failed(
                    "Google sent no lasting token. Remove PASSFEL at myaccount.google.com, and run this again."
                )
            self._refresh_token = granted.refresh_token
            return granted.refresh_token
        raise Failed("Nobody has typed the code in time. Run this again for a new one.")

    async def token(self, *, unlike: str = "") -> str:
        """A token that Google accepts now, and another one than `unlike`. Raises `Failed`."""
        async with self._asking:
            if self._token and self._token != unlike and time.monotonic() < self._until - EARLY:
                return self._token
            if self._refresh_token is None:
                raise Failed("Google is not connected: run passfel connect google.")
            form = {**self._client, "refresh_token": self._refresh_token, "grant_type": "refresh_token"}
            try:
                granted = await self._granted(form)
            except (NotThere, Unauthorized) as refused:
                raise Failed("Google doesn't let me in any more. Please connect it again.") from refused
            self._token, self._until = granted.access_token, time.monotonic() + granted.expires_in
            return self._token

    async def _granted(self, form: dict[str, str]) -> _Granted:
        reply = await self._service.request("POST", "/token", form=form)
        try:
            return _GRANTED.validate_json(reply.body)
        except ValidationError as strange:
            raise Unwell("Google sent something that I can't read. Please try again later.") from strange


def _error(refused: NotThere | Unauthorized) -> str:
    """The code of an error (RFC 6749, 5.2)."""
    try:
        return _REFUSAL.validate_json(refused.body).error or "no reason given"
    except ValidationError:
        return "no reason given"
