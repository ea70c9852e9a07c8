"""The house's certificate, judged by OpenSSL over a real connection."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from pipeline.settings.satellites import Https as Settings
from satellites.https import CertificateUnusable, Https
from satellites.pairing.certificate import (
    AUTHORITY_DAYS,
    DAYS,
    RENEW_DAYS,
    Certificate,
    fingerprint,
    house_certificate,
    own_addresses,
    own_names,
)

NAMES = ["localhost", "box", "box.local", "127.0.0.1", "192.168.1.5"]


async def shaken(made: Certificate, name: str, authority: Path) -> str:
    """Shake hands by this name with a server that shows `made`, trusting only `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    trusting = ssl.create_default_context(cafile=authority)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=trusting, server_hostname=name)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
    return version


@pytest.mark.parametrize("name", NAMES)
async def test_who_trusts_the_house_reaches_it_by_every_name(tmp_path: Path, name: str) -> None:
    made = house_certificate(tmp_path, NAMES)
    assert made.authority is not None
    assert await shaken(made, name, made.authority) == "TLSv1.3"


async def test_another_name_is_not_vouched_for(tmp_path: Path) -> None:
    made = house_certificate(tmp_path, NAMES)
    assert made.authority is not None
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await shaken(made, "bank.example", made.authority)


async def test_a_stolen_authority_cannot_vouch_for_the_world(tmp_path: Path) -> None:
    trusted = house_certificate(tmp_path / "house", NAMES).authority
    assert trusted is not None
    (tmp_path / "thief").mkdir()
    for name in ("authority.pem", "authority.key"):
        (tmp_path / "thief" / name).write_bytes((tmp_path / "house" / name).read_bytes())
    from satellites.pairing import certificate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificate, "_covered", lambda *_: True)
        forged = house_certificate(tmp_path / "thief", ["bank.example"])
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        await shaken(forged, "bank.example", trusted)


def test_files_are_kept_and_their_keys_are_private(tmp_path: Path) -> None:
    made = house_certificate(tmp_path, NAMES)
    before = made.chain.read_bytes()
    assert house_certificate(tmp_path, NAMES[:2]) == made
    assert made.chain.read_bytes() == before
    for key in (made.key, tmp_path / "authority.key"):
        assert key.stat().st_mode & 0o077 == 0


def test_another_address_needs_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    made = house_certificate(tmp_path, NAMES)
    assert made.authority is not None
    before, trusted = made.chain.read_bytes(), fingerprint(made.authority)
    house_certificate(tmp_path, [*NAMES, "192.168.1.77"])
    assert made.chain.read_bytes() != before
    assert fingerprint(made.authority) == trusted


def test_a_certificate_is_made_anew_before_it_ends(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    made = house_certificate(tmp_path, NAMES, now=now)
    before = made.chain.read_bytes()
    house_certificate(tmp_path, NAMES, now=now + timedelta(days=DAYS - RENEW_DAYS - 2))
    assert made.chain.read_bytes() == before
    later = now + timedelta(days=DAYS - RENEW_DAYS)
    house_certificate(tmp_path, NAMES, now=later)
    assert x509.load_pem_x509_certificate(made.chain.read_bytes()).not_valid_after_utc > later + timedelta(days=300)


def test_an_authority_is_made_anew_before_it_ends(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    made = house_certificate(tmp_path, NAMES, now=now)
    assert made.authority is not None
    trusted = fingerprint(made.authority)
    house_certificate(tmp_path, NAMES, now=now + timedelta(days=AUTHORITY_DAYS - DAYS + 1))
    assert fingerprint(made.authority) != trusted


@pytest.mark.parametrize("file", ["server.pem", "server.key", "authority.pem", "authority.key"])
@pytest.mark.parametrize(
    "content", [b"", b"nothing of use", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_damaged_files_are_made_anew(tmp_path: Path, file: str, content: bytes) -> None:
    house_certificate(tmp_path, NAMES)
    (tmp_path / file).write_bytes(content)
    made = house_certificate(tmp_path, NAMES)
    assert made.authority is not None
    assert await shaken(made, "box.local", made.authority)


def test_this_machine_is_called_by_its_addresses() -> None:
    assert {"localhost", "127.0.0.1", *own_addresses()} <= set(own_names(["nas.lan"]))
    assert own_names(["nas.lan"])[-1] == "nas.lan"


def test_a_certificate_of_ones_own_is_shown(tmp_path: Path) -> None:
    own = house_certificate(tmp_path / "own", NAMES)
    https = Https(Settings(certificate=own.chain, key=own.key), tmp_path / "unused")
    assert https.certificate == Certificate(own.chain, own.key, None)
    assert not (tmp_path / "unused").exists()


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    own, other = house_certificate(tmp_path / "own", NAMES), house_certificate(tmp_path / "other", NAMES)
    for certificate, key in ((own.chain, other.key), (tmp_path / "none", own.key), (own.key, own.key)):
        with pytest.raises(CertificateUnusable, match=r"check https\.certificate and https\.key"):
            Https(Settings(certificate=certificate, key=key), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateUnusable, match="no certificate can be made"):
        Https(Settings(), tmp_path / "file" / "below")


def test_a_certificate_without_its_key_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        Settings(certificate=tmp_path / "a.pem")
