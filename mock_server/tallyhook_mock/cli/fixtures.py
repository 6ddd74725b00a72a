"""The pytest fixtures: the mock, and SDK clients that are connected to it.

If `tallyhook[mock]` is installed, pytest loads this module in every run. So this module imports only pytest
until a test uses a fixture, and the names of all fixtures begin with `cheddar`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import respx

    from tallyhook import AsyncClient, Client
    from tallyhook_mock.testing import Cheddar, CheddarServer, ReceiverClient, Session, World


# -- settings, for tests to override


@pytest.fixture
def cheddar_catalog() -> Mapping[str, object] | Path | str | None:
    """Return the mock's catalogue: a mapping, a file, or None for the small default catalogue."""
    return None


@pytest.fixture
def cheddar_start() -> str | datetime:
    """Return the time of the mock's clock at the start of each test."""
    return "2026-01-01T00:00:00Z"


@pytest.fixture
def cheddar_strict() -> bool:
    """Return whether the mock refuses calls with parameters that Cheddar doesn't know.

    Otherwise, the mock ignores these parameters.
    """
    return True


@pytest.fixture
def cheddar_quiet() -> bool:
    """Return whether to keep listeners' errors out of the log, for tests that cause errors on purpose."""
    return False


# -- Cheddar


@pytest.fixture
def cheddar(_cheddar_world: World) -> Cheddar:
    """Return a new mock of Cheddar for each test. It runs in the test's process.

    The mock's clock moves only when the test moves it.
    """
    from tallyhook_mock.testing import Cheddar

    return Cheddar(_cheddar_world)


@pytest.fixture
def cheddar_server(_cheddar_session: Session, _cheddar_world: World) -> Iterator[CheddarServer]:
    """Serve the mock of the fixture `cheddar` over HTTP on 127.0.0.1."""
    yield from _served(_cheddar_session, _cheddar_world, tls=False)


@pytest.fixture
def cheddar_server_tls(_cheddar_session: Session, _cheddar_world: World) -> Iterator[CheddarServer]:
    """Serve the mock of the fixture `cheddar` over TLS on 127.0.0.1.

    Clients must trust the certificate authority in the file `cheddar_server_tls.authority`.
    """
    yield from _served(_cheddar_session, _cheddar_world, tls=True)


def _served(session: Session, world: World, *, tls: bool) -> Iterator[CheddarServer]:
    from tallyhook_mock.testing import CheddarServer

    address = session.address(tls=tls)
    with address.serving(world.app):
        yield CheddarServer(world, address)


@pytest.fixture(scope="session")
def _cheddar_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with _needing("tallyhook[mock]"):
        from tallyhook_mock.testing import Session

    session = Session(lambda: tmp_path_factory.mktemp("cheddar-tls"))
    yield session
    session.close()


@pytest.fixture
def _cheddar_world(
    _cheddar_session: Session,
    cheddar_catalog: Mapping[str, object] | Path | str | None,
    cheddar_start: str | datetime,
    cheddar_strict: bool,
    cheddar_quiet: bool,
) -> Iterator[World]:
    from tallyhook_mock.testing import World

    world = World(
        _cheddar_session, cheddar_catalog, cheddar_start, strict=cheddar_strict, quiet=cheddar_quiet
    )
    yield world
    world.close()


# -- clients


@pytest.fixture
def cheddar_client(cheddar: Cheddar) -> Iterator[Client]:
    """Return a `tallyhook.Client` that calls the mock `cheddar` without a socket."""
    from tallyhook import Client

    transport = cheddar.transport()
    with Client(cheddar.product, cheddar.user, cheddar.password, transport=transport, backoff=0) as client:
        yield client


@pytest.fixture
def cheddar_async_client(cheddar: Cheddar) -> AsyncClient:
    """Return a `tallyhook.AsyncClient` that calls the mock `cheddar` without a socket."""
    from tallyhook import AsyncClient

    # The client needs no closing, because its transport has no connections.
    transport = cheddar.async_transport()
    return AsyncClient(cheddar.product, cheddar.user, cheddar.password, transport=transport, backoff=0)


@pytest.fixture
def cheddar_receiver_client(_cheddar_world: World) -> ReceiverClient:
    """Return a client that posts hooks to the listener registered with `cheddar.listener`.

    `cheddar.hook` makes the hooks.
    """
    from tallyhook_mock.testing import ReceiverClient

    return ReceiverClient(_cheddar_world)


@pytest.fixture
def cheddar_routes(cheddar: Cheddar) -> Iterator[respx.MockRouter]:
    """Let the mock answer calls to Cheddar's real URL, for code that creates its own client.

    Returns a respx router with a route for each call, such as `cheddar_routes["customers/add-charge"]`.
    """
    from tallyhook.cheddar.client import BASE_URL

    with _needing("respx"):
        from tallyhook_mock.testing.transport import routes

    with routes(BASE_URL, cheddar.transport()) as router:
        yield router


@contextmanager
def _needing(requirement: str) -> Iterator[None]:
    """If an import in this context fails, fail the test with a message that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("tallyhook"):
            raise
        pytest.fail(f"{missing} is missing; pip install '{requirement}'", pytrace=False)
