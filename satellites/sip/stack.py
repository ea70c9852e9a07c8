"""Baresip, set up: the configuration that calls of a voice assistant need, and the user agents that take them.

`baresip-python` has one stack a process, which cannot be started again, so only the telephone process imports this.
"""

import asyncio
import ipaddress
import itertools
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Final, Literal

import certifi
from baresip import Account, Config, Runtime, UserAgent

from satellites.sip.wire import AccountSetup, Setup

RTP_TIMEOUT: Final = 60
"""Seconds without any sound from the other side after which a call is over: it has lost its network or its power.
Phones that send nothing while nobody speaks send a sign of life more often."""
CODECS: Final = ("opus/48000/1", "g722/16000/1", "pcma", "pcmu")
"""The best first."""
_TRANSPORTS: Final[tuple[Literal["udp", "tcp", "tls"], ...]] = ("udp", "tcp", "tls")
_ENCRYPTION: Final = {"off": None, "sdes": "srtp", "sdes-required": "srtp-mand", "dtls": "dtls_srtp"}
# A re-INVITE for video would follow every call, and confuse simple phones. The jitter buffer's own settings cost 90 ms,
# and it adapts only where it is told to: without, nearly half of what comes up to 100 ms late is lost. A contact that
# nobody can guess lets in only whoever the registrar sends. The stack's own way to look up names knows no pbx.local.
_SETTINGS: Final = """\
sip_cuser_random yes
audio_jitter_buffer_type adaptive
audio_jitter_buffer_ms 40-200
audio_buffer 20-60
opus_stereo no
opus_sprop_stereo no
opus_inbandfec yes
opus_bitrate 32000
call_local_timeout 120
dns_getaddrinfo yes
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A user agent that takes calls."""

    agent: UserAgent
    account: AccountSetup | None
    """None for calls without a registrar between."""


def configuration(setup: Setup) -> Config:
    """Return the stack's configuration."""
    listen = f"[{setup.listen}]" if ":" in setup.listen else setup.listen
    lines = [f"sip_listen {listen}:{setup.port}", "rtp_ports {}-{}".format(*setup.rtp_ports), _SETTINGS]
    if setup.certificate is not None:
        lines.append(f"sip_certificate {setup.certificate}")
    lines += [f"sip_cafile {authorities_of(setup)}", f"sip_verify_server {'yes' if setup.verify else 'no'}"]
    return Config(
        max_concurrent_calls=setup.max_calls,
        instance_id=setup.instance,
        rtp_timeout=RTP_TIMEOUT,
        sip_trace=True,
        extra_config_text="\n".join(lines),
    )


def authorities_of(setup: Setup) -> str:
    """Return the file of those who may vouch for servers."""
    return setup.authorities or ssl.get_default_verify_paths().cafile or certifi.where()


async def open_lines(runtime: Runtime, setup: Setup) -> list[Line]:
    """Make the user agents. Raises `baresip.BaresipError`, `ValueError`."""
    lines = [Line(await _agent(runtime, _registered(each)), each) for each in setup.accounts]
    if setup.direct:
        # The stack matches direct calls by the way they came, and by the kind of address.
        transports = _TRANSPORTS if setup.certificate is not None else _TRANSPORTS[:2]
        for transport, domain in itertools.product(transports, _domains(setup.listen)):
            account = Account(
                user=setup.user,
                domain=domain,
                password="",
                reg_interval=0,
                transport=transport,
                audio_codecs=CODECS,
                dtmf_mode="auto",
                extra_params=_media(setup.encryption),
            )
            lines.append(Line(await _agent(runtime, account), None))
    return lines


def _domains(listen: str) -> tuple[str, ...]:
    address = ipaddress.ip_address(listen)
    if address.is_unspecified:
        return "0.0.0.0", "[::]"  # noqa: S104 - who may call is decided by whoever takes the call
    return (f"[{address}]" if address.version == 6 else str(address),)


async def _agent(runtime: Runtime, account: Account) -> UserAgent:
    # Whoever asks for a transfer would have the house call whom they like.
    return await UserAgent.create(runtime, account, transfer_policy="reject")


def _registered(setup: AccountSetup) -> Account:
    return Account(
        user=setup.user,
        domain=setup.server,
        password=setup.password,
        registrar=None if setup.proxy is None else f"{setup.proxy};transport={setup.transport}",
        reg_interval=setup.expires if setup.registers else 0,
        transport=setup.transport,
        audio_codecs=CODECS,
        dtmf_mode="auto",
        auth_user=setup.auth_user,
        extra_params=_media(setup.encryption),
    )


def _media(encryption: str) -> tuple[str, ...]:
    chosen = _ENCRYPTION[encryption]
    return ("video_codecs=none", *(() if chosen is None else (f"mediaenc={chosen}",)))


async def addresses_of(account: AccountSetup) -> frozenset[str]:
    """Look up where an account's servers are; nothing where they have no address now."""
    found: set[str] = set()
    for server in filter(None, (account.server, account.proxy)):
        host, _ = place_of(server)
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except OSError:
            continue
        found.update(str(info[4][0]) for info in infos)
    return frozenset(found)


def place_of(server: str) -> tuple[str, int | None]:
    """Return host and port of a server as settings name it; None where they name no port."""
    host, _, port = server.rpartition(":") if re.search(r"[^:]:\d+$", server) else (server, "", "")
    return (host or server).strip("[]"), int(port) if port else None
