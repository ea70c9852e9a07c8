"""Phones and a registrar that others wrote, as programs of their own on loopback: pjsua2, baresip, sipp, kamailio."""

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voice import recordings

SECONDS = 20.0
"""What any of them gets for something that takes moments."""
_KAMAILIO = Path("/usr/sbin/kamailio")


def needs(*programs: str) -> None:
    """Skip where one is not installed; fail in CI, which should have all of them."""
    missing = [each for each in programs if not _there(each)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI has no {', '.join(missing)}")
    if missing:
        pytest.skip(f"there is no {', '.join(missing)}: make test-packages")


def _there(program: str) -> bool:
    if program == "pjsua2":
        return importlib.util.find_spec("pjsua2") is not None
    if program == "kamailio-tls":
        return any(Path("/usr/lib").glob("*/kamailio/modules/tls.so"))
    return _KAMAILIO.exists() if program == "kamailio" else shutil.which(program) is not None


def free_port() -> int:
    """A port that has a free neighbour, for UDP and for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for each in (port, port + 1):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    stack.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", each))
            return port


@dataclass
class Softphone:
    """A pjsua2 phone."""

    process: asyncio.subprocess.Process
    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def do(self, what: str, **more: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        await self.process.stdin.drain()

    async def until(self, seconds: float = SECONDS, **wanted: Any) -> dict[str, Any]:
        """Wait for an event that has these values, which may already have come."""

        def found() -> dict[str, Any] | None:
            return next((each for each in self.events if wanted.items() <= each.items()), None)

        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(found)
        except TimeoutError:
            raise AssertionError(f"never {wanted}; there were {self.events}") from None
        event = found()
        assert event is not None
        return event

    async def call(self, uri: str) -> None:
        """Call somebody, and wait until they answer."""
        await self.do("call", uri=uri)
        await self.until(event="state", state="CONFIRMED")
        await self.until(event="media", status=1)

    async def say(self, pcm: bytes, rate: int = 16_000, *, call: int | None = None) -> Path:
        """Say something, in the latest call or in that one; returns the file that is played."""
        file = self.folder / f"said-{len(list(self.folder.glob('said-*')))}.wav"
        recordings.write(file, pcm, rate)
        await self.do("play", file=str(file), **({} if call is None else {"call": call}))
        return file

    def heard(self, call: int = 0) -> np.ndarray:
        """What was heard so far, 16 kHz, float32."""
        file = self.folder / f"{call}.wav"
        # PJSIP writes the lengths into its header at the end.
        sound = file.read_bytes()[44:] if file.exists() else b""
        return np.frombuffer(sound[: len(sound) // 2 * 2], "<i2").astype(np.float32) / 32768

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            with contextlib.suppress(ValueError):  # PJSIP's own first words
                event = json.loads(line)
                async with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()


def _new_folder(folder: Path) -> Path:
    made = folder / f"phone-{len(list(folder.glob('phone-*')))}"
    made.mkdir()
    return made


@asynccontextmanager
async def softphone(folder: Path, **options: Any) -> AsyncIterator[Softphone]:
    needs("pjsua2")
    folder = _new_folder(folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("softphone.py")), json.dumps(options), str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 20,
    )
    phone = Softphone(process, folder)
    reading = asyncio.create_task(phone.read())
    try:
        await phone.until(event="ready")
        yield phone
    finally:
        with contextlib.suppress(ConnectionError):
            await phone.do("quit")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        reading.cancel()
        await asyncio.wait({reading})


_REGISTRAR = """
#!KAMAILIO
debug=1
log_stderror=yes
children=1
listen=udp:127.0.0.1:{port}
mpath="{modules}"
{transport}
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 60)
request_route {{
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("house", "{password}", "0")) {{
            www_challenge("house", "0");
            exit;
        }}
        save("location");
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        t_relay();
        exit;
    }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (is_method("INVITE")) {{
        if ($fU == "{user}" && !pv_proxy_authenticate("house", "{password}", "0")) {{
            proxy_challenge("house", "0");
            exit;
        }}
        record_route();
    }}
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
    t_relay();
}}
"""


_UDP = "fork=no\ndisable_tcp=yes"
_TCP = "tcp_children=1\nlisten=tcp:127.0.0.1:{port}"
_TLS = """\
tcp_children=1
enable_tls=yes
listen=tls:127.0.0.1:{port}
loadmodule "tls.so"
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{certificate}")
modparam("tls", "tls_method", "TLSv1.2+")
"""


def _modules() -> Path:
    return next(Path("/usr/lib").glob("*/kamailio/modules"))


@asynccontextmanager
async def registrar(
    folder: Path,
    *,
    user: str = "620",
    password: str = "right",
    port: int | None = None,
    transport: str = "udp",
    certificate: Path | None = None,
) -> AsyncIterator[int]:
    """A kamailio that wants to know who registers, and who of the house calls; yields its port.

    Args:
        transport: what it takes beside UDP: `tcp` or `tls`.
        certificate: a PEM file with certificate and key, for TLS.
    """
    needs("kamailio", *(("kamailio-tls",) if transport == "tls" else ()))
    port = port or free_port()
    config = folder / "kamailio.cfg"
    way = {"udp": _UDP, "tcp": _TCP, "tls": _TLS}[transport].format(port=port, certificate=certificate)
    written = _REGISTRAR.format(port=port, modules=_modules(), password=password, user=user, transport=way)
    config.write_text(written.lstrip())
    with (folder / "kamailio.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(_KAMAILIO), "-f", str(config), "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(folder)),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        await _answers(port, process, folder / "kamailio.log")
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await process.wait()
        if process.returncode is None:
            # Its children would go on without it.
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _answers(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until something answers SIP there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        probe.setblocking(False)
        here = probe.getsockname()[1]
        ask = (
            f"OPTIONS sip:nobody@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bKprobe\r\n"
            f"From: <sip:probe@127.0.0.1>;tag=1\r\nTo: <sip:nobody@127.0.0.1>\r\nCall-ID: probe-{port}\r\n"
            "CSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        async with asyncio.timeout(SECONDS):
            while True:
                assert process.returncode is None, f"kamailio did not start, see {log}"
                await asyncio.get_running_loop().sock_sendto(probe, ask, ("127.0.0.1", port))
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(0.3):
                        await asyncio.get_running_loop().sock_recv(probe, 2048)
                        return


_BARESIP = """
poll_method epoll
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
audio_source aufile,{sound}
audio_player aufile,{folder}/played.wav
audio_alert aufile,{folder}/alert.wav
snd_path {folder}
module_path {modules}
module opus.so
module g722.so
module g711.so
module srtp.so
module dtls_srtp.so
module aufile.so
module sndfile.so
module_tmp uuid.so
module_app account.so
module_app menu.so
opus_stereo no
opus_sprop_stereo no
"""


@asynccontextmanager
async def baresip(folder: Path, uri: str, sound: Path, *, codec: str, encryption: str | None) -> AsyncIterator[Path]:
    """Have Debian's baresip call somebody and play a sound; yields where it writes down what it heard."""
    needs("baresip")
    folder = folder / "baresip"
    folder.mkdir()
    config = _BARESIP.format(port=free_port(), sound=sound, folder=folder, modules="/usr/lib/baresip/modules")
    (folder / "config").write_text(config)
    media = f";mediaenc={encryption}" if encryption else ""
    (folder / "accounts").write_text(f"<sip:100@127.0.0.1>;regint=0;audio_codecs={codec}{media}\n")
    (folder / "contacts").write_text("\n")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(folder), "-e", f"/dial {uri}"),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield folder
    finally:
        if process.returncode is None:
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def eventually(happens: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not happens():
            await asyncio.sleep(0.02)


async def sipp(*arguments: str, seconds: float = SECONDS) -> tuple[int, str]:
    """Run sipp; returns its exit code, which is 0 where all calls went well, and what it wrote."""
    needs("sipp")
    process = await asyncio.create_subprocess_exec(
        *("sipp", "-i", "127.0.0.1", "-nostdin", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"TERM": "dumb"},
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")
