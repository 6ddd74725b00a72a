"""The journal of an audit: each step is recorded before it is taken."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """The quantities that the audit declares, as decimals in text."""

    window: str
    at: datetime
    quantities: dict[str, str]


class Setting(msgspec.Struct, frozen=True, kw_only=True, tag="setting"):
    """A total is about to be set. Setting it twice has the same effect as once.

    `up` is the machine's uptime in seconds; None if it isn't known.
    """

    window: str
    at: datetime
    item: str
    quantity: str
    up: float | None = None


class Adding(msgspec.Struct, frozen=True, kw_only=True, tag="adding"):
    """A charge is about to be added. Adding it twice would charge twice. `up` is as in `Setting`."""

    window: str
    at: datetime
    item: str
    quantity: str
    up: float | None = None


class Added(msgspec.Struct, frozen=True, kw_only=True, tag="added"):
    """The call that adds a charge was answered, so the charge exists even if the system doesn't show it."""

    window: str
    at: datetime
    item: str


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    """The invoice is about to be executed, with all declared quantities on it."""

    window: str
    at: datetime


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag="verified"):
    """The quantities were read back and match the declaration."""

    window: str
    at: datetime


Entry: TypeAlias = Declared | Setting | Adding | Added | Running | Verified


class Journal(Protocol):
    """Where an audit keeps its journal."""

    def entries(self, window: str) -> Sequence[Entry]:
        """The entries of one window, oldest first."""

    def append(self, entry: Entry) -> None:
        """Add an entry. Returns only once it is durable."""


class MemoryJournal:
    """A journal in memory, for dry runs and tests."""

    def __init__(self) -> None:
        self.all: list[Entry] = []

    def entries(self, window: str) -> Sequence[Entry]:
        return [entry for entry in self.all if entry.window == window]

    def append(self, entry: Entry) -> None:
        self.all.append(entry)


class FileJournal:
    """A file with one line per entry. An entry is on disk when `append` returns.

    Only one process may write to it at a time; a cron job can lock it, for example with flock. A last line
    that was cut off by a crash is dropped, because its request was never sent.
    """

    def __init__(self, path: Path | str) -> None:
        """Raises ValueError for a complete line that is not an entry."""
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
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self._all.append(entry)


_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
