"""Work that goes on whoever waits for its answer, and whether or not somebody still does."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tallyhook_receiver.answers import Answer
from tallyhook_receiver.deadlines import Deadlines
from tallyhook_receiver.here import running_loop

__all__ = ["Work"]


class Work:
    """A coroutine in a task of its own, and the deliveries that wait for what it answers.

    They are woken when it ends, and not by the task: its callbacks, or `asyncio.wait`, take another turn of
    the loop for each hook.
    """

    __slots__ = ("_waiters", "task")

    def __init__(self, attempt: Coroutine[Any, Any, Answer]) -> None:
        self._waiters: list[asyncio.Future[Answer | None]] = []
        self.task = running_loop().create_task(self._run(attempt))

    async def answer(self, deadlines: Deadlines, seconds: float) -> Answer | None:
        """Its answer; None if it takes longer, or was canceled. It goes on when whoever asks is canceled."""
        waiter: asyncio.Future[Answer | None] = running_loop().create_future()
        self._waiters.append(waiter)
        due = deadlines.set(seconds, lambda: _tell(waiter, None))
        try:
            return await waiter
        finally:
            due.cancel()

    async def _run(self, attempt: Coroutine[Any, Any, Answer]) -> None:
        answer = None
        try:
            answer = await attempt
        finally:
            for waiter in self._waiters:
                _tell(waiter, answer)


def _tell(waiter: "asyncio.Future[Answer | None]", answer: Answer | None) -> None:
    if not waiter.done():  # the time was up, or whoever waited has gone
        waiter.set_result(answer)
