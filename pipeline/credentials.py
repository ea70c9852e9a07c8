"""Settings with secrets in them that `passfel connect` has tried, in a file that only its owner reads.

They stand below `passfel.toml` and the environment: whatever is set there wins.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.private_file import write_private

NAME: Final = "credentials.json"


class CredentialsUnreadable(Exception):  # noqa: N818 - reads as what is the matter
    """The file is damaged or open to others; the message says what to do."""


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """What is kept, by its group of settings. This blocks. Raises `CredentialsUnreadable`."""
    file = folder / NAME
    try:
        text = file.read_text(encoding="utf-8")
        if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise CredentialsUnreadable(f"{file} can be read by others: run chmod 600 {file}")
        kept = json.loads(text)
        if not isinstance(kept, dict) or not all(isinstance(group, dict) for group in kept.values()):
            raise CredentialsUnreadable(f"{file} is damaged: remove it, and run passfel connect again")
    except FileNotFoundError:
        return {}
    except (ValueError, OSError, RecursionError) as error:
        raise CredentialsUnreadable(
            f"{file} cannot be read, remove it and run passfel connect again: {error}"
        ) from None
    return kept


def keep(folder: Path, group: str, values: Mapping[str, Any]) -> Path:
    """Keep a group of settings, all of it or none. This blocks. Raises `OSError`, `CredentialsUnreadable`."""
    kept = {**read(folder), group: dict(values)}
    file = folder / NAME
    write_private(file, json.dumps(kept, indent=1).encode())
    return file
