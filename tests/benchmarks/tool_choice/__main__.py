"""Measure which tools a model calls: `python -m tests.benchmarks.tool_choice [--server URL …]` (see ../README.md)."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from pipeline.settings import file as settings_file
from tests.benchmarks.language import language_server
from tests.benchmarks.report import Report
from tests.benchmarks.servers import LanguageServer
from tests.benchmarks.tool_choice import measuring


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tool_choice", description=__doc__)
    parser.add_argument("--server", action="append", default=[], metavar="URL", help="an OpenAI-compatible server")
    parser.add_argument("--model", action="append", default=[], help="its model, once for each server")
    parser.add_argument("--key", default="none", help="what the servers take for a key")
    parser.add_argument("--only", metavar="TOOL", help="requests about one tool only")
    parser.add_argument("--out", type=Path, help="folder for bench.md and bench.json (default: in the data directory)")
    return parser.parse_args()


async def measure(chosen: argparse.Namespace, folder: Path) -> None:
    """Ask every server, or the embedded engine where none is named, and write the report."""
    report = Report(folder)
    async with contextlib.AsyncExitStack() as stack:
        servers = _named(chosen.server, chosen.model, chosen.key)
        if not servers:
            servers = [await stack.enter_async_context(language_server(None, ""))]
        report.add("tool-choice", *await measuring.measure(servers, folder, only=chosen.only))


def _named(addresses: Sequence[str], models: Sequence[str], key: str) -> list[LanguageServer]:
    names = [*models, *[""] * (len(addresses) - len(models))]
    return [LanguageServer(url, key, model) for url, model in zip(addresses, names, strict=False)]


def main() -> None:
    """Measure, print and write the report."""
    chosen = arguments()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    folder: Path = chosen.out or settings_file.load().data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(measure(chosen, folder))
    sys.stdout.write(f"Written to {folder / 'bench.md'} and bench.json\n")


if __name__ == "__main__":
    main()
