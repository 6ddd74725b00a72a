"""Snapshots: the mock's whole state as bytes or as a file.

A snapshot consists of a line that names its format, a line with a digest, and a pickle. A pickle can call any
function, so `_Reader` allows only dates, decimals, collections, and the classes and functions of the mock's
state and billing rules. A test checks that these do no I/O. So a file from an untrusted source can contain a
wrong state, but it can't do any other harm.
"""

import gc
import hashlib
import io
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any

__all__ = ["SnapshotError", "pack", "read_file", "unpack", "write_file"]

_NAME = b"tallyhook world "
FORMAT = 4
_RULES = ("tallyhook_mock.core.", "tallyhook_mock.systems.")
_SHELL = (
    "tallyhook_mock.clock",
    "tallyhook_mock.faults",
    "tallyhook_mock.timeline",
    "tallyhook_mock.systems",
)
_LIBRARY = {
    ("collections", "Counter"),
    ("collections", "deque"),
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("random", "Random"),
}


class SnapshotError(ValueError):
    """The data is not a snapshot, is damaged, or has a format that this version can't read."""


def pack(world: object) -> bytes:
    """Return a mock's state, `world`, as the bytes of a snapshot."""
    with _no_search():
        content = pickle.dumps(world, 5)
    return b"%b%d\n%b\n%b" % (_NAME, FORMAT, hashlib.sha256(content).hexdigest().encode(), content)


def unpack(written: bytes) -> Any:
    """Return the mock's state from the bytes of a snapshot.

    Raises SnapshotError, with the reason, if the bytes can't be read.
    """
    head, _, rest = written.partition(b"\n")
    digest, _, content = rest.partition(b"\n")
    version = head.removeprefix(_NAME)
    if not head.startswith(_NAME) or not version.isdigit():
        raise SnapshotError("it is not a snapshot of a mock")
    if int(version) > FORMAT:
        raise SnapshotError(
            f"it has format {int(version)} and was written by a newer version; this one reads {FORMAT}"
        )
    if int(version) < FORMAT:
        raise SnapshotError(
            f"it has format {int(version)} and was written by an older version; this one reads {FORMAT}"
        )
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise SnapshotError("it is damaged: its content doesn't match its digest")
    try:
        with _no_search():
            return _Reader(io.BytesIO(content)).load()
    except SnapshotError:
        raise
    except Exception as error:
        raise SnapshotError(f"it can't be read: {error}") from error


def write_file(file: Path, written: bytes) -> None:
    """Replace a file's content atomically: a crash leaves either the old or the new content.

    May raise OSError.
    """
    new = file.with_name(f"{file.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(written)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(new, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_file(file: Path) -> Any:
    """Return the mock's state from a snapshot file. May raise SnapshotError or OSError."""
    return unpack(file.read_bytes())


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _LIBRARY:
            return super().find_class(module, name)
        if "." not in name and (module.startswith(_RULES) or module in _SHELL):
            found = super().find_class(module, name)
            if isinstance(found, type | FunctionType) and found.__module__ == module:
                return found
        raise SnapshotError(f"it refers to {module}.{name}, which is not allowed in a snapshot")


@contextmanager
def _no_search() -> Iterator[None]:
    """Turn the garbage collector off inside this context.

    Otherwise it would scan the growing state again and again while the state is packed or unpacked.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
