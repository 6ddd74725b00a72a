"""The kit that a test holds in its hand."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, Unpack

import httpx

from tallyhook_mock.clock import parse_moment
from tallyhook_mock.core.hooks import Hook
from tallyhook_mock.duration import Duration, parse_duration
from tallyhook_mock.faults import Armed, Fault
from tallyhook_mock.picture.life import Life, life_of
from tallyhook_mock.systems.cheddar.control import bill_period
from tallyhook_mock.systems.cheddar.invoices import Invoice
from tallyhook_mock.testing.asserts import Asserts
from tallyhook_mock.testing.bill import Bill
from tallyhook_mock.testing.session import Address
from tallyhook_mock.testing.signed_hook import HookType, SignedHook, sign_hook
from tallyhook_mock.testing.terms import (
    Amount,
    CustomerFields,
    ItemTerms,
    PlanFields,
    customer_table,
    plan_table,
)
from tallyhook_mock.testing.transport import AsyncTransport, Transport
from tallyhook_mock.testing.world import World

__all__ = ["Cheddar", "CheddarServer"]

__tracebackhide__ = True  # pytest shows the line of the test

# ASGI or WSGI: each framework has types of its own for these.
App: TypeAlias = Callable[..., object]


class Cheddar(Asserts):
    """Cheddar in this process, for one test: its clock stands still until it is moved.

        cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00", "included": 500}})
        cheddar.customer("C1", plan="PRO")
        cheddar.listener(app, "/hooks")
        cheddar.bill("C1")
        cheddar.assert_billed("C1", "58.00")

    It speaks of the first product of its catalogue. Every method may be called in sync and in async tests;
    what waits for listeners has a twin to be awaited, whose name begins with an a.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        product, users = world.product, world.mock.state.users
        self.product, self.secret = product.code, product.secret
        self.user, self.password = next(iter(users.items()))

    # -- what is sold, and to whom

    def plan(
        self,
        code: str,
        *,
        price: Amount = 0,
        items: Mapping[str, ItemTerms] | None = None,
        **fields: Unpack[PlanFields],
    ) -> None:
        """Add a plan, or replace it: `price` a month, or as often as `billing_frequency` says.

        `items` by their codes, such as `{"GB": {"overage": "1.00", "included": 500}}`. CatalogError, with the
        place, for what can't be.
        """
        self._add("plans", plan_table(code, price, items or {}, fields))

    def customer(
        self,
        code: str,
        *,
        plan: str,
        items: Mapping[str, Amount] | None = None,
        **fields: Unpack[CustomerFields],
    ) -> None:
        """Add a customer with a good card, subscribed now, without a hook; `items` are used already.

        For the hook that tells of it call `new_customer` of the API. CatalogError for what can't be.
        """
        self._add("customers", customer_table(code, plan, items or {}, fields))

    def _add(self, what: str, table: Mapping[str, object]) -> None:
        catalog = {"products": [{"code": self.product, what: [table]}]}
        self._world.call(lambda: self._world.mock.add_catalog(catalog))

    # -- worlds to come back to

    def snapshot(self) -> bytes:
        """The world as it is: products, customers, invoices, hooks, listeners, faults, and the clock."""
        return self._world.call(self._world.mock.save)

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot, of this or another test; the listeners of this test stay.

        SnapshotError if it can't be read.
        """
        self._world.wait(lambda: self._world.restore(snapshot))

    # -- who listens

    def listener(
        self,
        app: App | str,
        path: str = "/hooks",
        events: Iterable[HookType] = (),
        *,
        lifespan: bool = True,
    ) -> str:
        """Send hooks to an ASGI or WSGI application at a path, without a socket; gives the address it sees.

        It gets all hooks if no events are named. ASGI runs in a thread with an event loop of its own, after
        its lifespan's startup (RuntimeError if that fails) unless `lifespan` is False: somebody else runs it.
        Its shutdown comes with the end of the test. WSGI runs in worker threads. No answer within 5 real
        seconds is none. A URL of this machine is taken too, for a listener that is served; ValueError for
        any other.
        """
        wanted = frozenset[str](events)
        if isinstance(app, str):
            self._world.call(lambda: self._world.mock.listen(self.product, app, wanted))
            return app
        return self._world.listen(app, path, wanted, lifespan=lifespan)

    def listening(
        self,
        app: App,
        path: str = "/hooks",
        events: Iterable[HookType] = (),
        *,
        lifespan: bool = True,
    ) -> AbstractAsyncContextManager[str]:
        """`listener` for an ASGI application that has to run in the event loop of the test.

        Such as one that shares connections with it. Within this context use the methods that are awaited:
        the others raise a RuntimeError instead of waiting for themselves.
        """
        return self._world.listening(app, path, frozenset[str](events), lifespan=lifespan)

    # -- time

    @property
    def now(self) -> datetime:
        return self._world.call(lambda: self._world.mock.clock.now())

    def bill(self, customer: str, *, within: str = "1d") -> Bill:
        """Play the period of a customer to its end.

        The clock moves to the bill date, hooks are delivered, tried again on their schedule while they are
        not acknowledged, and once they are, the invoice runs an hour later. One that is held or released
        already is played to its end, and no other. What is still held `within` so much virtual time stays
        held. LookupError for a customer who is not there, or has nothing to be billed.
        """
        return self._world.wait(lambda: self._bill_period(customer, within))

    async def abill(self, customer: str, *, within: str = "1d") -> Bill:
        """`bill`, to be awaited."""
        return await self._world.awaited(lambda: self._bill_period(customer, within))

    def advance(self, by: str | datetime) -> Counter[str]:
        """Move the clock by a duration such as `1mo`, `36d`, `1h`, or to a moment.

        Gives how much of each kind happened on the way. ValueError for the past, and for what is neither.
        """
        return self._world.wait(lambda: self._advance(by))

    async def aadvance(self, by: str | datetime) -> Counter[str]:
        """`advance`, to be awaited."""
        return await self._world.awaited(lambda: self._advance(by))

    def settle(self) -> Counter[str]:
        """Wait until every hook that is due now has been tried."""
        return self.advance("0s")

    async def asettle(self) -> Counter[str]:
        """`settle`, to be awaited."""
        return await self.aadvance("0s")

    async def _advance(self, by: str | datetime) -> Counter[str]:
        return await self._world.mock.advance(_span(by) if isinstance(by, str) else by)

    async def _bill_period(self, code: str, within: str) -> Bill:
        customer = self._world.customer(code)
        invoice = await bill_period(self._world.mock, customer, parse_duration(within))
        return self._told(invoice)

    # -- what there is

    def bills(self, customer: str) -> list[Bill]:
        """All invoices of a customer, oldest first; the last one is open unless there is nothing to come."""

        def found() -> list[Bill]:
            invoices = self._world.customer(customer).invoices
            return [self._told(each) for each in sorted(invoices, key=lambda each: each.number)]

        return self._world.call(found)

    def hooks(self, type: HookType | None = None, customer: str | None = None) -> list[Hook]:
        """The hooks sent so far, oldest first, of a type and to do with a customer's code.

        Those that somebody still waits for are all there; of the others the newest 10,000.
        """

        def found() -> list[Hook]:
            log = self._world.mock.state.hooks.log.values()
            return [h for h in log if type in (None, h.type) and customer in (None, h.customer)]

        return self._world.call(found)

    def timeline(self, customer: str) -> Life:
        """What happened to a customer: a sequence of entries that shows itself as a table, or a picture.

        LookupError if there has never been one of this code.
        """

        def lived() -> Life:
            life = life_of(self._world.mock, self._world.product, customer)
            if not life:  # one that was deleted has had a life
                self._world.customer(customer)
            return life

        return self._world.call(lived)

    def hook(
        self,
        type: HookType,
        customer: str,
        *,
        at: str | datetime | None = None,
        signed_at: datetime | None = None,
    ) -> SignedHook:
        """A hook about a customer as it stands, signed and not sent: for `receiver_client`.

        `at` is when it says that it happened (now, by the mock's clock), `signed_at` the time that is signed
        by a scheme that covers one (now, by the real clock). ValueError if there is nothing to speak of.

        A `subscriptionBillable` one speaks of the open invoice, before its time: a handler gets it, and a
        review fails, since no invoice stands as outstanding. Reviews are for `bill`.
        """

        def signed() -> SignedHook:
            mock = self._world.mock
            moment = parse_moment(at) if isinstance(at, str) else at or mock.clock.now()
            return sign_hook(self._world.customer(customer), type, mock.state.ids.next(), moment, signed_at)

        return self._world.call(signed)

    def _told(self, invoice: Invoice) -> Bill:
        customer = invoice.subscription.customer
        return Bill.of(invoice, self._world.mock.timeline.entries(customer.product.code, customer.code))

    # -- what goes wrong

    def fault(self, fault: Fault) -> Armed:
        """Plan a fault; what is returned counts its strikes. ValueError for an unknown action or hook."""
        return self._world.call(lambda: self._world.mock.plan(fault))

    def decline(self, customer: str, count: int = 1) -> None:
        """Have the gateway refuse the next `count` charges."""
        self._world.call(lambda: self._world.mock.decline(self._world.customer(customer), count))

    # -- how clients get here

    def transport(self) -> httpx.BaseTransport:
        """For `httpx.Client`, or `tallyhook.Client`: leads here whatever the host in the URL."""
        return Transport(self._world.calls, self._world.session.loop)

    def async_transport(self) -> httpx.AsyncBaseTransport:
        """For `httpx.AsyncClient`, or `tallyhook.AsyncClient`: leads here whatever the host in the URL."""
        return AsyncTransport(self._world.calls, self._world.session.loop)


class CheddarServer(Cheddar):
    """The same Cheddar, at an address too: `url` is its root, `xml` the base of the API.

    Over TLS, `authority` is the file that clients have to trust; otherwise None.
    """

    def __init__(self, world: World, address: Address) -> None:
        super().__init__(world)
        self.url: str = address.url
        self.xml: str = f"{address.url}/xml"
        self.authority: Path | None = address.authority


def _span(written: str) -> Duration | datetime:
    for parse in (parse_duration, parse_moment):
        with suppress(ValueError):
            return parse(written)
    raise ValueError(
        f"{written!r} is neither a duration such as 1mo, 36d or 1h, nor a moment such as 2026-01-31T12:00:00Z"
    )
