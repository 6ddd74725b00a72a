"""The files in which a mock with `--state FILE` stores its state, so that it survives a crash.

FILE is a snapshot. FILE.log records everything that happened after the snapshot, in order and with the time
on the mock's clock: each call that may change something, each step of a billing system, and each delivery
attempt. The billing rules depend on nothing else, so replaying the log restores the same state. A call is
answered only after its record is on the disk. Calls that are waiting at the same time share one flush to the
disk.
"""

import asyncio
import fcntl
import os
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tallyhook_mock.core.base import Value
from tallyhook_mock.snapshot import SnapshotError, read_file, write_file

__all__ = ["Journal", "Record"]

# In bytes. A longer log is replaced by a snapshot.
_LONGEST = 16_000_000
_HEAD = b"tallyhook log 1 "
_WITHOUT = "delete it to start from the snapshot alone"


class Record(Value, frozen=True, array_like=True):
    """One recorded action, which `kind` and `content` describe.

    `at` and `offset` are the time and the offset of the mock's clock.
    """

    kind: str
    at: datetime
    offset: timedelta | None
    content: Any = None


class Journal:
    """Reads and writes the snapshot FILE and its log FILE.log.

    A lock on FILE.lock keeps other processes out until the journal is closed or this process ends.
    """

    def __init__(self, file: Path) -> None:
        """Take the lock, and read the snapshot and the log if there are any.

        Raises SnapshotError if `file` isn't a readable snapshot, if its log is damaged, or if another mock
        uses it. May raise OSError.
        """
        self.file = file
        self._lock = _lock(file)
        self._log_file = file.with_name(f"{file.name}.log")
        self._log = -1
        self._length = 0
        self._buffer: list[bytes] = []
        self._appended = self._durable = 0
        self._flush: asyncio.Task[None] | None = None
        self._failure: OSError | None = None  # after a failed write, no call is answered
        try:
            self.saved: Any = read_file(file) if file.exists() else None
            self.records = self._read_log()
        except (SnapshotError, OSError):
            self.close()
            raise

    def _read_log(self) -> list[Record]:
        """Return the records since the snapshot.

        A record that a crash cut off is left out, because its call was never answered. Raises SnapshotError
        if anything else can't be read. May raise OSError.
        """
        if self.saved is None or not self._log_file.exists():
            return []
        written = self._log_file.read_bytes()
        head, _, rest = written.partition(b"\n")
        if not head.startswith(_HEAD):
            raise SnapshotError(f"its log, {self._log_file}, is not the log of a mock")
        if head != _HEAD + str(self.saved["generation"]).encode():
            return []  # the log belongs to an earlier snapshot, and this snapshot contains all of it
        records: list[Record] = []
        at = 0
        while at + 8 <= len(rest):
            length, check = int.from_bytes(rest[at : at + 4]), int.from_bytes(rest[at + 4 : at + 8])
            end = at + 8 + length
            line = rest[at + 8 : end]
            if not line or zlib.crc32(line) != check:
                # After a power cut, some file systems fill the rest of the file with zeros.
                if rest[end:].strip(b"\0"):
                    raise SnapshotError(f"its log, {self._log_file}, is damaged; {_WITHOUT}")
                break
            try:
                records.append(msgspec.msgpack.decode(line, type=Record))
            except msgspec.DecodeError:
                raise SnapshotError(
                    f"its log, {self._log_file}, was written by another version; {_WITHOUT}"
                ) from None
            at = end
        return records

    def begin(self, written: bytes, generation: int) -> None:
        """Replace the files with a new snapshot and an empty log. Returns when both are on the disk."""
        write_file(self.file, written)
        self._close_log()
        write_file(self._log_file, _HEAD + str(generation).encode() + b"\n")
        self._log = os.open(self._log_file, os.O_WRONLY | os.O_APPEND)
        self._length = 0
        self._buffer.clear()
        self._durable = self._appended

    @property
    def is_long(self) -> bool:
        return self._length > _LONGEST

    def append(self, record: Record) -> None:
        """Append a record to the log. The record is on the disk once `durable` returns."""
        line = msgspec.msgpack.encode(record)
        self._buffer.append(len(line).to_bytes(4) + zlib.crc32(line).to_bytes(4) + line)
        self._length += len(line) + 8
        self._appended += 1

    async def durable(self) -> None:
        """Wait until every record appended so far is on the disk. May raise OSError."""
        target = self._appended
        while self._durable < target:
            if self._flush is None:
                self._flush = asyncio.create_task(self._write())
            await asyncio.shield(self._flush)
        if self._failure is not None:
            raise self._failure

    async def _write(self) -> None:
        upto, written = self._appended, b"".join(self._buffer)
        self._buffer.clear()
        try:
            await asyncio.to_thread(self._append, self._log, written)
        except OSError as error:
            self._failure = error
        self._durable, self._flush = max(self._durable, upto), None

    @staticmethod
    def _append(log: int, written: bytes) -> None:
        view = memoryview(written)
        while view:
            view = view[os.write(log, view) :]
        os.fdatasync(log)

    async def settle(self) -> None:
        """Wait until no flush is in progress. Call this before you replace the log."""
        while self._flush is not None:
            await asyncio.shield(self._flush)

    def close(self) -> None:
        """Close the files and release the lock."""
        self._close_log()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _close_log(self) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1


def _lock(file: Path) -> int:
    """Take the lock, and return its file descriptor. Closing the descriptor releases the lock."""
    lock = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 20, 0).decode()
        os.close(lock)
        raise SnapshotError(
            f"another mock is using it, process {owner}; stop that one, or use another file"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock
