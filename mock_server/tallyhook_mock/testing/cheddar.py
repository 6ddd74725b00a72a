"""The object that the `cheddar` fixtures return."""

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
from tallyhook_mock.systems.cheddar.model import Invoice
from tallyhook_mock.testing.asserts import Asserts, by_date, require_type
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

# ASGI or WSGI. Each framework types these differently.
App: TypeAlias = Callable[..., object]


class Cheddar(Asserts):
    """A mock of Cheddar in this process, for one test. Its clock stands still until it is moved.

        cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00", "included": 500}})
        cheddar.customer("C1", plan="PRO")
        cheddar.listener(app, "/hooks")
        cheddar.bill("C1")
        cheddar.assert_billed("C1", "58.00")

    All methods use the first product of the catalogue, and work in sync and async tests. A method that waits
    for listeners also has an async version, whose name begins with `a`.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        product, users = world.product, world.mock.state.users
        self.product, self.secret = product.code, product.secret
        self.user, self.password = next(iter(users.items()))

    # -- plans and customers

    def plan(
        self,
        code: str,
        *,
        price: Amount = 0,
        items: Mapping[str, ItemTerms] | None = None,
        **fields: Unpack[PlanFields],
    ) -> None:
        """Add or replace a plan. `price` is per month, or per period if `billing_frequency` is given.

        `items` maps item codes to terms, such as `{"GB": {"overage": "1.00", "included": 500}}`. For an
        invalid value, raises CatalogError, which says where the value is.
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
        """Add a customer with a valid card, who subscribes to `plan` now.

        `items` maps item codes to the quantities used so far. No hook is sent. To get a hook, create the
        customer with the method `new_customer` of a `tallyhook.Client` instead. Raises CatalogError for
        invalid values.
        """
        self._add("customers", customer_table(code, plan, items or {}, fields))

    def _add(self, what: str, table: Mapping[str, object]) -> None:
        catalog = {"products": [{"code": self.product, what: [table]}]}
        self._world.call(lambda: self._world.mock.add_catalog(catalog))

    # -- snapshots

    def snapshot(self) -> bytes:
        """Return the mock's state: products, customers, invoices, hooks, listeners, faults, and the clock."""
        return self._world.call(self._world.mock.save)

    def restore(self, snapshot: bytes) -> None:
        """Restore a snapshot that was taken in this or another test.

        The listeners of this test stay as they are. Raises SnapshotError if the snapshot can't be read.
        """
        self._world.wait(lambda: self._world.restore(snapshot))

    async def arestore(self, snapshot: bytes) -> None:
        """Async version of `restore`."""
        await self._world.awaited(lambda: self._world.restore(snapshot))

    # -- listeners

    def listener(
        self,
        app: App | str,
        path: str = "/hooks",
        events: Iterable[HookType] = (),
        *,
        lifespan: bool = True,
    ) -> str:
        """Send hooks to an ASGI or WSGI application, without a socket. Returns the URL of the listener.

        `path` is the application's path for hooks. If `events` is empty, the application gets all hooks. An
        ASGI application runs in a separate thread with its own event loop. Its lifespan startup runs first,
        and its shutdown at the end of the test. Raises RuntimeError if the startup fails. Pass
        `lifespan=False` if something else runs the lifespan. A WSGI application runs in worker threads. A
        listener has 5 real seconds to answer. `app` may also be the URL of a listener on this machine. Raises
        ValueError for any other URL.
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
        """Return a context in which an ASGI application gets hooks, and runs in the test's event loop.

        Use this instead of `listener` if, for example, the application shares connections with the test.
        Inside the context, use async methods such as `abill`. Their sync versions would deadlock, so they
        raise RuntimeError.
        """
        return self._world.listening(app, path, frozenset[str](events), lifespan=lifespan)

    # -- time

    @property
    def now(self) -> datetime:
        return self._world.call(lambda: self._world.mock.clock.now())

    def bill(self, customer: str, *, within: str = "1d") -> Bill:
        """Move the clock until the customer's current period is billed, and return the bill.

        The clock moves to the bill date. Hooks are delivered, and retried on their schedule until they are
        acknowledged. An hour later, the invoice is executed. If an earlier invoice is already held or
        released, only that earlier invoice is finished. After the bill date, the clock moves by at most
        `within`, even if the invoice is still held. Raises LookupError if the customer doesn't exist, or has
        nothing to bill.
        """
        return self._world.wait(lambda: self._bill_period(customer, within))

    async def abill(self, customer: str, *, within: str = "1d") -> Bill:
        """Async version of `bill`."""
        return await self._world.awaited(lambda: self._bill_period(customer, within))

    def advance(self, by: str | datetime) -> Counter[str]:
        """Move the clock by a duration such as `1mo`, `36d` or `1h`, or to a moment.

        Returns how many events of each kind happened on the way. Raises ValueError for a moment in the
        past, and for a string that is neither a duration nor a moment.
        """
        return self._world.wait(lambda: self._advance(by))

    async def aadvance(self, by: str | datetime) -> Counter[str]:
        """Async version of `advance`."""
        return await self._world.awaited(lambda: self._advance(by))

    def settle(self) -> Counter[str]:
        """Wait until every hook that is due now has been sent, whether or not it was acknowledged."""
        return self.advance("0s")

    async def asettle(self) -> Counter[str]:
        """Async version of `settle`."""
        return await self.aadvance("0s")

    async def _advance(self, by: str | datetime) -> Counter[str]:
        return await self._world.mock.advance(_span(by) if isinstance(by, str) else by)

    async def _bill_period(self, code: str, within: str) -> Bill:
        customer = self._world.customer(code)
        invoice = await bill_period(self._world.mock, customer, parse_duration(within))
        return self._told(invoice)

    # -- reading

    def bills(self, customer: str) -> list[Bill]:
        """Return all invoices of a customer in the order of their bill dates.

        The open invoice, if there is one, comes last.
        """

        def found() -> list[Bill]:
            invoices = self._world.customer(customer).invoices
            return [self._told(each) for each in sorted(invoices, key=by_date)]

        return self._world.call(found)

    def hooks(self, type: HookType | None = None, customer: str | None = None) -> list[Hook]:
        """Return the hooks sent so far, oldest first, optionally of one type or about one customer.

        The list has all unfinished hooks, but only the newest 10,000 finished ones. Raises ValueError for an
        unknown type.
        """
        if type is not None:
            require_type(type)
        about = {(customer, self.product), (customer, "")}  # other systems have no products

        def found() -> list[Hook]:
            log = [h for h in self._world.mock.state.hooks.log.values() if type in (None, h.type)]
            return [h for h in log if customer is None or (h.customer, h.product) in about]

        return self._world.call(found)

    def timeline(self, customer: str) -> Life:
        """Return a customer's history: a sequence of entries, which is shown as a table or a picture.

        Raises LookupError if no customer ever had this code.
        """

        def lived() -> Life:
            life = life_of(self._world.mock, self._world.product, customer)
            if not life:  # a deleted customer still has entries
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
        """Return a signed hook about the customer's current state, without sending it.

        Send it with the fixture `receiver_client`. `at` is the time of the event in the hook (default: the
        time of the mock's clock). `signed_at` is the time in the signature, if the signature scheme has one
        (default: the real time). Raises ValueError if the customer has nothing that the hook could be about.

        If no invoice is outstanding, a `subscriptionBillable` hook shows the open invoice before its bill
        date. A handler gets this hook, but a review fails, because it needs an outstanding invoice. To test a
        review, call `bill` instead.
        """

        def signed() -> SignedHook:
            mock = self._world.mock
            moment = parse_moment(at) if isinstance(at, str) else at or mock.clock.now()
            return sign_hook(self._world.customer(customer), type, mock.state.ids.next(), moment, signed_at)

        return self._world.call(signed)

    def _told(self, invoice: Invoice) -> Bill:
        customer = invoice.subscription.customer
        return Bill.of(
            invoice, self._world.mock.timeline.entries(customer.code, product=customer.product.code)
        )

    # -- faults

    def fault(self, fault: Fault) -> Armed:
        """Plan a fault. The returned object counts how often the fault is applied.

        Raises ValueError for an unknown action or hook type.
        """
        return self._world.call(lambda: self._world.mock.plan(fault))

    def decline(self, customer: str, count: int = 1) -> None:
        """Make the payment gateway decline the customer's next `count` charges."""
        self._world.call(lambda: self._world.mock.decline(self._world.customer(customer), count))

    # -- transports

    def transport(self) -> httpx.BaseTransport:
        """Return a transport for `httpx.Client` or `tallyhook.Client`.

        The transport sends every request to this mock, whatever the host in the URL.
        """
        return Transport(self._world.calls, self._world.session.loop)

    def async_transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport for `httpx.AsyncClient` or `tallyhook.AsyncClient`.

        The transport sends every request to this mock, whatever the host in the URL.
        """
        return AsyncTransport(self._world.calls, self._world.session.loop)


class CheddarServer(Cheddar):
    """A mock of Cheddar that also listens on a port.

    `url` is the root URL, and `xml` the base URL of the API. With TLS, `authority` is the CA file that
    clients have to trust. Without TLS, it is None.
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
