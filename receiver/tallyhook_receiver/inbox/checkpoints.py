"""One thread that carries what was committed from SQLite's write-ahead log into the file, beside the writer.

SQLite would have a commit do it, and whoever waits for that commit would wait for all pages to be written.
"""

import contextlib
import sqlite3
import threading

from tallyhook_receiver.inbox.thread import ended

__all__ = ["Checkpoints"]

# Seconds of commits that are carried over in one go; a page that all of them wrote is written once.
_TOGETHER = 0.2


class Checkpoints:
    """Runs passive checkpoints over a connection of their own: they wait for nobody, and nobody for them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tallyhook-checkpoints", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End and close; the connection that is closed last carries the rest over."""
        self._ended.set()
        await ended(self._thread)

    def _work(self) -> None:
        while not self._ended.wait(_TOGETHER):
            # What can't be carried over now stays in the log until it can, or until the writer has to.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._connection.close()
