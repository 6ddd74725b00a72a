"""Which process this is and which event loop runs here, without a system call.

CPython 3.11 asks the system for the process's id whenever it is asked for the running loop. Each such call
leaves the processor's caches and predictions cold behind it: nine of them were a sixth of a hook's cost.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable

__all__ = ["process", "running_loop"]


class _Thread(threading.local):
    loop: asyncio.AbstractEventLoop | None = None


_forks = 0
_thread = _Thread()


def process() -> int:
    """A number that a process and those forked from it don't share."""
    return _forks


def _remembered_loop() -> asyncio.AbstractEventLoop:
    """`asyncio.get_running_loop()`, remembered for each thread: one that still runs is the only one there."""
    loop = _thread.loop
    if loop is None or not loop.is_running():
        loop = _thread.loop = asyncio.get_running_loop()
    return loop


running_loop: Callable[[], asyncio.AbstractEventLoop] = (
    asyncio.get_running_loop if sys.version_info >= (3, 12) else _remembered_loop
)
"""The loop that runs here. Raises RuntimeError if there is none."""


def _forked() -> None:
    global _forks, _thread
    _forks += 1
    _thread = _Thread()


if hasattr(os, "register_at_fork"):  # where processes can't be forked there is none
    os.register_at_fork(after_in_child=_forked)
