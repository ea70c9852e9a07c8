"""The same application over https, for the other devices of the house, with a certificate that is kept fresh."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from loguru import logger

from pipeline.settings.satellites import Https as Settings
from satellites.pairing.certificate import Certificate, house_certificate, own_addresses, own_names

LOOK_AGAIN: Final = 3600.0
"""Seconds between two looks at the certificate: the machine may get another address, and certificates end."""


class CertificateUnusable(Exception):  # noqa: N818 - reads as what is wrong
    """There is no certificate to show; the message says what to do."""


class Https:
    """A certificate, and the server that shows it.

    Args:
        settings: whose certificate, and by which names the machine is called.
        folder: where the house's own is kept.

    Raises:
        CertificateUnusable: there is none, and none can be made.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.certificate = self.load()

    def load(self) -> Certificate:
        """Take the certificate from disk, made anew where it has to be; connections show it from now on."""
        certificate, key = self._settings.certificate, self._settings.key
        try:
            if certificate is not None and key is not None:
                found = Certificate(certificate, key)
            else:
                found = house_certificate(self._folder, own_names(self._settings.names))
            self._context.load_cert_chain(found.chain, found.key, password=_no_passphrase)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CertificateUnusable(
                f"the certificate for https cannot be used: {reason}: check https.certificate and https.key"
                if certificate
                else f"no certificate can be made in {self._folder}: {reason}"
            ) from error
        return found

    def context(self, *_: Any) -> ssl.SSLContext:
        """What connections are encrypted with, as uvicorn asks for it."""
        return self._context

    def addresses(self, port: int) -> list[str]:
        """Where other devices reach this machine, the likeliest first."""
        both = ":" in self._settings.host
        own = [address for address in own_addresses() if both or ":" not in address]
        named = dict.fromkeys([*self._settings.names, *own, *(name for name in own_names() if name.endswith(".local"))])
        return [f"https://{f'[{name}]' if ':' in name else name}:{port}" for name in named]

    @asynccontextmanager
    async def serving(self, config: uvicorn.Config, sockets: Sequence[Any]) -> AsyncIterator[None]:
        """Serve on these listening sockets until the context ends."""
        server = _Server(config)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=list(sockets)), name="https")
            renewing = group.create_task(self._renew(), name="certificate")
            try:
                yield
            finally:
                renewing.cancel()
                server.should_exit = True

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            try:
                self.certificate = await asyncio.to_thread(self.load)
            except CertificateUnusable as error:
                logger.error("The old certificate stays in use: {}", error)


class _Server(uvicorn.Server):
    """One whose signals somebody else attends to."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _no_passphrase() -> str:
    raise ValueError("its key has a passphrase, which nobody would be there to type")
