"""Files that only their owner can read, each replaced whole or not at all."""

import os
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600


def write_private(file: Path, content: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Put `content` in place of a file; once this returns, it survives a crash. Blocks; one process writes at a time.

    Raises `OSError`; what was there before is still there.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)
