"""An event loop in its own thread, for callers in other threads and event loops."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from tallyhook_mock.server import RealTimeLoop

__all__ = ["Loop", "here"]

__tracebackhide__ = True  # pytest shows the line of the test

T = TypeVar("T")


class Loop:
    """An event loop that runs until it is closed. It uses real time, even if a test freezes time."""

    def __init__(self, name: str) -> None:
        self._loop = RealTimeLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in this loop, and return its result. Call this from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in this loop, and return its result. Await this in another event loop.

        Cancelling this call cancels the coroutine.
        """
        loop = here(work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop), loop=loop)

    def close(self) -> None:
        """Cancel all running work, and end the thread."""
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def here(work: Coroutine[Any, Any, object] | None = None) -> asyncio.AbstractEventLoop:
    """Return the asyncio event loop in which the caller runs.

    If there is none, closes `work` without running it, and raises RuntimeError.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if work is not None:
            work.close()
        raise RuntimeError(
            'this can be awaited on asyncio only: let the fixture `anyio_backend` return "asyncio"'
        ) from None


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
