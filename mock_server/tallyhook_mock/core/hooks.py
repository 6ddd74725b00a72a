"""Hooks and their deliveries: the listeners, their answers, and the times of retries.

This module does no I/O. `due` returns the deliveries to send, and the sender reports each attempt with
`record`. A hook is settled when every delivery was acknowledged, canceled or given up. The method that
settles a hook returns the hook.
"""

import hashlib
import heapq
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import field

from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.ids import Ids

__all__ = [
    "CHEDDAR",
    "RETRY_PAUSES",
    "Attempt",
    "Delivery",
    "DeliveryState",
    "Hook",
    "Hooks",
    "Listener",
    "Policy",
]

# Growing pauses between attempts. The last one repeats, and a hook is never given up (inferred: the real
# schedule is not public).
RETRY_PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
# The only system with products. Its hooks are never given up.
CHEDDAR = "cheddar"
# How many finished hooks are kept.
KEPT = 10_000


class Policy(Value, frozen=True):
    """How a system other than Cheddar sends its hooks.

    `pauses` are the times between attempts. If the last attempt fails, the hook is given up. `timeout` is how
    long a listener may take to answer, in real seconds, or None for the sender's default. `header` is the
    name of the header that contains a listener's key, unless the listener names a different header. `header`
    is empty if the system's hooks have no key.
    """

    system: str
    types: tuple[str, ...]
    pauses: tuple[timedelta, ...]
    timeout: float | None = None
    header: str = ""

    def check(self, events: Collection[str], header: str, key: str) -> None:
        """Raise ValueError if a listener can't be registered with these values."""
        if unknown := sorted(set(events).difference(self.types)):
            raise ValueError(f"{', '.join(unknown)}: not one of {', '.join(self.types)}")
        if (header or key) and not self.header:
            raise ValueError(f"{self.system} sends no key: its hooks are not signed")
        if header and not (header.isascii() and header.replace("-", "").isalnum()):
            raise ValueError(f"{header!r} is not a header name")


class Listener(Entity, eq=False):
    """A URL that gets the hooks in `events`, or all hooks if `events` is empty.

    A listener of a `system` other than Cheddar has no product. If it has a `key`, the key is sent in the
    header that `header` names. A paused listener gets no hooks. Its hooks wait and hold their invoices, just
    as if the listener failed (inferred: it has not reviewed the bill yet).
    """

    id: int
    product: str
    url: str
    events: frozenset[str] = frozenset()
    is_paused: bool = False
    system: str = CHEDDAR
    header: str = ""
    key: str = ""

    def wants(self, product: str, type: str, system: str = CHEDDAR) -> bool:
        is_own = (self.system, self.product) == (system, product)
        return is_own and (not self.events or type in self.events)


class Attempt(Value, frozen=True):
    """One attempt to deliver a hook.

    `at` is the mock's time, `status` the status of the answer (None if there was none), and `seconds` the
    real time that the attempt took. `headers` are the headers sent. `fault` is the kind of the planned fault
    that affected the attempt, or empty.

    Standing: documented.
    """

    at: datetime
    status: int | None
    seconds: float
    answer: str = ""
    fault: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def acknowledged(self) -> bool:
        """Whether the answer is a 2xx. No other answer acknowledges a hook."""
        return self.status is not None and 200 <= self.status < 300


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    CANCELED = "canceled"
    FAILED = "failed"  # given up: no attempt was acknowledged


class Delivery(Entity, eq=False):
    """The delivery of one hook to one listener.

    If a planned fault postpones the delivery, later hooks may overtake it. A replay sends an
    acknowledged hook again. A hook is settled without waiting for its replays.
    """

    id: int
    hook: "Hook"
    listener: Listener
    next_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: list[Attempt] = field(default_factory=list)
    is_postponed: bool = False
    is_replay: bool = False

    @property
    def is_settled(self) -> bool:
        return self.state not in (DeliveryState.PENDING, DeliveryState.SENDING)


class Hook(Entity, eq=False):
    """A hook as it is sent. Retries have the same body.

    `subject` is the id of the hook's invoice. `policy` is None for Cheddar's hooks. In another system,
    `policy` is that system's policy, and `customer` is the account that the hook is about.
    """

    id: int
    type: str
    product: str
    customer: str
    subject: int
    body: bytes
    at: datetime
    deliveries: list[Delivery] = field(default_factory=list)
    policy: Policy | None = None

    @property
    def system(self) -> str:
        return CHEDDAR if self.policy is None else self.policy.system

    @property
    def account(self) -> tuple[str, str, str]:
        """The account that the hook is about.

        Due deliveries about the same account are sent one after the other, oldest first.
        """
        return self.system, self.product, self.customer

    @property
    def is_settled(self) -> bool:
        """Whether all deliveries except replays are over."""
        return all(delivery.is_settled for delivery in self.deliveries if not delivery.is_replay)

    @property
    def is_acknowledged(self) -> bool:
        """Whether all listeners have acknowledged the hook. This is false if the hook was canceled."""
        return all(
            delivery.state is DeliveryState.DELIVERED
            for delivery in self.deliveries
            if not delivery.is_replay
        )

    @property
    def is_done(self) -> bool:
        """Whether all deliveries, including replays, are over."""
        return all(delivery.is_settled for delivery in self.deliveries)


class Hooks:
    """The listeners, the log of hooks, and the agenda of deliveries.

    The log contains every unfinished hook, but only the latest finished hooks, so that memory stays bounded.
    """

    def __init__(self, ids: Ids, kept: int = KEPT) -> None:
        self.pauses: tuple[timedelta, ...] = RETRY_PAUSES
        self.listeners: dict[int, Listener] = {}
        self.log: dict[int, Hook] = {}
        self._kept = kept
        # How many deliveries in the log are in each state, by the id of their listener.
        self.counts: Counter[tuple[int, DeliveryState]] = Counter()
        self._about: dict[tuple[str, str, str], list[Hook]] = {}  # by account
        self._done: deque[Hook] = deque()  # in the order in which they were finished
        self._ids = ids
        self._agenda: list[tuple[datetime, int, Delivery]] = []

    def listen(
        self,
        product: str,
        url: str,
        events: frozenset[str] = frozenset(),
        *,
        system: str = CHEDDAR,
        header: str = "",
        key: str = "",
    ) -> Listener:
        """Register a listener. A listener with a `header` but no key gets a generated key."""
        listener = Listener(self._ids.next(), product, url, events, system=system, header=header, key=key)
        if header and not key:
            # Derived from the id, so that replaying a journal generates the same key.
            listener.key = hashlib.sha256(str(listener.id).encode()).hexdigest()[:32]
        self.listeners[listener.id] = listener
        return listener

    def forget(self, listener: Listener) -> list[Hook]:
        """Remove a listener and cancel its deliveries.

        Returns the hooks that are settled by the cancellation.
        """
        del self.listeners[listener.id]
        return [hook for delivery in self._pending(listener) if (hook := self.cancel(delivery))]

    def pause(self, listener: Listener) -> None:
        """Stop sending to a listener until it is resumed. Attempts in progress continue."""
        listener.is_paused = True

    def resume(self, listener: Listener, at: datetime) -> None:
        """Resume a paused listener.

        Its waiting deliveries are sent at their planned times, or at once if those have passed.
        """
        listener.is_paused = False
        for delivery in self._pending(listener):
            self._schedule(delivery, max(delivery.next_at, at))

    def wanted(self, product: str, type: str, system: str = CHEDDAR) -> list[Listener]:
        return [listener for listener in self.listeners.values() if listener.wants(product, type, system)]

    def about(self, product: str, customer: str) -> Sequence[Hook]:
        """Return the logged hooks that are about a Cheddar customer, oldest first."""
        return tuple(self._about.get((CHEDDAR, product, customer), ()))

    def send(
        self,
        type: str,
        product: str,
        customer: str,
        subject: int,
        body: bytes,
        at: datetime,
        policy: Policy | None = None,
    ) -> Hook | None:
        """Send a hook to every listener that wants it.

        Returns the hook, or None if there is no such listener.
        """
        listeners = self.wanted(product, type, CHEDDAR if policy is None else policy.system)
        if not listeners:
            return None
        hook = Hook(self._ids.next(), type, product, customer, subject, body, at, policy=policy)
        self.log[hook.id] = hook
        self._about.setdefault(hook.account, []).append(hook)
        for listener in listeners:
            self._deliver(hook, listener, at)
        return hook

    def next_due(self) -> datetime | None:
        """Return the time of the next delivery, or None if there is none."""
        agenda = self._agenda
        while agenda and not self._is_current(agenda[0]):
            heapq.heappop(agenda)
        return agenda[0][0] if agenda else None

    def due(self, now: datetime) -> list[Delivery]:
        """Take and return every delivery that is due, oldest first. Report each attempt with `record`."""
        taken = []
        while (when := self.next_due()) is not None and when <= now:
            delivery = heapq.heappop(self._agenda)[2]
            self._turn(delivery, DeliveryState.SENDING)
            taken.append(delivery)
        return taken

    def record(self, delivery: Delivery, attempt: Attempt) -> Hook | None:
        """Record the result of an attempt. Returns the hook if the attempt settles it.

        Standing: documented; inferred.
        """
        delivery.attempts.append(attempt)
        delivery.is_postponed = False
        if delivery.state is not DeliveryState.SENDING:  # canceled in the meantime, or sent again by hand
            return None
        if attempt.acknowledged:
            return self._end(delivery, DeliveryState.DELIVERED)
        if delivery.listener.id not in self.listeners:  # forgotten in the meantime
            return self.cancel(delivery)
        policy, count = delivery.hook.policy, len(delivery.attempts)
        if policy is None:
            pause = self.pauses[min(count, len(self.pauses)) - 1]
        elif count > len(policy.pauses):
            return self._end(delivery, DeliveryState.FAILED)
        else:
            pause = policy.pauses[count - 1]
        self._schedule(delivery, attempt.at + pause)
        return None

    def postpone(self, delivery: Delivery, at: datetime) -> None:
        """Postpone a delivery that `due` returned, without recording an attempt."""
        delivery.is_postponed = True
        self._schedule(delivery, at)

    def put_back(self, delivery: Delivery) -> None:
        """Put back a delivery that `due` returned, because its listener has been paused in the meantime."""
        self._schedule(delivery, delivery.next_at)

    def put_back_all(self) -> None:
        """Put back all deliveries that `due` returned, because the process or queue that had them is gone."""
        for hook in self.log.values():
            for delivery in hook.deliveries:
                if delivery.state is DeliveryState.SENDING:
                    self.put_back(delivery)

    def retry(self, delivery: Delivery, at: datetime) -> None:
        """Send a delivery again at once, even if it was canceled."""
        if delivery.state is not DeliveryState.SENDING:
            self._schedule(delivery, at)

    def replay(self, delivery: Delivery, at: datetime) -> Delivery:
        """Send an acknowledged delivery again. The hook stays settled, whatever the answer (inferred)."""
        replay = self._deliver(delivery.hook, delivery.listener, at)
        replay.is_replay = True
        return replay

    def cancel(self, delivery: Delivery) -> Hook | None:
        """Cancel a delivery. It then no longer holds the hook's invoice (inferred).

        Returns the hook if the cancellation settles it.
        """
        if delivery.is_settled:
            return None
        return self._end(delivery, DeliveryState.CANCELED)

    def _end(self, delivery: Delivery, state: DeliveryState) -> Hook | None:
        self._turn(delivery, state)
        hook = delivery.hook
        if hook.is_done:
            self._done.append(hook)
        while len(self._done) > self._kept:
            oldest = self._done.popleft()
            if oldest.is_done and oldest.id in self.log:  # not if it was sent again in the meantime
                self._drop(oldest)
        return hook if hook.is_settled else None

    def _turn(self, delivery: Delivery, state: DeliveryState) -> None:
        if delivery.hook.id in self.log:
            self.counts[delivery.listener.id, delivery.state] -= 1
            self.counts[delivery.listener.id, state] += 1
        delivery.state = state

    def _drop(self, hook: Hook) -> None:
        del self.log[hook.id]
        self._about[hook.account].remove(hook)
        if not self._about[hook.account]:
            del self._about[hook.account]
        for delivery in hook.deliveries:
            self.counts[delivery.listener.id, delivery.state] -= 1

    def _deliver(self, hook: Hook, listener: Listener, at: datetime) -> Delivery:
        delivery = Delivery(self._ids.next(), hook, listener, at)
        hook.deliveries.append(delivery)
        if hook.id in self.log:
            self.counts[listener.id, delivery.state] += 1
        self._schedule(delivery, at)
        return delivery

    def _pending(self, listener: Listener) -> list[Delivery]:
        # Read from the log, because the agenda drops the deliveries of a paused listener.
        return [
            delivery
            for hook in self.log.values()
            for delivery in hook.deliveries
            if delivery.listener is listener and delivery.state is DeliveryState.PENDING
        ]

    def _schedule(self, delivery: Delivery, at: datetime) -> None:
        self._turn(delivery, DeliveryState.PENDING)
        delivery.next_at = at
        heapq.heappush(self._agenda, (at, delivery.id, delivery))

    @staticmethod
    def _is_current(entry: tuple[datetime, int, Delivery]) -> bool:
        at, _, delivery = entry
        return (
            delivery.state is DeliveryState.PENDING
            and delivery.next_at == at
            and not delivery.listener.is_paused
        )
