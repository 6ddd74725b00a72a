"""Simulate power cuts for SQLite: copy each file when it is flushed, and restore the copies after the cut.

SQLite gets a default VFS that differs from the usual one in two functions: `xSync` copies the file after the
usual `xSync` has returned, and `xDelete` also deletes the copy. This works with the system's SQLite library
that Python uses.

The simulation has limits. A power cut loses everything that was written but not flushed, while a real disk
may keep parts of it, in any order. A flushed file is sure to exist after the cut. Deletions take effect at
once.
"""

import ctypes
import ctypes.util
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Disk", "record_flushes"]

_P = ctypes.c_void_p
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_int)
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, _P, _P, _P, ctypes.c_int, _P)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, _P, _P, ctypes.c_int)
_WORD = ctypes.sizeof(_P)

# sqlite3_io_methods: iVersion and padding, then pointers; xSync is the fifth of 18 (version 3).
_METHODS = 19 * _WORD
_SYNC_AT = 5 * _WORD
# sqlite3_vfs: iVersion, szOsFile, mxPathname and padding, pNext, zName, pAppData, xOpen, xDelete, ...
_NAME_AT, _OPEN_AT, _DELETE_AT, _VFS = 24, 40, 48, 40 + 16 * _WORD

_kept: list[Any] = []  # objects that the library has pointers to, so that they aren't freed


class Disk:
    """A disk with a database's files and, in the folder `flushed`, copies of their last flushed content."""

    def __init__(self, database: Path) -> None:
        self._folder = database.parent
        self._name = database.name

    def cut(self) -> None:
        """Restore the last flushed content of all files. All processes must be dead."""
        for file in self._folder.glob(f"{self._name}*"):
            file.unlink()
        for image in (self._folder / "flushed").glob(f"{self._name}*"):
            shutil.copyfile(image, self._folder / image.name)


def record_flushes(folder: Path) -> None:
    """From now on, copy each file in `folder` that this process's SQLite flushes to `folder/flushed`."""
    images = folder / "flushed"
    images.mkdir(exist_ok=True)
    library = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
    library.sqlite3_vfs_find.restype = _P
    usual = library.sqlite3_vfs_find(None)
    vfs = ctypes.create_string_buffer(ctypes.string_at(usual, _VFS), _VFS)
    name = ctypes.create_string_buffer(b"flushes")
    opening = _OPEN(_pointer(ctypes.addressof(vfs) + _OPEN_AT))
    deleting = _DELETE(_pointer(ctypes.addressof(vfs) + _DELETE_AT))
    patched: dict[int, int] = {}  # from the address of the usual methods to the address of ours
    paths: dict[int, str] = {}  # the paths of open files

    def copy(path: str) -> None:
        image = images / Path(path).name
        new = image.with_name(f".{image.name}.{threading.get_native_id()}")
        shutil.copyfile(path, new)
        new.replace(image)

    @_OPEN
    def open_(self: int, path: int | None, file: int, flags: int, out: int | None) -> int:
        code = opening(self, path, file, flags, out)
        methods = _pointer(file)
        if code == 0 and path is not None and methods:
            if methods not in patched:
                patched[methods] = _with_sync(methods, paths, copy)
            ctypes.cast(file, ctypes.POINTER(_P))[0] = patched[methods]
            paths[file] = os.fsdecode(ctypes.string_at(path))
        return code

    @_DELETE
    def delete(self: int, path: int, flush: int) -> int:
        code = deleting(self, path, flush)
        (images / Path(os.fsdecode(ctypes.string_at(path))).name).unlink(missing_ok=True)
        return code

    _put(ctypes.addressof(vfs) + _NAME_AT, ctypes.addressof(name))
    _put(ctypes.addressof(vfs) + _OPEN_AT, ctypes.cast(open_, _P).value or 0)
    _put(ctypes.addressof(vfs) + _DELETE_AT, ctypes.cast(delete, _P).value or 0)
    _kept.extend((library, vfs, name, open_, delete))
    if library.sqlite3_vfs_register(ctypes.byref(vfs), 1):
        raise RuntimeError("SQLite takes no VFS")


def _with_sync(methods: int, paths: dict[int, str], copy: Callable[[str], None]) -> int:
    """Return the address of a copy of these methods. After a flush, the copy's xSync copies the file."""
    ours = ctypes.create_string_buffer(ctypes.string_at(methods, _METHODS), _METHODS)
    syncing = _SYNC(_pointer(methods + _SYNC_AT))

    @_SYNC
    def sync(file: int, flags: int) -> int:
        code = syncing(file, flags)
        if code == 0:
            copy(paths[file])
        return code

    _put(ctypes.addressof(ours) + _SYNC_AT, ctypes.cast(sync, _P).value or 0)
    _kept.extend((ours, sync))
    return ctypes.addressof(ours)


def _pointer(address: int) -> int:
    return ctypes.cast(address, ctypes.POINTER(_P))[0] or 0


def _put(address: int, value: int) -> None:
    ctypes.cast(address, ctypes.POINTER(_P))[0] = value
