"""The pytest fixtures of the test kit, and clients of the SDK that lead into it.

They are offered in every test run where `tallyhook[mock]` is installed, so nothing but pytest is imported
before a fixture is asked for, and all of their names begin with `cheddar`.
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


# -- settings, to be overridden


@pytest.fixture
def cheddar_catalog() -> Mapping[str, object] | Path | str | None:
    """What the mock begins with: a mapping, a catalogue file, or None for the small default one."""
    return None


@pytest.fixture
def cheddar_start() -> str | datetime:
    """When its clock stands at the beginning of a test."""
    return "2026-01-01T00:00:00Z"


@pytest.fixture
def cheddar_strict() -> bool:
    """Whether a call with a parameter that Cheddar doesn't know is refused, instead of that being ignored."""
    return True


@pytest.fixture
def cheddar_quiet() -> bool:
    """Whether what listeners raise is kept out of the log, where a test means them to."""
    return False


# -- Cheddar


@pytest.fixture
def cheddar(_cheddar_world: World) -> Cheddar:
    """Cheddar in this process with a clock that stands still, new for each test."""
    from tallyhook_mock.testing import Cheddar

    return Cheddar(_cheddar_world)


@pytest.fixture
def cheddar_server(_cheddar_session: Session, _cheddar_world: World) -> Iterator[CheddarServer]:
    """The same Cheddar at an address of 127.0.0.1, over real HTTP."""
    yield from _served(_cheddar_session, _cheddar_world, tls=False)


@pytest.fixture
def cheddar_server_tls(_cheddar_session: Session, _cheddar_world: World) -> Iterator[CheddarServer]:
    """The same Cheddar at an address of 127.0.0.1, over TLS; clients trust its `authority`."""
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
    """A `tallyhook.Client` that leads into `cheddar` without a socket."""
    from tallyhook import Client

    transport = cheddar.transport()
    with Client(cheddar.product, cheddar.user, cheddar.password, transport=transport, backoff=0) as client:
        yield client


@pytest.fixture
def cheddar_async_client(cheddar: Cheddar) -> AsyncClient:
    """A `tallyhook.AsyncClient` that leads into `cheddar` without a socket."""
    from tallyhook import AsyncClient

    # There is nothing to close: its transport has no connections.
    transport = cheddar.async_transport()
    return AsyncClient(cheddar.product, cheddar.user, cheddar.password, transport=transport, backoff=0)


@pytest.fixture
def cheddar_receiver_client(_cheddar_world: World) -> ReceiverClient:
    """Posts hooks that `cheddar.hook` made to the listener that was registered with `cheddar.listener`."""
    from tallyhook_mock.testing import ReceiverClient

    return ReceiverClient(_cheddar_world)


@pytest.fixture
def cheddar_routes(cheddar: Cheddar) -> Iterator[respx.MockRouter]:
    """Has Cheddar's real address answered by `cheddar`, for code that makes its own client.

    A router of respx with a route for each call, such as `cheddar_routes["customers/add-charge"]`.
    """
    from tallyhook.cheddar.client import BASE_URL

    with _needing("respx"):
        from tallyhook_mock.testing.transport import routes

    with routes(BASE_URL, cheddar.transport()) as router:
        yield router


@contextmanager
def _needing(requirement: str) -> Iterator[None]:
    """Say what to install where an import fails for want of it."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("tallyhook"):
            raise
        pytest.fail(f"{missing} is missing; pip install '{requirement}'", pytrace=False)
