"""The house's own certificate: browsers give a page the microphone only over https.

An authority of the house is made once and signs what the server shows, which is made anew when it is about to end or
the machine has other addresses. Who installs the authority on a phone is warned no more. It can vouch for nothing
but private addresses and local names (RFC 5280, section 4.2.1.10), so that its key is worth little to a thief.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import ifaddr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.private_file import write_private

AUTHORITY_DAYS: Final = 3650
DAYS: Final = 397
"""Apple's devices take 825 at most, and 398 of authorities that they know."""
RENEW_DAYS: Final = 30
EARLIER: Final = timedelta(days=1)
"""Certificates hold from so long ago, for devices whose clocks are behind."""
_PUBLIC: Final = 0o644
_FAR_AWAY: Final = "192.0.2.1"
"""An address of no machine (RFC 5737)."""
_NETWORKS: Final = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
    *("fc00::/7", "fe80::/10", "::1/128"),
)
_DOMAINS: Final = ("local", "lan", "home", "internal", "home.arpa", "localdomain", "localhost", "fritz.box")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server shows, as files in PEM."""

    chain: Path
    key: Path
    authority: Path | None = None
    """What a device installs to trust it; None where the household brought a certificate of its own."""


def own_names(further: Sequence[str] = ()) -> list[str]:
    """Names and addresses by which devices of the house may call this machine."""
    host = socket.gethostname().split(".")[0].lower()
    return list(dict.fromkeys(["localhost", host, f"{host}.local", "127.0.0.1", *own_addresses(), *further]))


def own_addresses() -> list[str]:
    """Where devices of the house reach this machine: the address that it calls from first, and IPv6 last."""
    found = [each.ip for adapter in ifaddr.get_adapters() for each in adapter.ips]
    plain = [ipaddress.ip_address(each if isinstance(each, str) else each[0]) for each in found]
    inside = [each for each in plain if not (each.is_global or each.is_loopback or each.is_link_local)]
    first = _calls_from()
    return [str(each) for each in sorted(inside, key=lambda each: (str(each) != first, each.version))]


def house_certificate(folder: Path, names: Sequence[str], *, now: datetime | None = None) -> Certificate:
    """The certificate for these names, made where there is none that will do.

    Raises:
        OSError: `folder` cannot be written.
    """
    now = now or datetime.now(UTC)
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority, key = _authority(folder, names, now)
    if not _will_do(made, authority, names, now):
        own = ec.generate_private_key(ec.SECP256R1())
        chain = _signed(own.public_key(), names, authority, key, now)
        write_private(made.key, _pem(own))
        write_private(made.chain, _bytes(chain) + _bytes(authority), mode=_PUBLIC)
    return made


def fingerprint(certificate: Path) -> str:
    """The SHA-256 of a certificate as browsers show it."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def _authority(
    folder: Path, names: Sequence[str], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    file, key_file = folder / "authority.pem", folder / "authority.key"
    try:
        known = x509.load_pem_x509_certificate(file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if (
            isinstance(key, ec.EllipticCurvePrivateKey)
            and known.public_key() == key.public_key()
            and known.not_valid_after_utc > now + timedelta(days=DAYS)
            and all(_covered(name, known) for name in names)
        ):
            return known, key
    except (OSError, ValueError):
        pass
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"PASSFEL of {socket.gethostname()}"[:64])])
    allowed = [*map(x509.IPAddress, _permitted(names)), *map(x509.DNSName, _permitted_names(names))]
    made = (
        _begun(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=allowed, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, _pem(key))
    write_private(file, _bytes(made), mode=_PUBLIC)
    return made, key


def _signed(
    public: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PASSFEL")])
    return (
        _begun(subject, authority.subject, public, now, DAYS)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now - EARLIER + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _will_do(made: Certificate, authority: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    try:
        shown = x509.load_pem_x509_certificate(made.chain.read_bytes())
        key = serialization.load_pem_private_key(made.key.read_bytes(), None)
        shown.verify_directly_issued_by(authority)
        alternatives = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - whatever is wrong with it, another one is made
        return False
    left = shown.not_valid_after_utc - now
    return (
        timedelta(days=RENEW_DAYS) < left <= timedelta(days=DAYS)
        and shown.public_key() == key.public_key()
        and {_general(name) for name in names} <= set(alternatives)
    )


def _covered(name: str, authority: x509.Certificate) -> bool:
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    if isinstance(general := _general(name), x509.IPAddress):
        own = ipaddress.ip_address(name)
        return any(
            own in ipaddress.ip_network(str(each.value)) for each in permitted if isinstance(each, x509.IPAddress)
        )
    domains = [each.value for each in permitted if isinstance(each, x509.DNSName)]
    return any(general.value == each or general.value.endswith(f".{each}") for each in domains)


def _permitted_names(names: Sequence[str]) -> list[str]:
    own = [general.value for name in names if isinstance(general := _general(name), x509.DNSName)]
    return list(dict.fromkeys([*_DOMAINS, *own]))


def _general(name: str) -> x509.IPAddress | x509.DNSName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _permitted(names: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    private = [ipaddress.ip_network(each) for each in _NETWORKS]
    own = [ipaddress.ip_network(str(each.value)) for each in map(_general, names) if isinstance(each, x509.IPAddress)]
    return [*private, *(each for each in own if not any(each.network_address in known for known in private))]


def _calls_from() -> str:
    """The address on the way out; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((_FAR_AWAY, 9))
        except OSError:
            return ""
        return str(asked.getsockname()[0])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
