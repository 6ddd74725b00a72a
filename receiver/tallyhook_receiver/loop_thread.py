"""An event loop in a thread, for callers without one (WSGI servers, AWS Lambda, scripts), and a lock."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread. The first call of `run` in each process starts the thread.

    The thread can't be started earlier: a server may load the application and then fork its workers, and a
    fork doesn't copy threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0

    @property
    def is_running(self) -> bool:
        """Whether the event loop is running in this process."""
        return self._loop is not None and self._process == os.getpid()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop, and return its result.

        Raises RuntimeError if called in the event loop itself.
        """
        if self.is_running and threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this would wait for itself: await the async method instead")
        return asyncio.run_coroutine_threadsafe(work, self._started()).result()

    def stop(self) -> None:
        """Cancel running work and end the event loop. Does nothing if no event loop is running."""
        with self._lock:
            if self.is_running and self._loop is not None and self._thread is not None:
                asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
            self._loop = self._thread = None

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._process != os.getpid():
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="tallyhook-loop", daemon=True
                )
                self._thread.start()
            return self._loop


class LoopLock:
    """A lock for the tasks of one event loop.

    In another event loop it is a new lock, because a task of the earlier loop may hold the old one forever.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def here(self) -> asyncio.Lock:
        """Return the lock of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return self._lock


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
