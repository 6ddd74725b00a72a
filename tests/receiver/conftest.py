"""Inboxes of every kind, with a clock that tests control."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from tests.postgres import Postgres

from tallyhook._uptime import uptime
from tallyhook_receiver import Inbox, MemoryInbox, SQLiteInbox
from tallyhook_receiver.inbox.postgres import PostgresInbox

_names = itertools.count(1)


class Store(Protocol):
    """A store that several inboxes can share."""

    url: str

    def inbox(self, **options: Any) -> Inbox:
        """A new inbox on this store, as another worker has it."""

    def advance(self, **by: float) -> None:
        """Advance the clock and the uptime of all inboxes on this store. The arguments are timedelta's."""


async def pass_days(inbox: Inbox, store: Store, days: int) -> None:
    """Advance by days while the inbox checks its clock each day, as with a running receiver."""
    for _ in range(days):
        store.advance(days=1)
        await inbox.prune(timedelta(days=100_000))


class FileStore:
    def __init__(self, path: Path) -> None:
        self.url = str(path)
        self.now = 1_900_000_000.0
        self._up = int(uptime()) - self.now  # close to the machine's uptime, which the commands use

    def inbox(self, **options: Any) -> SQLiteInbox:
        return SQLiteInbox(self.url, clock=lambda: self.now, uptime=lambda: self._up + self.now, **options)

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by).total_seconds()


class MemoryStore:
    """Inboxes in memory. They share only the clock."""

    url = ":memory:"

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def inbox(self, **options: Any) -> MemoryInbox:
        return MemoryInbox(clock=lambda: self.now, uptime=lambda: self.now, **options)

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by).total_seconds()


class PostgresStore:
    """A separate schema. Its own `clock_timestamp` replaces the built-in one and stands still."""

    def __init__(self, server: Postgres) -> None:
        self.schema = f"store_{next(_names)}"
        self._up = 1000.0
        self.url = server.url(options=f"-csearch_path={self.schema},pg_catalog")
        self._plain_url = server.url()
        self.execute(f"CREATE SCHEMA {self.schema}")
        self.execute("CREATE TABLE moment AS SELECT timestamptz '2030-03-17 17:46:40Z' AS now")
        self.execute(
            "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE"
            f" AS 'SELECT now FROM {self.schema}.moment'"
        )

    def inbox(self, **options: Any) -> PostgresInbox:
        return PostgresInbox(self.url, uptime=lambda: self._up, **options)

    def advance(self, **by: float) -> None:
        self._up += timedelta(**by).total_seconds()
        self.set_clock(**by)

    def set_clock(self, **by: float) -> None:
        """Move the database's clock, but not the uptime."""
        self.execute("UPDATE moment SET now = now + %s", timedelta(**by))

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, values or None)

    def drop(self) -> None:
        with psycopg.connect(self._plain_url) as connection:
            connection.execute(f"DROP SCHEMA {self.schema} CASCADE")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def file_store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "inbox.sqlite")


@pytest.fixture
def postgres_store(postgres_server: Postgres) -> Iterator[PostgresStore]:
    store = PostgresStore(postgres_server)
    yield store
    store.drop()


@pytest.fixture(params=["file", "postgres"])
def shared_store(request: pytest.FixtureRequest) -> Store:
    """A store that several workers can share."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture(params=["file", "memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Any]]:
    """Opens inboxes, and closes them after the test."""
    inboxes: list[Inbox] = []

    async def open_one(store: Store, **options: Any) -> Inbox:
        inbox = store.inbox(**options)
        inboxes.append(inbox)
        await inbox.open()
        return inbox

    yield open_one
    for inbox in inboxes:
        await inbox.close()


@pytest.fixture
async def inbox(store: Store, opened: Callable[..., Any]) -> Inbox:
    inbox: Inbox = await opened(store)
    return inbox
