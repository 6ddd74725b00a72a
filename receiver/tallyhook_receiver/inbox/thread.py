"""Waiting for a thread's end from within an event loop."""

import asyncio
import threading

__all__ = ["ended"]


async def ended(thread: threading.Thread) -> None:
    """Returns once the thread has ended.

    No other thread waits for it, as `asyncio.to_thread` would have one do: while Python ends none can be had.
    """
    while thread.is_alive():
        await asyncio.sleep(0.002)
