"""Cheddar's state: products, users, customers, invoices, hooks, and the agenda."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import TypeAlias

from tallyhook_mock.core.agenda import Agenda
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.hooks import Hooks
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar.model import (
    Charge,
    Customer,
    Invoice,
    InvoiceState,
    Subscription,
    Transaction,
)
from tallyhook_mock.systems.cheddar.products import Plan, Product
from tallyhook_mock.systems.cheddar.refusal import not_found

__all__ = ["HOOK_TYPES", "Event", "State"]

HOOK_TYPES = (
    "newSubscription",
    "subscriptionChanged",
    "subscriptionCanceled",
    "subscriptionReactivated",
    "customerDeleted",
    "transaction",
    "subscriptionBillable",
    "billReminder",  # inferred spelling
)

Action: TypeAlias = Callable[["State", Invoice, datetime], None]


class Event(Value, frozen=True):
    """Something that happened. `kind` is one of the `HOOK_TYPES`, or a kind that only the timeline shows.

    If an item's counter changed, `item` is the item's code and `quantity` is the new value.
    """

    kind: str
    at: datetime
    actor: str
    customer: Customer
    subscription: Subscription | None = None
    invoice: Invoice | None = None
    previous: Subscription | None = None
    transaction: Transaction | None = None
    note: str = ""
    charge: Charge | None = None
    item: str = ""
    quantity: Decimal | None = None


class State:
    """Cheddar's data: products, users, customers and invoices.

    Most functions in the modules of this folder are commands. A command takes the state and the time, and
    changes the state or raises a `Refusal`. Its events are kept until `take_events` is called.

    Standing: documented.
    """

    def __init__(self, ids: Ids | None = None) -> None:
        self.ids = ids or Ids()
        self.hooks = Hooks(self.ids)
        self.products: dict[str, Product] = {}
        self.users: dict[str, str] = {}
        self.time_zones: dict[str, str] = {}  # the time zones of users who are not in UTC, by email
        self.actor = ""
        # Whether an invoice is locked because Cheddar is executing it. Executing takes no time in the mock,
        # so only a fault locks an invoice.
        self.is_locked: Callable[[Invoice], bool] = lambda _: False
        # For each product: customers by id (in order of creation) and by code, and invoices from number 1 on.
        self._customers: dict[str, dict[int, Customer]] = {}
        self._codes: dict[str, dict[str, Customer]] = {}
        self._invoices: dict[str, list[Invoice]] = {}
        self.agenda = Agenda()
        self.held: dict[int, Invoice] = {}  # held invoices, by the id of the hook that holds them
        self._events: list[Event] = []
        # Customers that were looked up or changed since the last `take_touched`, by id.
        self._touched: dict[int, Customer] = {}

    def __getstate__(self) -> dict[str, object]:
        """Return everything but `is_locked`, which refers to the mock, and `_touched`.

        Both are set again after a restore.
        """
        return {name: value for name, value in vars(self).items() if name not in ("is_locked", "_touched")}

    def __setstate__(self, saved: dict[str, object]) -> None:
        vars(self).update(saved)
        self._touched = {each.id: each for known in self._customers.values() for each in known.values()}

    # -- reading

    def customers(self, product: Product) -> Iterable[Customer]:
        """Return the product's customers in order of creation."""
        return self._customers.get(product.code, {}).values()

    def everybody(self) -> dict[int, Customer]:
        """Return the customers of all products by id, in order of creation."""
        if len(self._customers) == 1:
            return next(iter(self._customers.values()))
        by_id = (pair for customers in self._customers.values() for pair in customers.items())
        return dict(sorted(by_id, key=itemgetter(0)))

    def invoices(self) -> dict[int, Invoice]:
        """Return all products' invoices by id, in order of creation.

        Invoices of deleted customers are left out.
        """
        every = (each for invoices in self._invoices.values() for each in invoices)
        kept = {each.id: each for each in every if not each.subscription.customer.is_deleted}
        return kept if len(self._invoices) == 1 else dict(sorted(kept.items()))

    def customer(self, product: Product, code: str) -> Customer:
        try:
            return self.touch(self._codes[product.code][code])
        except KeyError:
            raise not_found("Customer not found") from None

    def customer_by_id(self, product: Product, id: int | None) -> Customer:
        customer = self._customers.get(product.code, {}).get(id) if id is not None else None
        if customer is None:
            raise not_found("Customer not found")
        return self.touch(customer)

    def has_customer(self, product: Product, code: str) -> bool:
        return code in self._codes.get(product.code, {})

    def product_by_id(self, id: int | None) -> Product | None:
        return next((product for product in self.products.values() if product.id == id), None)

    def invoice_by_number(self, product: Product, number: int) -> Invoice:
        invoices = self._invoices.get(product.code, [])
        if not 1 <= number <= len(invoices) or invoices[number - 1].subscription.customer.is_deleted:
            raise not_found("Invoice not found")
        self.touch(invoices[number - 1].subscription.customer)
        return invoices[number - 1]

    def invoice_by_id(self, product: Product, id: int | None) -> Invoice:
        if id is None:
            raise not_found("Invoice not found")
        # Invoices sorted by number are sorted by id too.
        before = bisect_left(self._invoices.get(product.code, []), id, key=lambda invoice: invoice.id)
        invoice = self.invoice_by_number(product, before + 1)
        if invoice.id != id:
            raise not_found("Invoice not found")
        return invoice

    # -- changing (for the commands)

    def touch(self, customer: Customer) -> Customer:
        """Record that a customer or one of their invoices may change. Returns the customer."""
        self._touched[customer.id] = customer
        return customer

    def take_touched(self) -> Iterable[Customer]:
        """Return the customers that may have changed since this was last called."""
        touched, self._touched = self._touched, {}
        return touched.values()

    def add_customer(self, customer: Customer) -> None:
        self.touch(customer)
        self._customers.setdefault(customer.product.code, {})[customer.id] = customer
        self._codes.setdefault(customer.product.code, {})[customer.code] = customer

    def remove_customer(self, customer: Customer) -> None:
        del self._customers[customer.product.code][customer.id]
        del self._codes[customer.product.code][customer.code]
        customer.is_deleted = True
        self.touch(customer)

    def rename_customer(self, customer: Customer, code: str) -> None:
        codes = self._codes[customer.product.code]
        codes[code] = codes.pop(customer.code)
        customer.code = code

    def next_invoice_number(self, product: Product) -> int:
        """Return the next invoice number. A product's customers share one sequence (recorded: 2, 3, 9)."""
        return len(self._invoices.setdefault(product.code, [])) + 1

    def add_invoice(self, invoice: Invoice) -> None:
        self._invoices[invoice.subscription.customer.product.code].append(invoice)

    def put_plan(self, product: Product, plan: Plan) -> None:
        """Add or edit a plan. An edit applies to current subscribers too (documented).

        A new recurring amount applies from each subscriber's next invoice on. New terms of an item, such as
        its price, apply at once. Setup charges and first bill dates that are already set don't change.
        """
        known = product.plans.get(plan.code)
        product.plans[plan.code] = plan
        if known is None or known.id != plan.id:
            return
        for customer in self.customers(product):
            self.touch(customer)
            for subscription in customer.subscriptions:
                if subscription.plan is known:
                    subscription.plan = plan
                    for invoice in subscription.invoices:
                        if invoice.state is InvoiceState.OPEN and invoice.plan is known:
                            invoice.plan = plan

    # -- scheduling

    def schedule(self, when: datetime, action: Action, invoice: Invoice, rank: int = 0) -> None:
        """Schedule `action` to be called at `when`. The action itself must check whether it still applies."""
        self.agenda.schedule(when, action, invoice, rank)

    def next_due(self) -> datetime | None:
        return self.agenda.next_due()

    def step(self, at: datetime) -> bool:
        """Carry out the next action that is due by `at`. Returns False if no action is due."""
        planned = self.agenda.take(at)
        if planned is None:
            return False
        action, invoice = planned
        if not invoice.subscription.customer.is_deleted:
            self.actor = "system"
            self.touch(invoice.subscription.customer)
            action(self, invoice, at)
        return True

    # -- events

    def emit(
        self,
        kind: str,
        at: datetime,
        customer: Customer,
        *,
        invoice: Invoice | None = None,
        subscription: Subscription | None = None,
        previous: Subscription | None = None,
        transaction: Transaction | None = None,
        note: str = "",
        charge: Charge | None = None,
        item: str = "",
        quantity: Decimal | None = None,
    ) -> None:
        self.touch(customer)
        if subscription is None and invoice is not None:
            subscription = invoice.subscription
        self._events.append(
            Event(
                kind,
                at,
                self.actor,
                customer,
                subscription,
                invoice,
                previous,
                transaction,
                note,
                charge,
                item,
                quantity,
            )
        )

    def take_events(self) -> list[Event]:
        """Return all events since this was last called, oldest first."""
        events, self._events = self._events, []
        return events
