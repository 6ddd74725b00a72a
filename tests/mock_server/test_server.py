"""Serving in a thread, and over TLS."""

import asyncio
import gc
import os
import socket
import ssl
import stat
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from starlette.types import Receive, Scope, Send

from tallyhook_mock import CatalogError, Mock, create_app, serve
from tallyhook_mock.server import bind, serving
from tallyhook_mock.tls import default_directory, make_identity

from .loopback import Api, catalog, listening
from .systems_world import CATALOG

ACCOUNTS = {"cleverbridge": "S1001", "fusebill": "1", "chargemonk": "mill"}


async def test_an_answer_does_not_wait_for_a_fuller_packet() -> None:
    delays: list[int] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        delays.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listening = bind("127.0.0.1", 0)
    async with await asyncio.start_server(accept, sock=listening):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert all(delays)
    assert delays


def test_servers_come_and_go_and_leave_nothing(tmp_path: Path) -> None:
    threads = threading.active_count()
    for _ in range(3):
        with serve(catalog()) as server:
            assert httpx.get(f"{server.url}/_mock/clock").status_code == 200
    assert threading.active_count() == threads
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    with pytest.raises(RuntimeError, match="is not running"):
        server.advance("1d")


def test_a_process_that_has_other_work_keeps_its_garbage_collector() -> None:
    before = gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()
    with serve() as server:
        server.advance("1d")
        assert (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()) == before


def test_several_servers_know_nothing_of_each_other() -> None:
    with serve(catalog()) as one, serve(catalog(), start="2027-01-01T00:00:00Z") as other:
        Api(one).subscribe("ida")
        Api(other).call("customers/get", 404, code="ida")
        assert (one.now.year, other.now.year) == (2026, 2027)


def test_stopping_does_not_wait_for_a_listener() -> None:
    entered, release = threading.Event(), threading.Event()

    def answer(_: object) -> int:
        entered.set()
        release.wait(60)
        return 200

    with listening(answer) as listener:
        with serve(catalog()) as server:
            server.listen(listener.url)
            Api(server).subscribe("ida")
            assert entered.wait(60)
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 30  # the listener answers after 60
        release.set()


def test_the_handle_shows_what_is_there() -> None:
    with serve(catalog()) as server, listening() as listener:
        server.listen(listener.url, ("newSubscription",))
        Api(server).subscribe("ida")
        server.settle()
        assert [hook.type for hook in server.hooks(customer="ida")] == ["newSubscription"]
        assert server.hooks("transaction") == []
        assert server.customer("ida").subscription.plan.code == "GLOW"
        assert "hookDelivered" in [entry.kind for entry in server.timeline("ida")]
        server.decline("ida", 2)
        server.advance("1mo")
        assert server.customer("ida").declines == 1
        server.advance_to("2026-03-01T00:00:00Z")
        assert server.now == datetime(2026, 3, 1, tzinfo=UTC)
        server.reset()
        assert server.hooks() == []
        with pytest.raises(ValueError, match="signup: not one of newSubscription, "):
            server.listen(listener.url, ("signup",))
        with pytest.raises(LookupError, match="one of LANTERN is required"):
            server.timeline("ida", "TORCH")


def test_lives_in_all_four_systems() -> None:
    with serve(catalog() | CATALOG, start="2026-03-17T00:00:00Z") as server:
        server.advance("1mo")
        lives = {system: server.timeline(account, system=system) for system, account in ACCOUNTS.items()}
        assert {system: life[-1].kind for system, life in lives.items()} == {
            "cleverbridge": "billed",
            "fusebill": "invoiced",
            "chargemonk": "cycleCharged",
        }
        assert all(account in (lives[system].svg or "") for system, account in ACCOUNTS.items())
        for system in (*ACCOUNTS, "cheddar"):
            nobody = server.timeline("nobody", system=system)
            assert (list(nobody), nobody.svg) == ([], None)
        with pytest.raises(
            ValueError, match="'paddle' is not one of cheddar, cleverbridge, fusebill, charge"
        ):
            server.timeline("ida", system="paddle")


def test_a_catalogue_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(
        '[[users]]\nemail = "a@b.example"\npassword = "x"\n[product]\ncode = "ONE"\nsecret = "s"\n'
    )
    with serve(file) as server:
        path = f"{server.xml}/customers/get/productCode/ONE"
        assert httpx.get(path, auth=("a@b.example", "x")).status_code == 404
    file.write_text("[[users")
    with pytest.raises(CatalogError), serve(file):
        pass


async def test_the_mock_is_an_application_like_any_other() -> None:
    mock = Mock(catalog(), start=datetime(2026, 1, 1, tzinfo=UTC))
    transport = httpx.ASGITransport(create_app(mock))
    async with mock.running(), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/_mock/clock")).json()["mode"] == "frozen"
        assert (await client.get("/xml/plans/get/productCode/LANTERN")).status_code == 401
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/nothing")).status_code in (401, 404)


def context(authority: Path | None) -> ssl.SSLContext:
    strict = ssl.create_default_context(cafile=authority)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # what newer Pythons do by themselves
    return strict


def test_tls_is_trusted_through_its_authority() -> None:
    with serve(catalog(), tls=True) as server:
        assert server.url.startswith("https://")
        port = server.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            answer = httpx.get(f"https://{host}:{port}/_mock/clock", verify=context(server.authority))
            assert answer.status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(server.url)


def names(file: Path) -> set[Any]:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*extension.get_values_for_type(x509.DNSName), *extension.get_values_for_type(x509.IPAddress)}


def test_an_authority_that_was_trusted_once_is_kept(tmp_path: Path) -> None:
    identity = make_identity(tmp_path, ("billing.test", "192.0.2.7"))
    expected = {"localhost", "billing.test", *map(ip_address, ("127.0.0.1", "::1", "192.0.2.7"))}
    assert names(identity.certificate) == expected
    trusted = identity.authority.read_bytes()
    for _ in range(2):
        assert make_identity(tmp_path, ("other.test",)) == identity
        assert "other.test" in names(identity.certificate)
        assert identity.authority.read_bytes() == trusted


def test_a_certificate_is_valid_for_no_longer_than_clients_accept(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(make_identity(tmp_path).certificate.read_bytes())
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=398)


@pytest.mark.parametrize("broken", ["ca.pem", "ca-key.pem", "server.pem"])
@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_broken_files_are_made_anew(tmp_path: Path, broken: str, content: bytes) -> None:
    make_identity(tmp_path)
    (tmp_path / broken).write_bytes(content)
    identity = make_identity(tmp_path)
    context(identity.authority).load_cert_chain(identity.certificate)
    certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(identity.authority.read_bytes()))


def test_a_name_that_no_certificate_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        make_identity(tmp_path, ("no_such name",))


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    make_identity(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("ca-key.pem", "server.pem"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is another directory")
def test_the_authority_is_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "tallyhook" / "tls"


def test_a_port_is_had_by_one_only() -> None:
    with bind("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", first.getsockname()[1])


async def test_an_application_that_does_not_start_is_an_error_and_no_end_of_the_loop() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="the server could not be started"):
        async with serving(broken):
            pass
