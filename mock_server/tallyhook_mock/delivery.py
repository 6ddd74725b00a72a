"""Delivers hooks: sends the due ones, in order for each account, and records the results."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from tallyhook_mock.core.hooks import Attempt, Delivery, DeliveryState, Hook, Listener
from tallyhook_mock.core.money import exact
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.sender import attempt_delivery, hook_headers, keyed_headers

if TYPE_CHECKING:
    from tallyhook_mock.mock import Mock

__all__ = ["Deliveries", "DeliveryQueue"]

_WIDTH = 8  # how many deliveries may be in progress


class DeliveryQueue:
    """Delivers the hooks of one account in order, and the hooks of different accounts concurrently.

    `carry` is called for each delivery. At most eight of these calls run at the same time.
    """

    def __init__(self, carry: Callable[[Delivery], Awaitable[None]]) -> None:
        self._carry = carry
        self._lines: dict[tuple[str, str, str], deque[Delivery]] = {}
        self._ready: deque[tuple[str, str, str]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Queue each delivery behind the earlier ones of its account, and start workers."""
        for delivery in deliveries:
            key = delivery.hook.account
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = deque()
                self._ready.append(key)
            line.append(delivery)
        while len(self._workers) < min(_WIDTH, len(self._lines)):
            self._workers.add(asyncio.create_task(self._work()))

    @property
    def are_busy(self) -> bool:
        return bool(self._workers)

    async def idle(self) -> None:
        """Wait until no delivery is queued or in progress."""
        while self._workers:
            await asyncio.gather(*self._workers)

    async def close(self) -> None:
        """Cancel the deliveries in progress, and discard the queued ones."""
        self._ready.clear()
        workers = tuple(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._lines.clear()

    async def _work(self) -> None:
        try:
            while self._ready:
                key = self._ready.popleft()
                line = self._lines[key]
                try:
                    await self._carry(line.popleft())
                finally:
                    if line:
                        self._ready.append(key)
                    else:
                        del self._lines[key]
        finally:
            # A task's callback would be too late: `add` could run before it, and count on this worker.
            worker = asyncio.current_task()
            if worker is not None:
                self._workers.discard(worker)


class Deliveries:
    """Sends the mock's hooks to listeners, and records the attempts."""

    def __init__(self, mock: "Mock") -> None:
        self._mock = mock
        self._queue = DeliveryQueue(self._carry)

    def send_due(self) -> None:
        """Start the deliveries that are due."""
        self._queue.add(self.take_due())

    @property
    def are_busy(self) -> bool:
        return self._queue.are_busy

    async def idle(self) -> None:
        """Wait until no delivery is queued or in progress."""
        await self._queue.idle()

    async def close(self) -> None:
        """Cancel the deliveries in progress, and discard the queued ones."""
        await self._queue.close()

    def headers(self, hook: Hook, listener: Listener) -> dict[str, str]:
        """Return the headers that a hook would have if it were sent to the listener now."""
        if hook.policy is not None:
            return keyed_headers(listener)
        return hook_headers(hook.body, self._mock.state.products[hook.product], hook.id)

    @exact()
    def take_due(self) -> list[Delivery]:
        """Return the deliveries that are due, and mark them as being sent."""
        mock = self._mock
        due = mock.state.hooks.next_due()
        if due is None or due > mock.clock.now():
            return []
        mock.persistence.record("due")
        return mock.state.hooks.due(mock.clock.now())

    async def _carry(self, delivery: Delivery) -> None:
        """Make one attempt at a delivery, and apply a planned fault if one matches."""
        is_sent, fault = self.prepare(delivery)
        if is_sent:
            mock, headers = self._mock, self.headers(delivery.hook, delivery.listener)
            attempts = await attempt_delivery(mock.sender, delivery, headers, fault, mock.clock.now)
            self.report(delivery, attempts)

    def prepare(self, delivery: Delivery) -> tuple[bool, Fault | None]:
        """Return whether to send a delivery now, and the planned fault to apply (None if there is none)."""
        if delivery.state is not DeliveryState.SENDING:  # canceled while it was queued
            return False, None
        mock, hook = self._mock, delivery.hook
        mock.persistence.record("carry", (hook.id, delivery.id))
        if delivery.listener.is_paused:
            mock.state.hooks.put_back(delivery)
            return False, None
        fault = None if delivery.is_postponed else mock.faults.for_delivery(hook.type, hook.customer)
        if fault is not None:
            where = f"{hook.type} to {delivery.listener.url}"
            mock.note_fault(fault, where, hook.product, hook.customer, hook.system)
            if fault.kind is FaultKind.REORDER:
                mock.state.hooks.postpone(delivery, mock.clock.now() + fault.by)
                mock.stir()
                return False, fault
        return True, fault

    @exact()
    def report(self, delivery: Delivery, attempts: list[Attempt]) -> None:
        """Record the attempts of a delivery. This may release the invoice that is waiting for the hook."""
        mock = self._mock
        mock.persistence.record("attempts", (delivery.hook.id, delivery.id, attempts))
        for attempt in attempts:
            settled = mock.state.hooks.record(delivery, attempt)
            mock.timeline.attempted(delivery, attempt)
            mock.state.actor = "system"
            mock.settled(settled, attempt.at)
