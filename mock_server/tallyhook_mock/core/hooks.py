"""Hooks on their way: who wants them, what was answered, when to try again.

No I/O happens here. `due` says what is to be sent, the sender reports each attempt with `record`, and a hook
that every listener has acknowledged (or that an operator has canceled) comes back as settled.
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

# Growing pauses between attempts; the last one repeats, so a hook is never given up (inferred: the real
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
# The system whose hooks are about the customers of products, and never given up.
CHEDDAR = "cheddar"
# How many hooks are kept for a look at them when nobody waits for them any more.
KEPT = 10_000


class Policy(Value, frozen=True):
    """How a system beside Cheddar sends its hooks.

    `pauses` lie between the attempts, and after the last attempt a hook is given up. `timeout` is how long a
    listener may take to answer, in real seconds; None leaves that to the sender. `header` is the one that a
    listener's key goes along in unless it names another; empty for hooks that bring no key.
    """

    system: str
    types: tuple[str, ...]
    pauses: tuple[timedelta, ...]
    timeout: float | None = None
    header: str = ""

    def check(self, events: Collection[str], header: str, key: str) -> None:
        """ValueError for a listener that can't be registered with these."""
        if unknown := sorted(set(events).difference(self.types)):
            raise ValueError(f"{', '.join(unknown)}: not one of {', '.join(self.types)}")
        if (header or key) and not self.header:
            raise ValueError(f"{self.system} sends no key along: its hooks are not signed")
        if header and not (header.isascii() and header.replace("-", "").isalnum()):
            raise ValueError(f"{header!r} is not the name of a header")


class Listener(Entity, eq=False):
    """Where hooks go. No events named = all of them.

    One of a `system` beside Cheddar is of no product. Its `key`, if it has one, goes along in a `header`.

    One that is paused gets nothing: its hooks wait, and hold their invoices meanwhile as they do while it
    fails (inferred: a listener with a say in the bill has not had it yet).
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
    """One try: the virtual moment, the answer's status (None if there was none), the real seconds it took.

    `headers` are those that it was sent with; `fault` is what was made to go wrong, empty for nothing.

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
        """An affirmative answer is a 2xx, and nothing else is."""
        return self.status is not None and 200 <= self.status < 300


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    CANCELED = "canceled"
    FAILED = "failed"  # given up: no attempt that its system makes was acknowledged


class Delivery(Entity, eq=False):
    """One hook to one listener. One that is postponed lets later ones overtake it.

    A replay repeats a delivery that was acknowledged, and is nothing that the hook has to wait for.
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
    """One event as it is sent: retries carry the same body.

    `subject` is the id of its invoice. The `policy` is that of a system beside Cheddar, which also calls the
    account that it is about its `customer`; None for a hook of Cheddar.
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
        """Whom it is about: hooks about the same one are sent one after the other."""
        return self.system, self.product, self.customer

    @property
    def is_settled(self) -> bool:
        """Whether nobody is waited for; replays are not."""
        return all(delivery.is_settled for delivery in self.deliveries if not delivery.is_replay)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is on its way, replays included."""
        return all(delivery.is_settled for delivery in self.deliveries)


class Hooks:
    """The listeners, the log of hooks, and the agenda of deliveries.

    The log has every hook that somebody is waited for, and of the others the latest: a year of a large town
    would fill the memory.
    """

    def __init__(self, ids: Ids, pauses: tuple[timedelta, ...] = RETRY_PAUSES, kept: int = KEPT) -> None:
        self.pauses = pauses
        self.listeners: dict[int, Listener] = {}
        self.log: dict[int, Hook] = {}
        self._kept = kept
        # How many deliveries of the log are in each state, by the id of their listener.
        self.counts: Counter[tuple[int, DeliveryState]] = Counter()
        self._about: dict[tuple[str, str, str], list[Hook]] = {}  # by account
        self._done: deque[Hook] = deque()  # in the order in which they were done with
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
        """Register a listener. One with a `header` and no key is given a key."""
        listener = Listener(self._ids.next(), product, url, events, system=system, header=header, key=key)
        if header and not key:
            # From the id, so that a world that is played again has the same.
            listener.key = hashlib.sha256(str(listener.id).encode()).hexdigest()[:32]
        self.listeners[listener.id] = listener
        return listener

    def forget(self, listener: Listener) -> list[Hook]:
        """Remove a listener and give up what is on its way to it. Gives the hooks that this settled."""
        del self.listeners[listener.id]
        return [hook for delivery in self._pending(listener) if (hook := self.cancel(delivery))]

    def pause(self, listener: Listener) -> None:
        """Send it nothing until it is resumed; what is on the wire already arrives."""
        listener.is_paused = True

    def resume(self, listener: Listener, at: datetime) -> None:
        """Send what has waited, each at the moment that was planned for it or now if that is over."""
        listener.is_paused = False
        for delivery in self._pending(listener):
            self._schedule(delivery, max(delivery.next_at, at))

    def wanted(self, product: str, type: str, system: str = CHEDDAR) -> list[Listener]:
        return [listener for listener in self.listeners.values() if listener.wants(product, type, system)]

    def about(self, product: str, customer: str, system: str = CHEDDAR) -> Sequence[Hook]:
        """The hooks of the log about a customer, oldest first."""
        return tuple(self._about.get((system, product, customer), ()))

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
        """Put a hook on its way to everybody who wants it; None if nobody does."""
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
        """The moment of the next delivery."""
        agenda = self._agenda
        while agenda and not self._is_current(agenda[0]):
            heapq.heappop(agenda)
        return agenda[0][0] if agenda else None

    def due(self, now: datetime) -> list[Delivery]:
        """Take every delivery that is due, oldest first; each must be reported with `record`."""
        taken = []
        while (when := self.next_due()) is not None and when <= now:
            delivery = heapq.heappop(self._agenda)[2]
            self._turn(delivery, DeliveryState.SENDING)
            taken.append(delivery)
        return taken

    def record(self, delivery: Delivery, attempt: Attempt) -> Hook | None:
        """Note what an attempt brought. Gives the hook if this settled it.

        Standing: documented; inferred.
        """
        delivery.attempts.append(attempt)
        delivery.is_postponed = False
        if delivery.state is not DeliveryState.SENDING:  # canceled meanwhile, or sent once more by hand
            return None
        if attempt.acknowledged:
            return self._end(delivery, DeliveryState.DELIVERED)
        if delivery.listener.id not in self.listeners:  # forgotten meanwhile
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
        """Put off a delivery that was taken, without an attempt."""
        delivery.is_postponed = True
        self._schedule(delivery, at)

    def put_back(self, delivery: Delivery) -> None:
        """Wait again with a delivery that was taken: its listener was paused meanwhile."""
        self._schedule(delivery, delivery.next_at)

    def put_back_all(self) -> None:
        """Return all claimed attempts to waiting: the process that claimed them is gone."""
        for hook in self.log.values():
            for delivery in hook.deliveries:
                if delivery.state is DeliveryState.SENDING:
                    self.put_back(delivery)

    def retry(self, delivery: Delivery, at: datetime) -> None:
        """Try again at once; one that was canceled before is sent all the same."""
        if delivery.state is not DeliveryState.SENDING:
            self._schedule(delivery, at)

    def replay(self, delivery: Delivery, at: datetime) -> Delivery:
        """Send again what was acknowledged. The hook stays settled, whatever comes of it (inferred)."""
        replay = self._deliver(delivery.hook, delivery.listener, at)
        replay.is_replay = True
        return replay

    def cancel(self, delivery: Delivery) -> Hook | None:
        """Give a delivery up: it holds its invoice no longer (inferred). Gives the hook that this settled."""
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
            if oldest.is_done and oldest.id in self.log:  # not sent once more since
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
        # From the log: the agenda forgets those of a listener that is paused.
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
