"""The one page that a device sees before it is paired."""

import html
from pathlib import Path
from typing import Final

from starlette.requests import Request

from satellites.pairing.paired import LONGEST_NAME

FILE: Final = Path(__file__).parent / "pair.html"
_SYSTEMS: Final = (
    *(("iPad", "iPad"), ("iPhone", "iPhone"), ("Android", "Android"), ("CrOS", "Chromebook"), ("Windows", "Windows")),
    *(("Macintosh", "Mac"), ("Linux", "Linux")),
)
_BROWSERS: Final = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox")),
    *(("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari")),
)


def device_name(user_agent: str) -> str:
    """What to call a device whose owner has named it nothing."""
    system, browser = (
        next((name for mark, name in known if mark in user_agent), None) for known in (_SYSTEMS, _BROWSERS)
    )
    return " on ".join(each for each in (browser, system) if each) or "A device"


def pairing_page(request: Request, reason: str) -> str:
    """The page, with why it is shown."""
    values = {
        "reason": html.escape(reason),
        "name": html.escape(device_name(request.headers.get("user-agent", ""))),
        "name_length": str(LONGEST_NAME),
    }
    page = FILE.read_text(encoding="utf-8")
    for name, value in values.items():
        page = page.replace(f"{{{name}}}", value)
    return page
