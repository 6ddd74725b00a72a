"""The mock: the billing systems, their clock, and their hooks."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from tallyhook_mock.calls import CallLog
from tallyhook_mock.catalog.reading import default_catalog, read_catalog
from tallyhook_mock.clock import Clock, ClockBusy, Mode
from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Happening
from tallyhook_mock.core.hooks import CHEDDAR, Delivery, DeliveryState, Hook, Listener
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.core.money import exact
from tallyhook_mock.delivery import Deliveries
from tallyhook_mock.duration import Duration
from tallyhook_mock.faults import Armed, Fault, Faults
from tallyhook_mock.journal import Journal
from tallyhook_mock.middleware import Aim, Watched
from tallyhook_mock.notifier import Notifier
from tallyhook_mock.persistence import Persistence
from tallyhook_mock.sender import Sender
from tallyhook_mock.snapshot import pack, unpack
from tallyhook_mock.systems import Systems, actions, hook_types, part, policies
from tallyhook_mock.systems.cheddar import review, subscriptions
from tallyhook_mock.systems.cheddar.hook_json import body, event_about, overridden
from tallyhook_mock.systems.cheddar.model import Customer, Invoice
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES, Event
from tallyhook_mock.systems.cheddar.totals import Totals
from tallyhook_mock.timeline import Timeline

__all__ = ["Mock"]

logger = logging.getLogger(__name__)

# Real seconds after which a long series of steps yields to other tasks.
_TURN = 0.01
# Real seconds between checks of a running clock, in case the machine slept or its clock was changed.
_LOOK = 60.0


class World(TypedDict):
    """The state that a mock saves and restores."""

    systems: Systems
    moment: datetime
    offset: timedelta | None
    timeline: Timeline
    faults: Faults
    catalog: Mapping[str, object]


class Mock:
    """The mock billing server, without networking. `create_app` makes an ASGI application from it.

    `catalog` is the content of a catalogue file as a mapping, or None for the small default catalogue.
    `start` is an aware datetime, or None for the current time. With a `seed`, the ids are the same in every
    run and after every reset. Without a seed, they differ after each start and each reset, so that a listener
    never mistakes a new hook for an old one. While `running` or the application's lifespan is entered, the
    mock sends hooks, and bills as time passes. Call all methods in the event loop in which the mock runs.
    """

    def __init__(
        self,
        catalog: Mapping[str, object] | None = None,
        *,
        start: datetime | None = None,
        mode: Mode = Mode.FROZEN,
        sender: Sender | None = None,
        strict: bool = False,
        seed: int | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Raises CatalogError if the catalogue can't be used.

        A `journal` keeps the mock's state on disk. If it contains a saved state, `running` restores that
        state. In that case, `catalog` is ignored, and `start` and `mode` apply only to a reset.
        """
        self.persistence = Persistence(self, journal)
        self.snapshots: dict[str, bytes] = {}
        self.form_token = secrets.token_urlsafe(24)  # required in every form of the console
        self._seed = seed
        self.sender = sender or Sender()
        self._start = start
        self._mode = mode
        self.is_strict = strict  # whether calls of Cheddar's API with unknown parameters are refused
        self._is_advancing = False
        self._turn = 0.0  # when steps last yielded to other tasks, in real time
        self.notifier = Notifier()
        self.calls = CallLog()
        self._wake = asyncio.Event()
        self._looks_at: datetime | None = None  # when the background task will check again
        self._begin(catalog if catalog is not None else default_catalog(), self._new_clock())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A context in which the mock sends hooks, and bills while the clock runs.

        The application's ASGI lifespan enters this context.
        """
        await self.persistence.recover()
        pump = asyncio.create_task(self._pump())
        try:
            yield
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            await self.deliveries.close()
            await self.sender.close()
            await self.persistence.close()

    # -- start and reset

    async def replace_catalog(self, catalog: Mapping[str, object]) -> None:
        """Start over with another catalogue. Customers and hooks are deleted. The clock keeps its time.

        Raises ClockBusy while the clock is being moved, and CatalogError if the catalogue can't be used.
        After an error, nothing has changed.
        """
        await self._start_over(catalog, self.clock)

    async def reset(self) -> None:
        """Start over with the catalogue that was loaded last, the clock at its start time, and no faults."""
        await self._start_over(self._catalog, self._new_clock())

    @exact()
    def add_catalog(self, catalog: Mapping[str, object]) -> None:
        """Add the content of another catalogue. It replaces plans with the same codes. A reset undoes this.

        Raises CatalogError if `catalog` can't be used.
        """
        at = self.clock.now()
        read_catalog(catalog, self.systems, at, self.sender.check)()
        self._note_quietly()

    async def _start_over(self, catalog: Mapping[str, object], clock: Clock) -> None:
        if self._is_advancing:
            raise ClockBusy("another call is moving the clock")
        deliveries = self.deliveries
        self._begin(catalog, clock)
        self.calls.clear()
        await deliveries.close()
        await self.persistence.checkpoint()

    @exact()
    def _begin(self, catalog: Mapping[str, object], clock: Clock) -> None:
        seed = secrets.randbits(64) if self._seed is None else self._seed
        systems, at = Systems(Ids(ids.beginning(seed))), clock.now()
        read_catalog(catalog, systems, at, self.sender.check)()
        self._install(systems, clock, Timeline(), Faults(), catalog)
        self._note_quietly()

    def _install(
        self,
        systems: Systems,
        clock: Clock,
        timeline: Timeline,
        faults: Faults,
        catalog: Mapping[str, object],
    ) -> None:
        systems.cheddar.is_locked = self._is_locked
        self.systems = systems
        self.state = systems.cheddar  # Cheddar's state, which also holds the hooks of the other systems
        self.totals = Totals()
        self.clock = clock
        self.timeline = timeline
        self.faults = faults
        self._catalog = catalog
        self.deliveries = Deliveries(self)

    # -- save and restore

    def save(self) -> bytes:
        """Return the mock's state as bytes, including invoices, hooks, listeners, timelines and the clock."""
        return pack(self.world())

    async def restore(self, written: bytes) -> None:
        """Restore the mock's state, including the clock, from the bytes that `save` returned.

        Raises ClockBusy while the clock is being moved, and SnapshotError if `written` can't be read. After
        an error, nothing has changed.
        """
        if self._is_advancing:
            raise ClockBusy("another call is moving the clock")
        world = unpack(written)
        deliveries = self.deliveries
        self.load(world)
        self.state.hooks.put_back_all()
        self.stir()
        await deliveries.close()
        await self.persistence.checkpoint()

    def world(self) -> World:
        """Return the mock's current state, which `load` accepts."""
        return {
            "systems": self.systems,
            "moment": self.clock.now(),
            "offset": self.clock.offset,
            "timeline": self.timeline,
            "faults": self.faults,
            "catalog": self._catalog,
        }

    def load(self, world: World) -> None:
        """Replace the mock's state, including the clock."""
        clock = Clock(world["moment"])
        clock.set(world["moment"], world["offset"])
        self._install(world["systems"], clock, world["timeline"], world["faults"], world["catalog"])
        self.totals.refresh(self.state)

    def _note_quietly(self) -> None:
        """Log what a catalogue created, but send no hooks, as if its customers had existed before."""
        for event in self.state.take_events():
            self.timeline.happened(event)
        for name, system in self.systems.others.items():
            for happening in system.take_events():
                self.timeline.noted(name, happening)
        self.totals.refresh(self.state)
        self.stir()

    def _note_others(self) -> bool:
        """Log what happened in the systems other than Cheddar, and send the hooks about it.

        Returns whether anything happened.
        """
        happened = [
            (name, each) for name, system in self.systems.others.items() for each in system.take_events()
        ]
        for name, happening in happened:
            self.timeline.noted(name, happening)
            self._announce_other(name, happening)
        return bool(happened)

    def _announce_other(self, system: str, happening: Happening) -> None:
        """Send a hook about an event in a system other than Cheddar, if a listener wants it."""
        sender, hooks = part(system, "hooks"), self.state.hooks
        kind = "" if sender is None else sender.type_of(happening)
        if sender is not None and kind and hooks.wanted("", kind, system):
            written = sender.body(self.systems.others[system], happening, kind)
            subject = happening.subject or happening.invoice or 0
            hooks.send(kind, "", happening.account, subject, written, happening.at, sender.POLICY)

    def _new_clock(self) -> Clock:
        return Clock(self._start or datetime.now(UTC), self._mode)

    # -- events

    def now(self) -> datetime:
        """Return the current time of the mock's clock."""
        return self.clock.now()

    def stir(self) -> None:
        """Make the background task check what is due now, and notify observers."""
        self._wake.set()
        self.notifier.beat()

    def changed(self) -> None:
        """Log what a command did, and send its hooks.

        Call this in the same turn of the event loop as the command, so that each hook shows the state at the
        time of its event.
        """
        for event in self.state.take_events():
            self.timeline.happened(event)
            if event.kind in HOOK_TYPES:
                self._announce(event)
        self._note_others()
        self.totals.refresh(self.state)
        if self._is_pressing():
            self._wake.set()
        self.notifier.beat()

    def _announce(self, event: Event) -> None:
        if self.state.hooks.wanted(event.customer.product.code, event.kind):
            review.announce(self.state, event, body(event))

    @exact()
    def settled(self, hook: Hook | None, at: datetime) -> None:
        """Release the invoice of a Cheddar hook that was acknowledged or canceled, and log what changed.

        If `hook` is None, no invoice is released.
        """
        if hook is not None and hook.system == CHEDDAR:
            review.settled(self.state, hook, at)
        self.changed()

    # -- commands

    def product(self, code: str | None = None) -> Product:
        """Return the product with this code. The code is optional if there is only one product.

        Raises LookupError if there is no such product.
        """
        products = self.state.products
        if code is None and len(products) == 1:
            return next(iter(products.values()))
        if code not in products:
            raise LookupError(f"one of {', '.join(products)} is required")
        return products[code]

    def listen(
        self,
        product: str,
        url: str,
        events: frozenset[str],
        *,
        system: str = CHEDDAR,
        header: str = "",
        key: str = "",
    ) -> Listener:
        """Register a listener for a Cheddar product. For another `system`, pass an empty `product`.

        If `events` is empty, the listener gets all hooks. `header` and `key` are for systems whose hooks
        contain a shared key: `header` is the name of the HTTP header with the key. By default, the system
        chooses the name, and the mock generates a key. Raises ValueError for an unknown system or hook type,
        or for a URL that hooks can't be sent to.
        """
        self.sender.check(url)
        if system == CHEDDAR:
            if unknown := events.difference(HOOK_TYPES):
                raise ValueError(f"{', '.join(sorted(unknown))}: not one of {', '.join(HOOK_TYPES)}")
        elif (policy := policies().get(system)) is not None:
            policy.check(events, header, key)
            header = header or policy.header
        else:
            raise ValueError(f"system: {system!r} is not one of {', '.join((CHEDDAR, *policies()))}")
        listener = self.state.hooks.listen(product, url, events, system=system, header=header, key=key)
        self.notifier.beat()
        return listener

    def forget(self, listener: Listener) -> None:
        """Remove a listener, and cancel its unfinished deliveries."""
        self.state.actor = "operator"
        for hook in self.state.hooks.forget(listener):
            self.settled(hook, self.clock.now())
        self.notifier.beat()

    def pause(self, listener: Listener) -> None:
        """Stop sending hooks to a listener until it is resumed.

        Until then, the listener's hooks are kept, and an invoice that is waiting for one of them stays held.
        """
        self.state.hooks.pause(listener)
        self.notifier.beat()

    def resume(self, listener: Listener) -> None:
        """Resume a paused listener, and send its waiting hooks."""
        self.state.hooks.resume(listener, self.clock.now())
        self.stir()

    @exact()
    def trigger(self, customer: Customer, type: str, override: Mapping[str, object] | None = None) -> Hook:
        """Send a hook about a customer's current state. The customer doesn't change.

        No invoice is held or released. `override` maps paths in the hook's body to new values. Raises
        ValueError for an unknown path, if no listener wants the hook, or if the customer has nothing that the
        hook could be about, such as an invoice.
        """
        at, product = self.clock.now(), customer.product.code
        event = event_about(customer, type, at, "operator")
        subject = event.invoice.id if event.invoice else 0
        content = overridden(body(event), override or {})
        hook = self.state.hooks.send(type, product, customer.code, subject, content, at)
        if hook is None:
            raise ValueError(f"no listener of {product} wants {type} hooks; add one first")
        self.state.actor = "operator"
        self.state.emit("triggered", at, customer, invoice=event.invoice, note=f"{type}, on request")
        self.changed()
        return hook

    def retry(self, hook: Hook) -> None:
        """Send a hook now to each listener that has not acknowledged it.

        Raises ValueError if every listener has acknowledged it.
        """
        self._send_again(hook, self.state.hooks.retry, is_delivered=False)

    def replay(self, hook: Hook) -> None:
        """Send a hook again to each listener that has acknowledged it. The hook's invoice doesn't change.

        Raises ValueError if no listener has acknowledged the hook.
        """
        self._send_again(hook, self.state.hooks.replay, is_delivered=True)

    def _send_again(
        self, hook: Hook, send: Callable[[Delivery, datetime], object], *, is_delivered: bool
    ) -> None:
        """Call `send` for the hook's deliveries to listeners that still exist.

        If `is_delivered` is true, these are the acknowledged deliveries, without replays. Otherwise they are
        the unacknowledged ones. Raises ValueError if there are none.
        """
        chosen = [
            delivery
            for delivery in hook.deliveries
            if delivery.listener.id in self.state.hooks.listeners
            and (delivery.state is DeliveryState.DELIVERED) is is_delivered
            and not (delivery.is_replay and is_delivered)
        ]
        if not chosen:
            raise ValueError(
                "no listener has acknowledged it; retry it instead"
                if is_delivered
                else "every listener has acknowledged it; replay it instead"
            )
        for delivery in chosen:
            send(delivery, self.clock.now())
        self.stir()

    def cancel(self, hook: Hook) -> None:
        """Cancel a hook, so that it no longer holds its invoice."""
        self.state.actor = "operator"
        for delivery in hook.deliveries:
            self.settled(self.state.hooks.cancel(delivery), self.clock.now())

    def decline(self, customer: Customer, count: int) -> None:
        """Make the payment gateway decline a customer's next `count` charges."""
        customer.declines = count
        self.notifier.beat()

    @exact()
    def approve_paypal(self, customer: Customer) -> None:
        """Approve a customer's PayPal agreement.

        Raises Refusal if the subscription isn't waiting for this approval.
        """
        self.state.actor = "operator"
        subscriptions.approve_paypal(self.state, customer, self.clock.now())
        self.changed()

    # -- faults

    def plan(self, fault: Fault) -> Armed:
        """Plan a fault. Raises ValueError for an unknown action or hook type."""
        if fault.action not in ("", *actions()):
            raise ValueError(f"action: {fault.action!r} is not one of {', '.join(actions())}")
        if fault.type not in ("", *hook_types()):
            raise ValueError(f"type: {fault.type!r} is not one of {', '.join(hook_types())}")
        armed = self.faults.add(fault)
        self.notifier.beat()
        return armed

    def strike(self, aim: Aim) -> Fault | None:
        """Return the fault to apply to a call, and add it to the timeline. Returns None if there is none."""
        if self.faults.are_over:
            return None
        self.persistence.record(
            "strike", (aim.action, aim.product, aim.customer, aim.on_outstanding, aim.system)
        )
        fault = self.faults.for_call(aim.action, aim.customer, on_outstanding=aim.on_outstanding)
        if fault is not None:
            self.note_fault(fault, aim.action, aim.product, aim.customer, aim.system)
        return fault

    def called(self, aim: Aim, method: str, answer: Watched, seconds: float, fault: Fault | None) -> None:
        """Log a call, whether it was answered or its connection was dropped."""
        self.calls.add(aim, method, answer, seconds, fault, self.clock.now())
        self.notifier.beat()

    def _is_locked(self, invoice: Invoice) -> bool:
        customer = invoice.subscription.customer
        fault = self.faults.for_execution(customer.code)
        if fault is not None:
            self.note_fault(
                fault, f"execution of invoice {invoice.number}", customer.product.code, customer.code
            )
        return fault is not None

    def ignored(self, action: str, names: list[str], product: str, code: str) -> None:
        """Log the unknown parameters of a call to Cheddar's API."""
        logger.warning("%s (%s): unknown parameters: %s", action, product, ", ".join(names))
        is_known = self.state.has_customer(self.state.products[product], code)
        self.timeline.ignored(action, names, product, code if is_known else "", self.clock.now())

    def note_fault(
        self, fault: Fault, where: str, product: str, customer: str, system: str = CHEDDAR
    ) -> None:
        """Record in the timeline that a fault was applied."""
        self.timeline.struck(fault.kind, where, product, customer, self.clock.now(), system)
        self.notifier.beat()

    # -- time

    def switch(self, mode: Mode) -> None:
        """Let the clock run, or freeze it. Raises ClockBusy while it is being moved."""
        if self._is_advancing:
            raise ClockBusy("another call is moving the clock")
        if mode is Mode.REAL:
            self.clock.run()
        else:
            self.clock.freeze()
        self.persistence.record("clock")
        self.stir()

    async def advance(self, to: datetime | Duration, *, or_now: bool = False) -> Counter[str]:
        """Move the clock to a moment or by a duration. Returns how many events of each kind happened.

        Everything that becomes due on the way is done at its own time. While a listener works on a hook, the
        clock stands still, and the listener's calls are answered. Whatever is already due is done first, so
        moving the clock by zero waits for unfinished deliveries. Raises ClockBusy if another call is already
        moving the clock. Raises ValueError for a moment in the past (unless `or_now` is true), or after the
        year 7999, the last year of the mock's clock.
        """
        if self._is_advancing:
            raise ClockBusy("another call is moving the clock")
        before = self.timeline.counts.copy()
        self._is_advancing = True
        self.clock.suspend()
        try:
            now = self.clock.now()
            moment = to.after(now) if isinstance(to, Duration) else to
            to = self.clock.ahead(max(moment, now) if or_now else moment)
            await self._settle()
            while (due := self.next_due()) is not None and due <= to:
                self.clock.move(due)
                await self._settle()
            self.clock.move(to)
        finally:
            self.clock.resume()
            self._is_advancing = False
            self.persistence.record("clock")
            self.stir()
        return self.timeline.counts - before

    async def _settle(self) -> None:
        """Do everything that is due, and repeat until no delivery of a hook is in progress."""
        await self._work()
        while self.deliveries.are_busy:
            await self.deliveries.idle()
            await self._work()

    async def _work(self) -> None:
        """Let the systems do what is due, then send the hooks that are due."""
        while self.step():
            if time.monotonic() - self._turn > _TURN:
                await asyncio.sleep(0)
                self._turn = time.monotonic()
        if self._note_others():  # reading a system may already have done what was due
            self.notifier.beat()
        self.deliveries.send_due()

    @exact()
    def step(self) -> bool:
        """Do the next thing that is due in a billing system. Returns False if nothing is due."""
        now, due = self.clock.now(), self.systems.next_due()
        if due is None or due > now:
            return False
        self.persistence.record("step")
        self.systems.step(self.clock.now())
        self.changed()
        return True

    async def _pump(self) -> None:
        """Send hooks, and bill while the clock runs, as an endless background task."""
        while True:
            self._wake.clear()
            try:
                await self._work()
            except Exception:
                logger.exception("the engine failed at %s", self.clock.now())
            await self.persistence.flush()
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _pause(self) -> float | None:
        """Return how many real seconds the background task may wait before it checks again.

        Returns None if nothing can become due before the next call.
        """
        due = self._looks_at = self.next_due()
        if self.clock.mode is Mode.FROZEN or due is None:
            return None
        return min(max((due - self.clock.now()).total_seconds(), 0), _LOOK)

    def _is_pressing(self) -> bool:
        """Return whether something is due now, or will be before the background task checks again."""
        due = self.next_due()
        if due is None:
            return False
        if self.clock.mode is Mode.REAL and (self._looks_at is None or due < self._looks_at):
            return True
        return due <= self.clock.now()

    def caught_up(self) -> datetime:
        """Do and record everything that is due in the billing systems, and return the current time."""
        while self.step():
            continue
        return self.clock.now()

    def next_due(self) -> datetime | None:
        """Return when a billing system or a hook is next due, or None if nothing is planned."""
        due, hook = self.systems.next_due(), self.state.hooks.next_due()
        if due is None or hook is None:
            return due or hook
        return min(due, hook)
