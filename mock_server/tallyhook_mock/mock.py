"""The mock at work: the engine, its clock, and the hooks that it sends."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tallyhook_mock.catalog import default_catalog, read_catalog
from tallyhook_mock.cheddar.payloads import body
from tallyhook_mock.clock import Clock, ClockBusy, Mode
from tallyhook_mock.delivery import Sender
from tallyhook_mock.duration import Duration
from tallyhook_mock.engine.cheddar import billing
from tallyhook_mock.engine.cheddar.customer import Customer
from tallyhook_mock.engine.cheddar.invoice import Invoice
from tallyhook_mock.engine.cheddar.product import Product
from tallyhook_mock.engine.cheddar.state import HOOK_TYPES, Event, State
from tallyhook_mock.engine.hooks import Attempt, Delivery, DeliveryState, Hook, Listener
from tallyhook_mock.lanes import Lanes
from tallyhook_mock.timeline import Timeline

__all__ = ["Mock"]

logger = logging.getLogger(__name__)

# Real seconds after which a long row of engine steps lets others have their turn.
_TURN = 0.01
# Real seconds after which a running clock is looked at again, should the machine have slept or been set.
_LOOK = 60.0


class Mock:
    """A billing server, whatever serves it: `create_app` makes it an ASGI application.

    `catalog` is a mapping as a catalogue file holds it, None for the small default one. `start` is an aware
    moment, None for the present. The application's lifespan (or `running`) sends hooks and lets time do its
    work. All methods belong to the event loop that this runs in.
    """

    def __init__(
        self,
        catalog: Mapping[str, Any] | None = None,
        *,
        start: datetime | None = None,
        mode: Mode = Mode.FROZEN,
        sender: Sender | None = None,
    ) -> None:
        """CatalogError if the catalogue can't be used."""
        self.sender = sender or Sender()
        self._start = start
        self._mode = mode
        self._is_advancing = False
        self._turn = 0.0  # when others had theirs last
        self._wake = asyncio.Event()
        self._begin(catalog if catalog is not None else default_catalog(), self._new_clock())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this is entered, hooks are sent and a running clock bills; the ASGI lifespan enters it."""
        pump = asyncio.create_task(self._pump())
        try:
            yield
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            await self._lanes.close()
            await self.sender.close()

    # -- the beginning

    async def replace_catalog(self, catalog: Mapping[str, Any]) -> None:
        """Start over with another catalogue; the clock stays where it is, customers and hooks are forgotten.

        CatalogError if it can't be used (then nothing has changed), ClockBusy while the clock is being moved.
        """
        await self._start_over(catalog, self.clock)

    async def reset(self) -> None:
        """Back to the beginning: the catalogue as it was loaded last, the clock as at the start."""
        await self._start_over(self._catalog, self._new_clock())

    def add_catalog(self, catalog: Mapping[str, Any]) -> None:
        """Add to what there is, until the next reset; a plan that is there already is replaced.

        CatalogError if it can't be used.
        """
        at = self.clock.now()
        read_catalog(catalog, self.state, at, self.sender.check).install(self.state, at)
        self._note_quietly()

    async def _start_over(self, catalog: Mapping[str, Any], clock: Clock) -> None:
        if self._is_advancing:
            raise ClockBusy("the clock is being moved")
        lanes = self._lanes
        self._begin(catalog, clock)
        await lanes.close()

    def _begin(self, catalog: Mapping[str, Any], clock: Clock) -> None:
        state, at = State(), clock.now()
        read_catalog(catalog, state, at, self.sender.check).install(state, at)
        self.state = state
        self.clock = clock
        self.timeline = Timeline()
        self._catalog = catalog
        self._lanes = Lanes(self._carry)
        self._held: dict[int, Invoice] = {}  # by the id of the hook that holds it
        self._note_quietly()

    def _note_quietly(self) -> None:
        """Note what a catalogue brought, without hooks: its customers are taken to have been there before."""
        for event in self.state.take_events():
            self.timeline.happened(event)
        self._wake.set()

    def _new_clock(self) -> Clock:
        return Clock(self._start or datetime.now(UTC), self._mode)

    # -- what happened

    def changed(self) -> None:
        """Note what a command did and put its hooks on their way.

        To be called in the same turn of the event loop as the command, so that a hook shows the state of its
        moment.
        """
        for event in self.state.take_events():
            self.timeline.happened(event)
            if event.kind in HOOK_TYPES:
                self._announce(event)
        self._wake.set()

    def _announce(self, event: Event) -> None:
        product, invoice = event.customer.product.code, event.invoice
        if not self.state.hooks.wanted(product, event.kind):
            return
        hook = self.state.hooks.send(
            event.kind, product, event.customer.code, invoice.id if invoice else 0, body(event), event.at
        )
        if hook is not None and invoice is not None and event.kind == "subscriptionBillable":
            self._held[hook.id] = invoice

    def _settled(self, hook: Hook | None, at: datetime) -> None:
        """The acknowledgement is the release."""
        invoice = self._held.pop(hook.id, None) if hook is not None else None
        if invoice is not None:
            billing.release(self.state, invoice, at)
        self.changed()

    # -- what an operator does

    def product(self, code: str | None = None) -> Product:
        """A product by its code, which may be left out if there is only one; LookupError if there is none."""
        products = self.state.products
        if code is None and len(products) == 1:
            return next(iter(products.values()))
        if code not in products:
            raise LookupError(f"one of {', '.join(products)} is required")
        return products[code]

    def listen(self, product: str, url: str, events: frozenset[str]) -> Listener:
        """Register a listener; ValueError if hooks won't be sent there or there is no such hook."""
        self.sender.check(url)
        if unknown := events.difference(HOOK_TYPES):
            raise ValueError(f"{', '.join(sorted(unknown))}: not one of {', '.join(HOOK_TYPES)}")
        return self.state.hooks.listen(product, url, events)

    def forget(self, listener: Listener) -> None:
        """Remove a listener, and give up what is still on its way to it."""
        self.state.actor = "operator"
        for hook in self.state.hooks.forget(listener):
            self._settled(hook, self.clock.now())

    def retry(self, hook: Hook) -> None:
        """Send a hook at once to whoever has not acknowledged it, or to everybody if everybody has."""
        listeners = self.state.hooks.listeners
        reachable = [delivery for delivery in hook.deliveries if delivery.listener.id in listeners]
        waiting = [delivery for delivery in reachable if delivery.state is not DeliveryState.DELIVERED]
        for delivery in waiting or reachable:
            self.state.hooks.retry(delivery, self.clock.now())
        self._wake.set()

    def cancel(self, hook: Hook) -> None:
        """Give a hook up; it no longer holds its invoice."""
        self.state.actor = "operator"
        for delivery in hook.deliveries:
            self._settled(self.state.hooks.cancel(delivery), self.clock.now())

    def decline(self, customer: Customer, count: int) -> None:
        """Have the gateway refuse the next `count` charges of a customer."""
        customer.declines = count

    # -- time

    def switch(self, mode: Mode) -> None:
        """Let the clock run, or stand still; ClockBusy while it is being moved."""
        if self._is_advancing:
            raise ClockBusy("the clock is being moved")
        if mode is Mode.REAL:
            self.clock.run()
        else:
            self.clock.freeze()
        self._wake.set()

    async def advance(self, to: datetime | Duration) -> Counter[str]:
        """Move the clock to a moment or by a duration; how much of each kind happened on the way.

        Whatever is due is done at its moment. While a listener works on a hook the clock stands still, and
        its calls are answered. What is due already is done first, so moving to the present moment waits for
        the hooks on their way. ClockBusy while another advance is under way, ValueError for the past.
        """
        if self._is_advancing:
            raise ClockBusy("the clock is being moved already")
        before, mode = self.timeline.counts.copy(), self.clock.mode
        self._is_advancing = True
        self.clock.freeze()
        try:
            now = self.clock.now()
            to = to.after(now) if isinstance(to, Duration) else to
            if to < now:
                raise ValueError(f"{to.isoformat()} is in the past: it is {now.isoformat()}")
            await self._settle()
            while (due := self._next_due()) is not None and due <= to:
                self.clock.move(due)
                await self._settle()
            self.clock.move(to)
        finally:
            if mode is Mode.REAL:
                self.clock.run()
            self._is_advancing = False
            self._wake.set()
        return self.timeline.counts - before

    async def _settle(self) -> None:
        """Do all that is due by now, and what comes of it."""
        await self._work()
        while self._lanes.are_busy:
            await self._lanes.idle()
            await self._work()

    async def _work(self) -> None:
        """Let the engine do what is due by now, then put the hooks that are due on their way."""
        while self.state.step(self.clock.now()):
            self.changed()
            if time.monotonic() - self._turn > _TURN:
                await asyncio.sleep(0)
                self._turn = time.monotonic()
        self._lanes.add(self.state.hooks.due(self.clock.now()))

    async def _carry(self, delivery: Delivery) -> None:
        """One attempt at one delivery."""
        if delivery.state is not DeliveryState.SENDING:  # canceled while it waited
            return
        hook, state = delivery.hook, self.state
        secret = state.products[hook.product].secret
        answer = await self.sender.send(delivery.listener.url, hook.body, secret)
        attempt = Attempt(self.clock.now(), answer.status, answer.seconds, answer.text)
        settled = state.hooks.record(delivery, attempt)
        self.timeline.attempted(delivery, attempt)
        state.actor = "system"
        self._settled(settled, attempt.at)

    async def _pump(self) -> None:
        """Keep going what nobody waits for: hooks of calls, and everything when the clock runs by itself."""
        while True:
            self._wake.clear()
            try:
                await self._work()
            except Exception:
                logger.exception("the engine failed at %s", self.clock.now())
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _pause(self) -> float | None:
        """Real seconds until something is due, None if only a call can bring it about."""
        due = self._next_due()
        if self.clock.mode is Mode.FROZEN or due is None:
            return None
        return min(max((due - self.clock.now()).total_seconds(), 0), _LOOK)

    def _next_due(self) -> datetime | None:
        moments = (self.state.next_due(), self.state.hooks.next_due())
        return min((moment for moment in moments if moment is not None), default=None)
