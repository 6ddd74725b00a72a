"""Certificates from a local certificate authority, for clients that only speak https."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platformdirs
import trustme

_ALWAYS = ("localhost", "127.0.0.1", "::1")
# Some clients refuse server certificates that are valid for longer.
_SERVER_DAYS = timedelta(days=397)


@dataclass(frozen=True, slots=True)
class Identity:
    """The files with the authority's certificate, which clients have to trust, and the server's certificate.

    The server's file also contains its private key.
    """

    authority: Path
    certificate: Path


def default_directory() -> Path:
    """Return the directory that keeps the authority between runs, in the user's cache directory."""
    return platformdirs.user_cache_path("tallyhook", appauthor=False) / "tls"


def make_identity(directory: Path, hostnames: Collection[str] = ()) -> Identity:
    """Make a server certificate for this machine's loopback names and for `hostnames`.

    `directory` keeps the certificate authority for the next time, so that clients need to trust it only once.

    Raises ValueError for a name that can't be put into a certificate, and OSError if the directory isn't
    writable.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _authority(directory / "ca-key.pem")
    identity = Identity(directory / "ca.pem", directory / "server.pem")
    now = datetime.now(UTC)
    server = authority.issue_cert(
        *dict.fromkeys((*_ALWAYS, *hostnames)),
        organization_name="Tallyhook",
        not_before=now - timedelta(days=1),  # the clocks of containers and hosts differ
        not_after=now + _SERVER_DAYS,
    )
    _write(identity.authority, authority.cert_pem.bytes(), 0o644)
    _write(identity.certificate, server.private_key_and_cert_chain_pem.bytes(), 0o600)
    return identity


def _authority(file: Path) -> trustme.CA:
    """Return the authority stored in this file, or a new one if the file is missing or broken."""
    try:
        kept = file.read_bytes()
        return trustme.CA.from_pem(kept, kept)
    except (FileNotFoundError, ValueError):
        made = trustme.CA(
            path_length=0, organization_name="Tallyhook", organization_unit_name="Local authority"
        )
        _write(file, made.private_key_pem.bytes() + made.cert_pem.bytes(), 0o600)
        return made


def _write(file: Path, content: bytes, mode: int) -> None:
    """Replace the file atomically. The new file has the permissions `mode` from the start."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as target:
        target.write(content)
    new.replace(file)
