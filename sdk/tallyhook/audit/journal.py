"""An audit's journal: each request is recorded before it is sent."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """An entry with the declared quantities by item, as text."""

    window: str
    at: datetime
    quantities: dict[str, str]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that is written before a quantity is sent.

    `up` is the machine's uptime in seconds; None if it isn't known.
    """

    window: str
    at: datetime
    item: str
    quantity: str
    up: float | None = None


class Setting(Request, frozen=True, kw_only=True, tag="setting"):
    """An entry that is written before an item's total is set. Setting a total twice does no harm."""


class Adding(Request, frozen=True, kw_only=True, tag="adding"):
    """An entry that is written before a charge is added. Sending this request twice would charge twice."""


class Added(msgspec.Struct, frozen=True, kw_only=True, tag="added"):
    """An entry that is written when the request to add a charge was answered.

    The charge exists then, even if the system doesn't show it.
    """

    window: str
    at: datetime
    item: str


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    """An entry that is written before the invoice is executed.

    By then, all declared quantities are on the invoice. `up` is the same as in a `Request`.
    """

    window: str
    at: datetime
    up: float | None = None


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag="verified"):
    """An entry that is written when the quantities have been read back and match the declaration."""

    window: str
    at: datetime


Entry: TypeAlias = Declared | Setting | Adding | Added | Running | Verified


class Journal(Protocol):
    """Stores an audit's entries."""

    def entries(self, window: str) -> Sequence[Entry]:
        """Return the entries about one window (see `Window`), oldest first."""

    def append(self, entry: Entry) -> None:
        """Append an entry, and return once it is durable."""


class MemoryJournal:
    """A journal in memory, for dry runs and tests."""

    def __init__(self) -> None:
        self.all: list[Entry] = []

    def entries(self, window: str) -> Sequence[Entry]:
        return [entry for entry in self.all if entry.window == window]

    def append(self, entry: Entry) -> None:
        self.all.append(entry)


class FileJournal:
    """A journal in a file with one line per entry. An entry is on disk when `append` returns.

    Only one process may write to the file at a time; a cron job can lock the file, for example with flock. If
    a crash has cut off the last line, the line is dropped. Nothing is lost, because no request is sent before
    `append` returns.
    """

    def __init__(self, path: Path | str) -> None:
        """Read the file, if it exists. Raises ValueError if a complete line is not an entry."""
        self._path = Path(path)
        self._all: list[Entry] = []
        if not self._path.exists():
            return
        written = self._path.read_bytes()
        whole, _, cut = written.rpartition(b"\n")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                self._all.append(_DECODER.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"{self._path}, line {number}: {error}") from None
        if cut:
            os.truncate(self._path, len(written) - len(cut))

    def entries(self, window: str) -> Sequence[Entry]:
        return [entry for entry in self._all if entry.window == window]

    def append(self, entry: Entry) -> None:
        is_new = not self._path.exists()
        with self._path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                left = memoryview(msgspec.json.encode(entry) + b"\n")
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(end)  # or else the next entry would be written into this line
                raise
        if is_new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self._all.append(entry)


_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
