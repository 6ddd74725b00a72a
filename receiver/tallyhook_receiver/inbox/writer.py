"""One thread that owns a SQLite connection, and commits what many coroutines ask for together.

A durable commit costs a flush of the disk, whatever it holds. While one is under way more work queues up, and
the next commit takes all of it: the busier the inbox, the cheaper each operation. Light work goes first, in a
commit without a flush: it is seen by everybody at once, and on the disk with the next flush.

Each statement costs more than what SQLite does: it lets go of the interpreter, and has to wait for the event
loop to get it back. So operations of one kind that queue up are one operation over all they were asked for,
and what is a single statement then is committed by itself: BEGIN and COMMIT would make it three.
"""

import asyncio
import itertools
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.here import running_loop
from tallyhook_receiver.inbox.thread import ended

__all__ = ["Writer", "attempt", "begin"]

T = TypeVar("T")
A = TypeVar("A")

Together = Callable[[sqlite3.Connection, Sequence[A]], Sequence[T | Exception]]
"""An operation over all that was asked for: for each the result, or why it failed without having written.

It calls `begin` before it writes with more than one statement.
"""

_BATCH = 256
_PAUSE = 0.003  # seconds, about as long as a flush takes


class _Work:
    """What is asked for, and the future of the coroutine that waits for it on its own loop."""

    __slots__ = ("asked", "durably", "future", "loop", "operation", "outcome")

    def __init__(self, operation: Together[Any, Any], asked: Any, durably: bool) -> None:
        self.operation = operation
        self.asked = asked
        self.durably = durably
        self.loop = running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.outcome: Any = None

    def resolve(self) -> None:
        if self.future.done():  # its coroutine was canceled meanwhile
            return
        if isinstance(self.outcome, Exception):
            self.future.set_exception(self.outcome)
        else:
            self.future.set_result(self.outcome)


class Writer:
    """Runs operations in the order they were asked for, but light ones before durable ones.

    One that raises LeaseLost or InboxUnavailable itself must not have written: it fails alone, and the others
    are committed. `name` tells in errors which inbox it was.
    """

    def __init__(
        self, name: str, connect: Callable[[], sqlite3.Connection], check: Callable[[], None]
    ) -> None:
        self._name = name
        self._connect = connect
        self._check = check
        self._connection: sqlite3.Connection | None = None
        self._asked: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
        self._queue: queue.SimpleQueue[list[_Work] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._goes_on = True
        self._durably = True  # as the connection commits now

    def start(self) -> None:
        if self._thread is None:
            self._goes_on = True
            self._thread = threading.Thread(target=self._work, name="tallyhook-inbox", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """Finish what was asked for, then close the connection."""
        thread, self._thread = self._thread, None
        if thread is not None:
            for loop in list(self._asked):
                self._hand_over(loop)
            self._queue.put(None)
            await ended(thread)

    async def run(self, operation: Callable[[sqlite3.Connection], T], *, durably: bool = True) -> T:
        """The operation's result, once it is committed. Raises InboxUnavailable, or its LeaseLost.

        `durably`: whether it has to survive a power cut, and not only this process.
        """
        return await self.run_together(_alone, operation, durably=durably)

    async def run_together(self, operation: Together[A, T], asked: A, *, durably: bool = True) -> T:
        """As `run`, for one of many that ask for the same: what queues up side by side is done at once."""
        if self._thread is None:
            raise InboxUnavailable("the inbox is closed")
        work = _Work(operation, asked, durably)
        self._ask(work)
        result: T = await work.future
        return result

    def post(self, operation: Callable[[sqlite3.Connection], None]) -> None:
        """Have a light operation run in its turn; nobody waits for it, nor hears if it fails."""
        if self._thread is not None:
            work = _Work(_alone, operation, durably=False)
            work.future.add_done_callback(asyncio.Future.exception)
            self._ask(work)

    def _ask(self, work: _Work) -> None:
        """Put it to what its loop asks for in this turn: the thread is woken once for all of it."""
        asked = self._asked.get(work.loop)
        if asked is None:
            asked = self._asked[work.loop] = []
            work.loop.call_soon(self._hand_over, work.loop)
        asked.append(work)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if asked := self._asked.pop(loop, None):
            self._queue.put(asked)

    def _work(self) -> None:
        while batch := self._next(1, None):
            light, durable = _parted(batch)
            if light:
                self._commit(light, durably=False)
            if light and durable:
                # What they were for may be over at once, and its outcome join this flush instead of waiting
                # for all of it.
                late_light, late = _parted(self._next(len(light), _PAUSE))
                self._commit(late_light, durably=False)
                durable += late
            self._commit(durable, durably=True)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _next(self, count: int, seconds: float | None) -> list[_Work]:
        """All that waits; if it is less than `count`, what comes within so many seconds too; None = for ever.

        Nothing once `stop` was called, and all before that is done.
        """
        until = math.inf if seconds is None else time.monotonic() + seconds
        batch: list[_Work] = []
        while self._goes_on and len(batch) < _BATCH:
            patience = max(0.0, until - time.monotonic()) if len(batch) < count else 0.0
            try:
                asked = self._queue.get(timeout=None if patience == math.inf else patience)
            except queue.Empty:
                break
            if asked is None:
                self._goes_on = False
            else:
                batch += asked
        return batch

    def _commit(self, batch: list[_Work], durably: bool) -> None:
        """Do all of it or nothing, and wake those who wait."""
        if not batch:
            return
        try:
            self._check()
            if self._connection is None:
                self._connection = self._connect()
                self._durably = True
            if durably is not self._durably:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durably else 'NORMAL'}")
                self._durably = durably
            kinds = [(kind, list(same)) for kind, same in itertools.groupby(batch, attrgetter("operation"))]
            if len(kinds) > 1:
                begin(self._connection)
            for operation, works in kinds:
                outcomes = operation(self._connection, [work.asked for work in works])
                for work, outcome in zip(works, outcomes, strict=True):
                    work.outcome = outcome
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except Exception as error:  # whatever it is, nobody may wait for ever
            self._roll_back()
            for work in batch:
                work.outcome = InboxUnavailable(f"{self._name}: {error or type(error).__name__}")
                work.outcome.__cause__ = error
        _resolve(batch)

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._connection.close()
                self._connection = None


def _alone(
    connection: sqlite3.Connection, operations: Sequence[Callable[[sqlite3.Connection], T]]
) -> list[T | Exception]:
    """Operations of all kinds, one by one."""
    begin(connection)
    return [attempt(operation, connection) for operation in operations]


def begin(connection: sqlite3.Connection) -> None:
    """Let the statements that follow be committed as one, or none of them; harmless if that is so already."""
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")


def attempt(operation: Callable[..., T], *arguments: Any) -> T | Exception:
    """The result of an operation, or what it raises where others may go on."""
    try:
        return operation(*arguments)
    except (LeaseLost, InboxUnavailable) as error:
        return error


def _parted(batch: Iterable[_Work]) -> tuple[list[_Work], list[_Work]]:
    """Those that need no flush of the disk, and those that do."""
    light: list[_Work] = []
    durable: list[_Work] = []
    for work in batch:
        (durable if work.durably else light).append(work)
    return light, durable


def _resolve(batch: list[_Work]) -> None:
    """Wake each loop once for all of its futures."""
    loops: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
    for work in batch:
        loops.setdefault(work.loop, []).append(work)
    for loop, works in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve_here, works)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            continue


def _resolve_here(works: list[_Work]) -> None:
    for work in works:
        work.resolve()
