"""Group commit: one thread that owns a SQLite connection, and commits together what queues up meanwhile.

A durable commit costs a flush of the disk, whatever it holds. While one is under way more work queues up, and
the next commit takes all of it: the busier the inbox, the cheaper each operation.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from tallyhook_receiver.errors import InboxUnavailable, LeaseLost

__all__ = ["Commits"]

T = TypeVar("T")

_BATCH = 256


class _Asked(NamedTuple):
    operation: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]

    def resolve(self, result: Any, error: Exception | None) -> None:
        if self.future.done():  # the coroutine that waited was canceled
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


_Outcome = tuple[_Asked, Any, Exception | None]


class Commits:
    """Runs operations in the order they were asked for.

    One that raises LeaseLost or InboxUnavailable must not have written: it fails alone, and the others are
    committed. Any other error fails the whole batch. `name` tells in errors which inbox it was; `check` is
    called before each batch.
    """

    def __init__(
        self, name: str, connect: Callable[[], sqlite3.Connection], check: Callable[[], None]
    ) -> None:
        self._name = name
        self._connect = connect
        self._check = check
        self._connection: sqlite3.Connection | None = None
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tallyhook-inbox", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """Finish what was asked for, then close the connection."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            while thread.is_alive():  # while Python ends, no other thread can be had to join it
                await asyncio.sleep(0.002)

    async def run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """The operation's result, once it is on the disk. Raises InboxUnavailable, or its LeaseLost."""
        if self._thread is None:
            raise InboxUnavailable("the inbox is closed")
        asked = _Asked(operation, asyncio.get_running_loop().create_future())
        self._queue.put(asked)
        result: T = await asked.future
        return result

    def _work(self) -> None:
        goes_on = True
        while goes_on:
            batch: list[_Asked] = []
            asked = self._queue.get()
            while asked is not None:
                batch.append(asked)
                if len(batch) == _BATCH or self._queue.empty():
                    break
                asked = self._queue.get()
            goes_on = asked is not None
            if batch:
                _wake(self._commit(batch))
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, batch: list[_Asked]) -> list[_Outcome]:
        """Do all of it or nothing."""
        try:
            self._check()
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [_outcome(asked, self._connection) for asked in batch]
            self._connection.execute("COMMIT")
            return outcomes
        except Exception as error:  # whatever it is, nobody may wait for ever
            self._roll_back()
            unavailable = InboxUnavailable(f"{self._name}: {error or type(error).__name__}")
            unavailable.__cause__ = error
            return [(asked, None, unavailable) for asked in batch]

    def _roll_back(self) -> None:
        if self._connection is not None:
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._connection.close()
                self._connection = None


def _outcome(asked: _Asked, connection: sqlite3.Connection) -> _Outcome:
    try:
        return asked, asked.operation(connection), None
    except (LeaseLost, InboxUnavailable) as error:
        return asked, None, error


def _wake(outcomes: list[_Outcome]) -> None:
    """Tell each event loop once of all that it asked for."""
    loops: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        loops.setdefault(outcome[0].future.get_loop(), []).append(outcome)
    for loop, its in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, its)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            continue


def _resolve(outcomes: list[_Outcome]) -> None:
    for asked, result, error in outcomes:
        asked.resolve(result, error)
