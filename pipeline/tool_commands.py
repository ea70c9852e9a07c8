"""`passfel connect`, `tools` and `tool`: the services that the assistant uses."""

import argparse
from typing import Any, Final

SERVICES: Final = ("caldav", "google", "homeassistant", "joplin", "venice")
"""What `passfel connect` knows."""


class ToolCommandFailed(Exception):  # noqa: N818 - reads as what happened
    """A command could not do what it was asked; the message is for people and says what to do."""


def add_commands(commands: Any) -> None:
    """Add the commands to a parser's subcommands.

    Each takes the settings and the options and returns the exit status, or raises `ToolCommandFailed`.
    """
    connect = commands.add_parser(
        "connect",
        help="connect a calendar, a Home Assistant, a Joplin or a hosted model",
        description="Ask for what a service needs, try it, and keep it in a file that only you can read.",
    )
    connect.add_argument("service", choices=SERVICES, metavar="SERVICE", help=", ".join(SERVICES))
    connect.set_defaults(command=_connect)

    listing = commands.add_parser("tools", help="list the tools, what they need, and when they last worked")
    listing.set_defaults(command=_list)

    trying = commands.add_parser(
        "tool",
        help="try a tool",
        description="Try a tool, as the assistant would call it: passfel tool get_weather place=Lisbon when=tomorrow",
    )
    trying.add_argument("name", metavar="NAME")
    trying.add_argument("arguments", nargs="*", metavar="ARGUMENT=VALUE")
    trying.add_argument("--yes", action="store_true", help="confirm what asks to be confirmed")
    trying.set_defaults(command=_try)


def _connect(settings: Any, options: argparse.Namespace) -> int:
    from pipeline.connect import connect

    return connect(settings, options.service)


def _list(settings: Any, _: argparse.Namespace) -> int:
    from pipeline.tool_chores import list_tools

    return list_tools(settings)


def _try(settings: Any, options: argparse.Namespace) -> int:
    from pipeline.tool_chores import try_tool

    return try_tool(settings, options.name, options.arguments, sure=options.yes)
