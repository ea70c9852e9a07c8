"""`passfel satellite`: runs this machine as a satellite of an assistant elsewhere."""

import argparse
from pathlib import Path

from pipeline.settings import Settings


class SatelliteFailed(Exception):  # noqa: N818 - reads as what happened
    """The satellite cannot run; the message is one line and says what to do."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `satellite`."""
    satellite = commands.add_parser(
        "satellite",
        help="run this machine as a satellite of an assistant elsewhere",
        description="Listen for the wake word and talk to an assistant on another machine, until Ctrl-C. "
        "SIGUSR1 is a button: it listens, or falls silent where it speaks.",
    )
    satellite.add_argument("--server", metavar="URL", help="the assistant's address (default: the one in the settings)")
    satellite.add_argument(
        "--files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="recordings to hear instead of a microphone, each once the answer to the one before is over",
    )
    satellite.add_argument(
        "-o", "--output", type=Path, default=Path("answer.wav"), help="where answers to recordings go (%(default)s)"
    )
    satellite.set_defaults(command=_satellite, runs_on=True)


def _satellite(chosen: Settings, options: argparse.Namespace) -> int:
    try:
        # The libraries of a satellite are not those of the server.
        from satellites.pi.running import run  # noqa: PLC0415
    except ImportError as error:
        raise SatelliteFailed(f"a satellite needs {error.name}: pip install 'passfel[satellite]'") from error
    own = chosen.satellite
    token = chosen.token.get_secret_value() if chosen.token else None
    return run(own if options.server is None else own.model_copy(update={"server": options.server}), token, options)
