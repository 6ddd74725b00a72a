"""One thread that owns a SQLite connection, and commits what many coroutines ask for together.

A durable commit costs a flush of the disk, whatever it holds. While one is under way more work queues up, and
the next commit takes all of it: the busier the inbox, the cheaper each operation.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from tallyhook_receiver.errors import InboxUnavailable, LeaseLost

__all__ = ["Writer"]

T = TypeVar("T")

_BATCH = 256


class _Work:
    """An operation, and the future of the coroutine that waits for it on its own loop."""

    def __init__(self, operation: Callable[[sqlite3.Connection], Any]) -> None:
        self.operation = operation
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        if self.future.done():  # its coroutine was canceled meanwhile
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs operations in the order they were asked for.

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
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
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
            await asyncio.to_thread(thread.join)

    async def run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """The operation's result, once it is durable. Raises InboxUnavailable, or its LeaseLost."""
        if self._thread is None:
            raise InboxUnavailable("the inbox is closed")
        work = _Work(operation)
        self._queue.put(work)
        result: T = await work.future
        return result

    def _work(self) -> None:
        goes_on = True
        while goes_on:
            batch: list[_Work] = []
            work = self._queue.get()
            while work is not None:
                batch.append(work)
                if len(batch) == _BATCH or self._queue.empty():
                    break
                work = self._queue.get()
            goes_on = work is not None
            self._commit(batch)
            _resolve(batch)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, batch: list[_Work]) -> None:
        if not batch:
            return
        try:
            self._check()
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute("BEGIN IMMEDIATE")
            for work in batch:
                try:
                    work.result = work.operation(self._connection)
                except (LeaseLost, InboxUnavailable) as error:
                    work.error = error
            self._connection.execute("COMMIT")
        except Exception as error:  # whatever it is, nobody may wait for ever
            self._roll_back()
            for work in batch:
                work.error = InboxUnavailable(f"{self._name}: {error or type(error).__name__}")
                work.error.__cause__ = error

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._connection.close()
                self._connection = None


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
