"""What only PostgreSQL has: a server that may be down, full or oddly configured, and a URL."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from tests.cheddar import KEY, FakeCheddar, signed
from tests.postgres import Postgres
from tests.receiver.conftest import PostgresStore
from tests.receiver.letters import ADDING, LETTER

from tallyhook.review import Review, journal
from tallyhook_receiver import (
    Cheddar,
    Inbox,
    InboxUnavailable,
    MemoryInbox,
    Receiver,
    SQLiteInbox,
    State,
    open_inbox,
)
from tallyhook_receiver.inbox import postgres_schema
from tallyhook_receiver.inbox.postgres import PostgresInbox

Open = Callable[..., Awaitable[Inbox]]


async def test_whatever_the_defaults_are_a_commit_is_on_the_disk(postgres_store: PostgresStore) -> None:
    defaults = "-csynchronous_commit=off -cdefault_transaction_isolation=serializable"
    with psycopg.connect(postgres_store.url.replace("options=", f"options={quote(defaults + ' ')}")) as plain:
        assert plain.execute("SHOW synchronous_commit").fetchone() == ("off",)
        inbox = PostgresInbox(plain.info.dsn)
    await inbox.open()
    async with inbox._connection() as connection:
        for setting, value in (
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
        ):
            assert await (await connection.execute(f"SHOW {setting}")).fetchone() == (value,)
    await inbox.close()


async def test_a_database_clock_that_is_set_ends_no_lease(
    postgres_store: PostgresStore, opened: Open
) -> None:
    me, you = await opened(postgres_store), await opened(postgres_store)
    postgres_store.advance(seconds=61)  # both have watched the clock for the length of a lease
    assert (await me.claim(LETTER, "me", 60)).mine
    for hours in (2, -30, 100):
        postgres_store.set_clock(hours=hours)
        refused = await you.claim(LETTER, "you", 60)
        assert not refused.mine
        assert 0 < refused.free_in <= 60
        postgres_store.advance(seconds=20)
        await me.renew("k1", "me", 60)
        assert not (await you.claim(LETTER, "you", 60)).mine
        await me.append("k1", "me", ADDING)
    postgres_store.advance(seconds=59)  # the holder is dead
    assert not (await you.claim(LETTER, "you", 60)).mine
    postgres_store.advance(seconds=2)
    assert (await you.claim(LETTER, "you", 60)).mine
    assert len(await you.entries("k1")) == 3


async def test_a_second_look_is_taken_over_by_an_even_clock_only(
    postgres_store: PostgresStore, opened: Open
) -> None:
    me, you = await opened(postgres_store), await opened(postgres_store)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    postgres_store.advance(seconds=61)
    await me.claim(LETTER, "me", 60)
    await me.plan("k1", "me", now, now)
    postgres_store.set_clock(days=1)
    assert await you.claim_due(now, "you", 60) is None
    postgres_store.advance(seconds=61)
    assert await you.claim_due(now, "you", 60) is not None


@pytest.mark.parametrize("theirs", [20, 60, 600])
@pytest.mark.parametrize("clock", [{"hours": 2}, {"hours": -2}, {}])
async def test_the_lease_of_a_worker_with_other_settings_counts(
    postgres_store: PostgresStore, opened: Open, theirs: int, clock: dict[str, float]
) -> None:
    """The clock must run evenly for the length of the other worker's lease, not of one's own."""
    me, you = await opened(postgres_store), await opened(postgres_store)
    postgres_store.advance(seconds=1000)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert (await me.claim(LETTER, "me", theirs)).mine
    await me.plan("k1", "me", now, now)
    postgres_store.set_clock(**clock)
    refused = await you.claim(LETTER, "you", 60)
    assert (refused.mine, refused.free_in) == (False, theirs)
    for ahead in (theirs - 1, 0.5):
        postgres_store.advance(seconds=ahead)
        assert not (await you.claim(LETTER, "you", 60)).mine
        assert await you.claim_due(now, "you", 60) is None
        await me.append("k1", "me", ADDING)
    postgres_store.advance(seconds=0.5)
    assert await you.claim_due(now, "you", 60) is not None
    assert (await you.claim(LETTER, "you", 60)).mine


async def test_a_worker_that_has_just_begun_takes_over_nothing_yet(
    postgres_store: PostgresStore, opened: Open
) -> None:
    """The new worker can't know whether the clock was set a moment ago."""
    await (await opened(postgres_store)).claim(LETTER, "me", 60)
    postgres_store.advance(seconds=61)
    you = await opened(postgres_store)
    refused = await you.claim(LETTER, "you", 60)
    assert (refused.mine, refused.free_in) == (False, 60)
    postgres_store.advance(seconds=60)
    assert (await you.claim(LETTER, "you", 60)).mine


async def test_a_schema_of_the_release_before(postgres_store: PostgresStore, opened: Open) -> None:
    bodies = [FakeCheddar().hook(customer={"id": f"c{n}", "code": f"C{n}"}) for n in range(3)]
    postgres_store.execute("CREATE TABLE tallyhook_schema (version integer NOT NULL)")
    postgres_store.execute("INSERT INTO tallyhook_schema VALUES (1)")
    postgres_store.execute(postgres_schema._MIGRATIONS[0])
    for number, body in enumerate(bodies):
        postgres_store.execute(
            "INSERT INTO tallyhook_hooks"
            " (key, product, type, state, body, received, changed, owner, leased_until)"
            " VALUES (%s, 'ACME', 'subscriptionBillable', %s, %s, 'epoch', 'epoch', 'me', '2100-01-01')",
            f"k{number}",
            "done" if number else "working",
            body,
        )
    postgres_store.execute(
        "INSERT INTO tallyhook_journal (key, written, entry) VALUES ('k0', 'epoch', %s)",
        journal.encode(ADDING),
    )
    handled: list[object] = []
    async with Receiver(Cheddar("ACME", KEY), inbox=postgres_store.inbox()) as receiver:
        receiver.on("subscriptionBillable")(lambda hook: handled.append(hook))
        for body in bodies:
            response = await receiver.handle("POST", signed(body), body)
            assert response.status == 200
        assert len(handled) == 1
        records = await receiver.inbox.list()
        assert len(records) == 3
        first = next(record for record in records if record.body == bodies[0])
        assert await receiver.inbox.entries(first.key) == [ADDING]


async def test_a_schema_of_a_newer_release(postgres_store: PostgresStore, opened: Open) -> None:
    await opened(postgres_store)
    postgres_store.execute("UPDATE tallyhook_schema SET version = 99")
    with pytest.raises(InboxUnavailable, match="newer release"):
        await opened(postgres_store)


async def test_is_not_made_where_none_is_expected(postgres_store: PostgresStore, opened: Open) -> None:
    with pytest.raises(InboxUnavailable, match="holds no inbox"):
        await opened(postgres_store, create=False)
    await opened(postgres_store)
    await opened(postgres_store, create=False)


async def test_a_role_that_may_not_make_tables_can_use_them(
    postgres_store: PostgresStore, opened: Open
) -> None:
    await opened(postgres_store)
    postgres_store.execute("CREATE ROLE clerk LOGIN")
    try:
        postgres_store.execute(f"GRANT USAGE ON SCHEMA {postgres_store.schema} TO clerk")
        postgres_store.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {postgres_store.schema} TO clerk")
        inbox = PostgresInbox(postgres_store.url.replace("tallyhook@", "clerk@"))
        await inbox.open()
        assert (await inbox.claim(LETTER, "me", 60)).mine
        await inbox.append("k1", "me", ADDING)
        await inbox.close()
    finally:
        postgres_store.execute("DROP OWNED BY clerk")
        postgres_store.execute("DROP ROLE clerk")


async def test_a_database_with_another_encoding(postgres_server: Postgres) -> None:
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(InboxUnavailable, match="UTF8"):
        await PostgresInbox(postgres_server.url("latin")).open()


async def test_a_database_that_may_only_be_read(postgres_server: Postgres) -> None:
    url = postgres_server.url(options="-cdefault_transaction_read_only=on")
    with pytest.raises(InboxUnavailable, match="read-only"):
        await PostgresInbox(url).open()


async def test_a_full_disk(postgres_store: PostgresStore, opened: Open) -> None:
    inbox = await opened(postgres_store)
    postgres_store.execute(  # the message of a server whose disk is full
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
        " 'could not extend file: No space left on device' USING ERRCODE = 'disk_full',"
        " DETAIL = encode(NEW.body, 'escape'); END $$"
    )
    postgres_store.execute(
        "CREATE TRIGGER full_disk BEFORE INSERT ON tallyhook_hooks FOR EACH ROW EXECUTE FUNCTION full_disk()"
    )
    with pytest.raises(InboxUnavailable) as refused:
        await inbox.claim(LETTER, "me", 60)
    assert str(refused.value) == "PostgreSQL: could not extend file: No space left on device"
    postgres_store.execute("DROP TRIGGER full_disk ON tallyhook_hooks")
    assert (await inbox.claim(LETTER, "me", 60)).mine


async def test_a_row_that_somebody_has_locked(postgres_store: PostgresStore, opened: Open) -> None:
    inbox = await opened(postgres_store, busy_seconds=0.1)
    await inbox.keep(LETTER, State.IGNORED)
    with psycopg.connect(postgres_store.url) as other:
        other.execute("SELECT 1 FROM tallyhook_hooks FOR UPDATE")
        with pytest.raises(InboxUnavailable, match="lock timeout"):
            await inbox.claim(LETTER, "me", 60)
    assert (await inbox.claim(LETTER, "me", 60)).mine


async def test_a_worker_that_stands_still_in_a_transaction_keeps_no_hook(
    postgres_store: PostgresStore, opened: Open
) -> None:
    stopped, other = (
        await opened(postgres_store, busy_seconds=0.5),
        await opened(postgres_store, busy_seconds=60),
    )
    await other.keep(LETTER, State.IGNORED)
    with suppress(InboxUnavailable):  # the server has ended its transaction
        async with stopped._connection() as connection, connection.transaction():
            await connection.execute("SELECT 1 FROM tallyhook_hooks FOR UPDATE")
            assert (await other.claim(LETTER, "other", 60)).mine
    assert not (await stopped.claim(LETTER, "stopped", 60)).mine


def test_belongs_to_its_event_loop(postgres_store: PostgresStore) -> None:
    inbox = postgres_store.inbox()

    async def one_loop() -> None:
        await inbox.open()

    async def another_loop() -> None:
        with pytest.raises(InboxUnavailable, match="another event loop"):
            await inbox.get("k1")

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(one_loop())
        second.run(another_loop())
        # The first loop no longer runs.
        second.run(inbox.open())
        second.run(inbox.check())
        second.run(inbox.close())


def test_several_tasks_open_it_in_one_event_loop_after_another(postgres_store: PostgresStore) -> None:
    inbox = postgres_store.inbox()

    async def several() -> None:
        await asyncio.gather(*(inbox.open() for _ in range(3)))
        await inbox.check()
        await inbox.close()

    for _ in range(3):
        asyncio.run(several())


def test_an_event_loop_that_ends_while_it_opens_the_inbox(postgres_store: PostgresStore) -> None:
    inbox = postgres_store.inbox()
    abandoned = asyncio.new_event_loop()
    task = abandoned.create_task(inbox.open())
    abandoned.run_until_complete(asyncio.sleep(0))  # it has begun

    async def in_another_loop() -> None:
        async with asyncio.timeout(30):
            await inbox.open()
        await inbox.check()
        await inbox.close()

    asyncio.run(in_another_loop())
    task.cancel()
    with suppress(asyncio.CancelledError):
        abandoned.run_until_complete(task)
    abandoned.close()


async def test_nothing_is_left_of_an_opening_that_is_canceled(postgres_store: PostgresStore) -> None:
    """A server may cancel the request that opens the inbox, at any time."""
    inbox = postgres_store.inbox()
    await inbox.open()
    await inbox.close()
    before = asyncio.all_tasks()
    for number in range(120):
        opening = asyncio.create_task(inbox.open())
        await asyncio.sleep(number / 2000)
        opening.cancel()
        await asyncio.wait({opening})
        await inbox.close()
        assert asyncio.all_tasks() == before


# The server stops.


@pytest.fixture
def mortal_server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
async def receiver(mortal_server: Postgres) -> AsyncIterator[tuple[Receiver, FakeCheddar, list[str]]]:
    cheddar = FakeCheddar()
    stops: list[str] = []
    inbox = PostgresInbox(mortal_server.url(), busy_seconds=1)
    async with cheddar.async_client() as client:
        receiver = Receiver(Cheddar("ACME", KEY, client), inbox=inbox)

        @receiver.review
        def audit(review: Review) -> None:
            review.set_quantity("GB", 15)
            review.charge("A", 5)
            if "handler" in stops:
                mortal_server.stop()

        async with receiver:
            yield receiver, cheddar, stops


async def deliver(receiver: Receiver, body: bytes) -> int:
    return (await receiver.handle("POST", signed(body), body)).status


async def until_done(receiver: Receiver, body: bytes) -> None:
    """Deliver twice, as the sender does: the first delivery may meet broken connections."""
    answers = [await deliver(receiver, body) for _ in range(2)]
    assert answers[-1] == 200
    assert set(answers) <= {200, 503}


@pytest.mark.parametrize("when", ["handler", "after the charge"])
async def test_the_server_stops_during_a_review(
    receiver: tuple[Receiver, FakeCheddar, list[str]], mortal_server: Postgres, when: str
) -> None:
    receiving, cheddar, stops = receiver
    if when == "handler":
        stops.append("handler")
    else:
        # The charge is on the invoice, but the journal can't store its id.
        def stop(request: object, apply: Callable[[], object]) -> object:
            answer = apply()
            mortal_server.stop()
            return answer

        cheddar.faults[3] = stop  # type: ignore[assignment]  # the types of httpx say nothing here
    assert await deliver(receiving, cheddar.hook()) == 503
    assert await deliver(receiving, cheddar.hook()) == 503
    stops.clear()
    mortal_server.start()
    await until_done(receiving, cheddar.hook())
    assert [charge["chargeCode"] for charge in cheddar.billed_charges] == ["A"]
    (record,) = await receiving.inbox.list()
    assert record.state is State.DONE


async def test_the_server_is_started_anew_between_hooks(
    receiver: tuple[Receiver, FakeCheddar, list[str]], mortal_server: Postgres
) -> None:
    receiving, cheddar, _ = receiver
    mortal_server.stop()
    mortal_server.start()
    await until_done(receiving, cheddar.hook())
    mortal_server.stop()
    assert await deliver(receiving, cheddar.hook()) == 503
    mortal_server.start()
    await until_done(receiving, cheddar.hook())
    assert len(cheddar.billed_charges) == 1


async def test_no_server(tmp_path: Path) -> None:
    inbox = PostgresInbox(f"postgresql://ida:hidden@/inbox?host={tmp_path}")
    with pytest.raises(InboxUnavailable, match="connection") as refused:
        await inbox.open()
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(InboxUnavailable, match="closed"):
        await inbox.get("k1")
    await inbox.close()


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
async def test_a_name_that_no_server_can_have(host: str) -> None:
    inbox = PostgresInbox(f"postgresql://ida:hidden@{host}/inbox")
    with pytest.raises(InboxUnavailable, match="label empty or too long"):
        await inbox.open()
    await inbox.close()


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM tallyhook_schema",
        "INSERT INTO tallyhook_schema VALUES (1)",
        "DELETE FROM tallyhook_clock",
    ],
)
async def test_tables_that_somebody_has_damaged(postgres_store: PostgresStore, harm: str) -> None:
    inbox = postgres_store.inbox()

    async def use() -> None:
        await inbox.open()
        await inbox.prune(timedelta(days=9))

    await use()
    await inbox.close()
    postgres_store.execute(harm)
    with pytest.raises(InboxUnavailable, match="PostgreSQL: "):
        await use()
    await inbox.close()


# The URL.


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("inbox.sqlite", "inbox.sqlite"),
        (Path("a://b"), "a:/b"),
        ("sqlite:///some%20where/inbox.sqlite", "some where/inbox.sqlite"),
        ("sqlite:////var/lib/inbox.sqlite", "/var/lib/inbox.sqlite"),
    ],
)
def test_a_url_of_a_file(url: str | Path, path: str) -> None:
    inbox = open_inbox(url)
    assert isinstance(inbox, SQLiteInbox)
    assert inbox.path == Path(path)


def test_a_url_of_nothing() -> None:
    assert isinstance(open_inbox(":memory:"), MemoryInbox)
    assert isinstance(Receiver(Cheddar("ACME", KEY), inbox=":memory:").inbox, MemoryInbox)


@pytest.mark.parametrize("url", ["postgresql://ida@127.0.0.1/inbox", "postgres://127.0.0.1"])
def test_a_url_of_a_server(url: str) -> None:
    assert isinstance(open_inbox(url), PostgresInbox)
    assert isinstance(Receiver(Cheddar("ACME", KEY), inbox=url).inbox, PostgresInbox)


@pytest.mark.parametrize("url", ["mysql://ida:hidden@host/inbox", "sqlite://", "sqlite:///", "://"])
def test_a_url_of_something_else(url: str) -> None:
    with pytest.raises(ValueError, match="an inbox must be a path") as refused:
        open_inbox(url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgresql://ida:hidden%zz@host/inbox", "postgresql://host/inbox?hidden=1"])
def test_an_unreadable_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="the inbox's URL can't be read") as refused:
        open_inbox(url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("missing", ["psycopg", "psycopg_pool"])
def test_the_missing_extra_is_named(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from tallyhook_receiver import open_inbox\n"
        "open_inbox('inbox.sqlite')\n"
        "open_inbox('postgresql://host/inbox')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith(
        "ModuleNotFoundError: a PostgreSQL inbox needs psycopg: pip install 'tallyhook[postgres]'\n"
    )
