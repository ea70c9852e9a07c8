"""`passfel learn`, `devices`, `export`, `forget`, `backup` and `restore`: what a household does with its memory."""

import argparse
from pathlib import Path
from typing import Any


class StoreCommandFailed(Exception):  # noqa: N818 - reads as what happened
    """A command could not do what it was asked; the message is for people and says what to do."""


class NothingKept(StoreCommandFailed):
    """There is no store."""


def add_commands(commands: Any) -> None:
    """Add the commands to a parser's subcommands.

    Each takes the settings and the options and returns the exit status, or raises `StoreCommandFailed`.
    """
    learn = _add(commands, "learn", "give documents to the assistant, which it answers from")
    learn.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="PATH",
        help="text, Markdown, HTML, PDF, EPUB, a calendar (.ics), contacts (.vcf), or a folder",
    )
    learn.add_argument("--person", metavar="NAME", help="whose they are, and who alone hears of them")
    learn.add_argument("--remove", action="store_true", help="forget the documents of these paths")

    devices = _add(commands, "devices", "list the devices that have called, or say whose one is")
    devices.add_argument("device", nargs="?", metavar="DEVICE", help="a device of the list")
    devices.add_argument("--person", metavar="NAME", help='who speaks there; "" is everybody')
    devices.add_argument("--room", metavar="ROOM", help="where it stands")
    devices.add_argument("--title", metavar="NAME", help="what you call it")
    devices.add_argument("--speed", metavar="SPEED", help="how fast the assistant speaks there, 0.5 to 2")
    devices.add_argument("--voice", metavar="VOICE", help="the Piper voice that speaks there, of speaking.voices")
    devices.add_argument("--quiet", metavar="HOURS", help="when nothing is announced there, such as 22:00-07:00")

    export = _add(commands, "export", "write everything that is kept of a person into a file")
    export.add_argument("person", metavar="NAME")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="(default: to the terminal)")

    forget = _add(commands, "forget", "remove everything that is kept of a person")
    forget.add_argument("person", metavar="NAME")
    forget.add_argument("--yes", action="store_true", help="do not ask")

    backup = _add(commands, "backup", "write everything that the household keeps into one file")
    backup.add_argument("file", type=Path, metavar="FILE")

    restore = _add(commands, "restore", "put back what a backup holds")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--replace", action="store_true", help="remove what is there before")


def _add(commands: Any, name: str, helps: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=helps, description=f"{helps[0].upper()}{helps[1:]}."
    )

    def run(settings: Any, options: argparse.Namespace) -> int:
        from pipeline.store.chores import run_chore

        return run_chore(name, settings, options)

    parser.set_defaults(command=run)
    return parser
