"""Group commit: one thread owns a SQLite connection, and commits all queued operations together.

A durable commit needs one disk flush, however many operations it contains.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from tallyhook_receiver.errors import InboxUnavailable, LeaseLost

T = TypeVar("T")

_BATCH = 256


class _Asked:
    """A queued operation, and the future that gets its result."""

    def __init__(self, operation: Callable[[sqlite3.Connection], Any]) -> None:
        self._operation = operation
        self._result: Any = None
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        try:
            self._result = self._operation(connection)
        except (LeaseLost, InboxUnavailable) as error:
            self.error = error

    def answer(self) -> None:
        if self.future.done():  # the caller was canceled
            return
        if self.error is None:
            self.future.set_result(self._result)
        else:
            self.future.set_exception(self.error)


class Commits:
    """Runs operations in the order in which they are queued, and commits them in batches.

    An operation that raises LeaseLost or InboxUnavailable must not have written anything. Only that operation
    fails, and the rest of its batch is committed. Any other exception makes the whole batch fail.

    `name` is the inbox's name in error messages. `connect` opens the connection. `check` is called before
    each batch. If `check` raises an exception, the batch fails.
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
        """Finish the queued operations, then close the connection."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            while thread.is_alive():  # poll, since at interpreter exit no thread can be started to join it
                await asyncio.sleep(0.002)

    async def run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Queue an operation, wait until it is committed, and return its result.

        Raises InboxUnavailable, or LeaseLost if the operation raised it.
        """
        if self._thread is None:
            raise InboxUnavailable("the inbox is closed")
        asked = _Asked(operation)
        self._queue.put(asked)
        result: T = await asked.future
        return result

    def _work(self) -> None:
        goes_on = True
        while goes_on:
            batch = [self._queue.get()]
            while batch[-1] is not None and len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            goes_on = batch[-1] is not None
            if asked := [each for each in batch if each is not None]:
                self._commit(asked)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, batch: list[_Asked]) -> None:
        """Run a batch in one transaction, and pass the results to the callers' event loops."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._check()
            self._connection.execute("BEGIN IMMEDIATE")
            for asked in batch:
                asked.run(self._connection)
            self._connection.execute("COMMIT")
        except Exception as error:  # catch any error, or the callers would wait forever
            self._roll_back()
            for asked in batch:
                asked.error = InboxUnavailable(f"{self._name}: {error or type(error).__name__}")
                asked.error.__cause__ = error
        for loop in {asked.loop for asked in batch}:
            with suppress(RuntimeError):  # the loop is closed, so no caller waits there
                loop.call_soon_threadsafe(_answer, [asked for asked in batch if asked.loop is loop])

    def _roll_back(self) -> None:
        if self._connection is not None:
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._connection.close()
                self._connection = None


def _answer(batch: list[_Asked]) -> None:
    for asked in batch:
        asked.answer()
