"""A local certificate authority, for clients that only speak https."""

import ipaddress
import os
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Identity", "default_directory", "make_identity"]

_ALWAYS = ("localhost", "127.0.0.1", "::1")
_AUTHORITY_DAYS = 3650
# Some clients refuse server certificates that are good for longer than about this.
_SERVER_DAYS = 397
_RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of a TLS server. Clients have to trust `authority`."""

    authority: Path
    certificate: Path
    key: Path


def default_directory() -> Path:
    """Where the authority is kept between starts: the user's cache directory."""
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "tallyhook" / "tls"


def make_identity(directory: Path, hostnames: Collection[str] = ()) -> Identity:
    """A certificate for this machine's loopback names and for `hostnames`, and the authority that signed it.

    The files in the directory are reused unless they are about to expire, lack a name or don't fit together.
    ValueError for a name that no certificate can hold, OSError if the directory can't be written.
    """
    names = [_name(name) for name in dict.fromkeys((*_ALWAYS, *hostnames))]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = Identity(directory / "ca.pem", directory / "server.pem", directory / "server-key.pem")
    authority_key = directory / "ca-key.pem"

    authority = _load(identity.authority, authority_key)
    if authority is None:
        authority = _new_authority()
        _store(authority, identity.authority, authority_key)
    server = _load(identity.certificate, identity.key)
    if server is None or not _is_signed(server[0], authority[0]) or not _covers(server[0], names):
        _store(_new_server(authority, names), identity.certificate, identity.key)
    return identity


_Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _load(certificate_file: Path, key_file: Path) -> _Pair | None:
    """The files of an earlier start, if they are complete and valid for a while yet."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    if certificate.not_valid_after_utc - _RENEW_BEFORE < datetime.now(UTC):
        return None
    return certificate, key


def _store(pair: _Pair, certificate_file: Path, key_file: Path) -> None:
    certificate, key = pair
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key_file, private, 0o600)
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write a file in one step, never readable by more users than `mode` allows."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as target:
        target.write(content)
    new.replace(file)


def _is_signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # each kind of mismatch has its own class, and all mean the same here
        return False
    return True


def _covers(certificate: x509.Certificate, names: Iterable[x509.GeneralName]) -> bool:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(names) <= set(extension.value)


def _new_authority() -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject("Tallyhook local authority")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _new_server(authority: _Pair, names: Iterable[x509.GeneralName]) -> _Pair:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    certificate = (
        _builder(_subject("Tallyhook mock"), issuer.subject, key, _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(issued_by, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of containers and machines differ
        .not_valid_after(now + timedelta(days=days))
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(hostname: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(hostname))
    except ValueError:
        return x509.DNSName(hostname.lower())
