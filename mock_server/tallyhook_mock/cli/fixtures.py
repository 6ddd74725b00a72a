"""The pytest fixtures: the mock, and SDK clients that are connected to it.

pytest loads this module in every run if `tallyhook[mock]` is installed. So it imports only pytest until a
test uses a fixture, and all names begin with `cheddar`.
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
    """The mock's catalogue: a mapping, a file, or None for the small default one."""
    return None


@pytest.fixture
def cheddar_start() -> str | datetime:
    """The time of the mock's clock at the start of a test."""
    return "2026-01-01T00:00:00Z"


@pytest.fixture
def cheddar_strict() -> bool:
    """Whether to refuse calls with parameters that Cheddar doesn't know. If not, they are ignored."""
    return True


@pytest.fixture
def cheddar_quiet() -> bool:
    """Whether to keep listeners' errors out of the log, for tests that cause such errors on purpose."""
    return False


# -- Cheddar


@pytest.fixture
def cheddar(_cheddar_world: World) -> Cheddar:
    """A mock of Cheddar in this process, new for each test. Its clock moves only when the test moves it."""
    from tallyhook_mock.testing import Cheddar

    return Cheddar(_cheddar_world)


@pytest.fixture
def cheddar_server(_cheddar_session: Session, _cheddar_world: World) -> Iterator[CheddarServer]:
    """The mock of the fixture `cheddar`, served over HTTP on 127.0.0.1."""
    yield from _served(_cheddar_session, _cheddar_world, tls=False)


@pytest.fixture
def cheddar_server_tls(_cheddar_session: Session, _cheddar_world: World) -> Iterator[CheddarServer]:
    """The mock of the fixture `cheddar`, served over TLS on 127.0.0.1.

    Clients must trust the file `authority`.
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
    """A `tallyhook.Client` that is connected to `cheddar` without a socket."""
    from tallyhook import Client

    transport = cheddar.transport()
    with Client(cheddar.product, cheddar.user, cheddar.password, transport=transport, backoff=0) as client:
        yield client


@pytest.fixture
def cheddar_async_client(cheddar: Cheddar) -> AsyncClient:
    """A `tallyhook.AsyncClient` that is connected to `cheddar` without a socket."""
    from tallyhook import AsyncClient

    # It needs no closing: its transport has no connections.
    transport = cheddar.async_transport()
    return AsyncClient(cheddar.product, cheddar.user, cheddar.password, transport=transport, backoff=0)


@pytest.fixture
def cheddar_receiver_client(_cheddar_world: World) -> ReceiverClient:
    """Posts hooks made by `cheddar.hook` to the listener registered with `cheddar.listener`."""
    from tallyhook_mock.testing import ReceiverClient

    return ReceiverClient(_cheddar_world)


@pytest.fixture
def cheddar_routes(cheddar: Cheddar) -> Iterator[respx.MockRouter]:
    """Lets `cheddar` answer requests to Cheddar's real address, for code that creates its own client.

    A respx router with a route for each call, such as `cheddar_routes["customers/add-charge"]`.
    """
    from tallyhook.cheddar.client import BASE_URL

    with _needing("respx"):
        from tallyhook_mock.testing.transport import routes

    with routes(BASE_URL, cheddar.transport()) as router:
        yield router


@contextmanager
def _needing(requirement: str) -> Iterator[None]:
    """Fail the test with a message that says what to install if an import fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("tallyhook"):
            raise
        pytest.fail(f"{missing} is missing; pip install '{requirement}'", pytrace=False)
