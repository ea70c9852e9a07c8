"""Addresses and paths as settings have them."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr


def expanded(path: Path) -> Path:
    """A path from the root on, with a leading `~` as the home folder."""
    return path.expanduser().absolute()


def checked_url(url: str | None) -> str | None:
    """An HTTP address without a slash at its end; raises `ValueError` for what is none."""
    if url is None:
        return None
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", url):
        raise ValueError("needs an address such as http://localhost:8000/v1; a key goes into api_key")
    return url.rstrip("/")


def checked_postgres(address: SecretStr) -> SecretStr:
    """An address of a Postgres; raises `ValueError` for what is none."""
    if not address.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return address


def checked_redis(address: SecretStr) -> SecretStr:
    """An address of a Redis; raises `ValueError` for what is none."""
    if not address.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return address


FilePath = Annotated[Path, AfterValidator(expanded)]
