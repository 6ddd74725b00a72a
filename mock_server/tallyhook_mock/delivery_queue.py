"""Deliveries on their way: who has to wait for whom."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from tallyhook_mock.core.hooks import Delivery

__all__ = ["DeliveryQueue"]


class DeliveryQueue:
    """One delivery after the other for a customer, side by side across customers.

    `carry` makes one delivery and reports it; `width` is how many are made at the same time.
    """

    def __init__(self, carry: Callable[[Delivery], Awaitable[None]], width: int = 8) -> None:
        self._carry = carry
        self._width = width
        self._lanes: dict[tuple[str, str, str], deque[Delivery]] = {}
        self._ready: deque[tuple[str, str, str]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Put deliveries at the end of their customers' lanes, and see to it that they get going."""
        for delivery in deliveries:
            key = delivery.hook.account
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = deque()
                self._ready.append(key)
            lane.append(delivery)
        while len(self._workers) < min(self._width, len(self._lanes)):
            self._workers.add(asyncio.create_task(self._work()))

    @property
    def are_busy(self) -> bool:
        return bool(self._workers)

    async def idle(self) -> None:
        """Wait until nothing is on its way."""
        while self._workers:
            await asyncio.gather(*self._workers)

    async def close(self) -> None:
        """Drop what is on its way."""
        self._ready.clear()
        workers = tuple(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._lanes.clear()

    async def _work(self) -> None:
        try:
            while self._ready:
                key = self._ready.popleft()
                lane = self._lanes[key]
                try:
                    await self._carry(lane.popleft())
                finally:
                    if lane:
                        self._ready.append(key)
                    else:
                        del self._lanes[key]
        finally:
            # Not in a callback: between the last look at the lanes and a callback, `add` would count on a
            # worker that is about to leave.
            worker = asyncio.current_task()
            if worker is not None:
                self._workers.discard(worker)
