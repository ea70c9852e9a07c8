"""`passfel pair`: shows the code for another device, lets in one that shows its own, lists and removes them."""

import argparse
import io
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.settings import Settings

if TYPE_CHECKING:
    import httpx

_SECONDS = 10.0


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", own: Callable[[Settings], str]
) -> None:
    """Add `pair`; `own` tells where the running assistant is."""
    pair = commands.add_parser(
        "pair",
        help="let another device in",
        description="Show the code with which another device of the house comes in, at the running assistant.",
    )
    chosen = pair.add_mutually_exclusive_group()
    chosen.add_argument("--owner", action="store_true", help="let in one that may look after the house, at /admin")
    chosen.add_argument("--accept", metavar="CODE", help="let in a device that shows or speaks this code")
    chosen.add_argument("--token", metavar="NAME", help="make a token for a device of this name, to write into it")
    chosen.add_argument("--list", action="store_true", help="list the devices that are in, and that ask to be")
    chosen.add_argument("--remove", metavar="ID", help="let a device in no more")
    pair.add_argument("--name", help="what to call the device that is accepted")
    pair.set_defaults(command=lambda settings, options: _pair(settings, options, own(settings)))


def _pair(settings: Settings, options: argparse.Namespace, address: str) -> int:
    import httpx  # noqa: PLC0415 - passfel --help does without

    token = settings.token.get_secret_value() if settings.token else None
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=_SECONDS, trust_env=False) as http:
            if options.list:
                return _list(_answered(http.get("/v1/paired")), _answered(http.get("/v1/paired/waiting")))
            if options.remove:
                print(f"{_answered(http.delete(f'/v1/paired/{options.remove}'))['removed']} may not come in any more.")
                return 0
            if options.accept:
                shown = {"code": options.accept, "name": options.name}
                print(f"{_answered(http.post('/v1/paired', json=shown))['name']} is let in.")
                return 0
            if options.token:
                return _show_token(_answered(http.post("/v1/paired", json={"name": options.token})))
            return _show(_answered(http.post("/v1/pairing", params={"owner": options.owner})))
    except httpx.TransportError:
        print(f"No assistant answers at {address}: start it with passfel serve.", file=sys.stderr)
    except ValueError as error:
        print(error, file=sys.stderr)
    return 1


def _answered(response: "httpx.Response") -> Any:
    try:
        told = response.json()
        problem = told["error"]["message"] if response.is_error else None
    except (ValueError, LookupError, TypeError):
        where = str(response.url.join("/")).rstrip("/")
        problem = f"What answers at {where} is no PASSFEL of this version (status {response.status_code})."
    if problem is not None:
        raise ValueError(problem)
    return told


def _show(shown: dict[str, Any]) -> int:
    if not shown["addresses"]:
        print("Other devices do not reach this assistant by itself: set enabled = true below [https] in its settings")
        print("and start it again. Where a proxy leads to it, open that address.\n")
    else:
        print("On the other device, open one of")
        print(*(f"  {address}" for address in shown["addresses"]), sep="\n")
    print(f"and type this code within {shown['seconds'] / 60:.0f} minutes:\n\n  {shown['code']}\n")
    if "link" in shown:
        print("or point its camera at this:\n")
        print(_picture(shown["link"]))
    return 0


def _picture(link: str) -> str:
    import segno  # noqa: PLC0415 - passfel --help does without

    drawn = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()


def _show_token(made: dict[str, Any]) -> int:
    print(f"{made['name']} comes in with this token, which is shown only now:\n\n  {made['token']}\n")
    print("Write it into the device, which sends it as a header: Authorization: Bearer TOKEN")
    return 0


def _list(devices: list[dict[str, Any]], waiting: list[dict[str, Any]]) -> int:
    for device in waiting:
        print(f"{device['what']} at {device['address']} asks to be let in, and has to show {device['code']}:")
        print(f"  passfel pair --accept {device['code']}")
    if not devices:
        print("No device is paired. passfel pair lets one in.")
    for device in devices:
        paired, seen = (time.strftime("%Y-%m-%d", time.localtime(device[each])) for each in ("paired_at", "seen_at"))
        owner = ", an owner's" if device["owner"] else ""
        print(f"{device['id']}  {device['name']:40}  paired {paired}, last here {seen}{owner}")
    return 0
