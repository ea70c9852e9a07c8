"""Where devices are let in and out: `/v1/pairing` shows a code, `/v1/paired` lists who is in and removes them."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import segno
from fastapi import FastAPI, Request
from loguru import logger
from starlette.responses import FileResponse, JSONResponse, Response

from satellites.access import ALLOWED, OWNER, Verdict
from satellites.pairing import admission
from satellites.pairing.admission import NOT_WRITTEN
from satellites.pairing.codes import DIGITS, SECONDS, Codes, Redeemed
from satellites.pairing.paired import Device, Paired, TooMany
from satellites.pairing.waiting import Waiting
from satellites.refused import refused

STYLE: Final = "/pairing/pair.css"
AUTHORITY: Final = "/authority.crt"
OPEN: Final = frozenset({STYLE, AUTHORITY, "/page/favicon.svg"})
"""What a device sees that is not paired: what the pairing page is made of."""
_LONGEST_CODE: Final = 12

_REFUSED: Final[Mapping[Redeemed, Verdict]] = {
    Redeemed.WRONG: Verdict(HTTPStatus.UNAUTHORIZED, "This is not the code. Look at it once more and type it again."),
    Redeemed.ENDED: Verdict(
        HTTPStatus.UNAUTHORIZED, "No code is being shown, or it is too old. Have a new one shown and type that."
    ),
}


class Pairing:
    """Codes, and the devices that came in with one.

    Args:
        paired: who is in.
        addresses: tells where other devices reach this assistant.
        authority: the certificate for devices to trust, where the house has one of its own.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        paired: Paired,
        addresses: Callable[[], Sequence[str]],
        authority: Path | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.paired = paired
        self.addresses = addresses
        self.authority = authority
        self.waiting = Waiting(paired, clock)
        self._codes = Codes(clock)

    def show(self, *, owner: bool = False) -> dict[str, Any]:
        """A new code, with where to type it; the device of an `owner` looks after the house."""
        code, addresses = self._codes.make(owner=owner), list(self.addresses())
        shown: dict[str, Any] = {"code": f"{code[:3]} {code[3:]}", "seconds": SECONDS, "addresses": addresses}
        if addresses:
            shown["link"] = f"{addresses[0]}/?code={code}"
            shown["picture"] = _picture(shown["link"])
        return shown

    @staticmethod
    def is_code(typed: str) -> bool:
        """Whether this looks like a code rather than a token."""
        return len(typed) <= _LONGEST_CODE and len("".join(filter(str.isdecimal, typed))) == DIGITS

    async def redeem(self, typed: str, name: str) -> tuple[str | None, Verdict]:
        """Let a device in that shows the right code: its secret, or why not."""
        owner, outcome = self._codes.for_owner, self._codes.redeem(typed)
        if outcome is not Redeemed.RIGHT:
            return None, _REFUSED[outcome]
        try:
            _, secret = await self.paired.add(name, owner=owner)
        except TooMany as error:
            return None, Verdict(HTTPStatus.CONFLICT, str(error))
        except OSError as error:
            logger.error("A device could not be paired: {}", error)
            return None, Verdict(HTTPStatus.INSUFFICIENT_STORAGE, NOT_WRITTEN)
        return secret, ALLOWED

    async def seen(self, device: Device) -> None:
        """Note that a device called."""
        try:
            await self.paired.note(device)
        except OSError as error:
            logger.warning("That a device called could not be written down: {}", error)


def _picture(link: str) -> str:
    drawn = io.BytesIO()
    code = segno.make(link, error="m", micro=False)
    code.save(drawn, kind="svg", xmldecl=False, omitsize=True, border=2, dark="#111", light="#fff")
    return drawn.getvalue().decode()


def mount(app: FastAPI, pairing: Pairing) -> None:
    """Let devices in and out at `app`."""

    async def show(request: Request, owner: bool = False) -> Response:
        if owner and not request.scope.get(OWNER):
            return refused("Only the device of an owner can let another owner in.", HTTPStatus.FORBIDDEN)
        return JSONResponse(pairing.show(owner=owner))

    async def listed() -> Response:
        return JSONResponse(
            [
                {
                    "id": each.id,
                    "name": each.name,
                    "owner": each.owner,
                    "paired_at": each.paired_at,
                    "seen_at": each.seen_at,
                }
                for each in pairing.paired.devices()
            ]
        )

    async def remove(id: str) -> Response:  # noqa: A002 - the path's part
        try:
            device = await pairing.paired.remove(id)
        except OSError as error:
            problem = f"it may not come in now, but that could not be written down: {error.strerror}"
            return refused(problem, HTTPStatus.INSUFFICIENT_STORAGE)
        if device is None:
            return refused(f"no device {id!r} is paired", HTTPStatus.NOT_FOUND)
        return JSONResponse({"removed": device.name})

    async def style() -> Response:
        return FileResponse(Path(__file__).with_name("pair.css"), headers={"cache-control": "no-cache"})

    async def authority() -> Response:
        if pairing.authority is None:
            return refused("This assistant's certificate is not the house's own.", HTTPStatus.NOT_FOUND)
        return FileResponse(pairing.authority, media_type="application/x-x509-ca-cert", filename="passfel.crt")

    app.add_api_route("/v1/pairing", show, methods=["POST"])
    admission.mount(app, pairing.waiting)
    app.add_api_route("/v1/paired", listed, methods=["GET"])
    app.add_api_route("/v1/paired/{id}", remove, methods=["DELETE"])
    app.add_api_route(STYLE, style, methods=["GET"])
    app.add_api_route(AUTHORITY, authority, methods=["GET"])
