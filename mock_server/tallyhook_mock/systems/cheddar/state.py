"""Everything that Cheddar knows, and the agenda of what is to come."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import TypeAlias

from tallyhook_mock.core.agenda import Agenda
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.hooks import Hooks
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar.customers import Customer, Subscription
from tallyhook_mock.systems.cheddar.invoices import Charge, Invoice, Transaction
from tallyhook_mock.systems.cheddar.products import Product
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
    """Something that happened: of one of the `HOOK_TYPES`, or of a kind that only the timeline shows.

    `item` is the code of the item whose counter now stands at `quantity`.
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
    """Products, users, customers and invoices.

    Commands are the functions of the modules beside this one: each takes the state and the moment, changes
    the state or raises a `Refusal`, and leaves the events for `take_events`.
    """

    def __init__(self, ids: Ids | None = None) -> None:
        self.ids = ids or Ids()
        self.hooks = Hooks(self.ids)
        self.products: dict[str, Product] = {}
        self.users: dict[str, str] = {}
        # A declined invoice is tried again after these pauses, then the subscription is canceled.
        self.dunning: tuple[timedelta, ...] = (timedelta(days=2),) * 4
        self.actor = ""
        # Whether an invoice is being executed by somebody else just now, which takes no time in here: it
        # only is if that is simulated.
        self.is_locked: Callable[[Invoice], bool] = lambda _: False
        # Told of each customer that something changes about, an invoice of it included.
        self.touched: Callable[[Customer], None] = lambda _: None
        # By product: customers by id, which is in order of creation, and by code; invoices, number 1 first.
        self._customers: dict[str, dict[int, Customer]] = {}
        self._codes: dict[str, dict[str, Customer]] = {}
        self._invoices: dict[str, list[Invoice]] = {}
        self._agenda = Agenda()
        self.held: dict[int, Invoice] = {}  # by the id of the hook that it waits for
        self._events: list[Event] = []

    # -- what is there

    def customers(self, product: Product) -> Collection[Customer]:
        """In order of creation."""
        return self.customers_by_id(product).values()

    def customers_by_id(self, product: Product) -> Mapping[int, Customer]:
        """In order of creation, which is the order of their ids."""
        return self._customers.get(product.code, {})

    def everybody(self) -> Mapping[int, Customer]:
        """The customers of all products, in order of creation."""
        if len(self._customers) == 1:
            return next(iter(self._customers.values()))
        by_id = (pair for customers in self._customers.values() for pair in customers.items())
        return dict(sorted(by_id, key=itemgetter(0)))

    def customer(self, product: Product, code: str) -> Customer:
        try:
            return self._codes[product.code][code]
        except KeyError:
            raise not_found("Customer not found") from None

    def customer_by_id(self, product: Product, id: int | None) -> Customer:
        customer = self._customers.get(product.code, {}).get(id) if id is not None else None
        if customer is None:
            raise not_found("Customer not found")
        return customer

    def has_customer(self, product: Product, code: str) -> bool:
        return code in self._codes.get(product.code, {})

    def product_by_id(self, id: int | None) -> Product | None:
        return next((product for product in self.products.values() if product.id == id), None)

    def invoice_by_number(self, product: Product, number: int) -> Invoice:
        invoices = self._invoices.get(product.code, [])
        if not 1 <= number <= len(invoices) or invoices[number - 1].subscription.customer.is_deleted:
            raise not_found("Invoice not found")
        return invoices[number - 1]

    def invoice_by_id(self, product: Product, id: int | None) -> Invoice:
        if id is None:
            raise not_found("Invoice not found")
        # In order of their numbers they are in order of their ids too.
        before = bisect_left(self._invoices.get(product.code, []), id, key=lambda invoice: invoice.id)
        invoice = self.invoice_by_number(product, before + 1)
        if invoice.id != id:
            raise not_found("Invoice not found")
        return invoice

    # -- what changes (for the commands)

    def add_customer(self, customer: Customer) -> None:
        self._customers.setdefault(customer.product.code, {})[customer.id] = customer
        self._codes.setdefault(customer.product.code, {})[customer.code] = customer
        self.touched(customer)

    def remove_customer(self, customer: Customer) -> None:
        del self._customers[customer.product.code][customer.id]
        del self._codes[customer.product.code][customer.code]
        customer.is_deleted = True
        self.touched(customer)

    def rename_customer(self, customer: Customer, code: str) -> None:
        codes = self._codes[customer.product.code]
        codes[code] = codes.pop(customer.code)
        customer.code = code

    def next_invoice_number(self, product: Product) -> int:
        """Invoices are numbered through the product, one sequence for all customers (recorded: 2, 3, 9)."""
        return len(self._invoices.setdefault(product.code, [])) + 1

    def add_invoice(self, invoice: Invoice) -> None:
        self._invoices[invoice.subscription.customer.product.code].append(invoice)

    # -- what is to come

    def schedule(self, when: datetime, action: Action, invoice: Invoice) -> None:
        """Have `action` called at `when`. An action checks for itself whether it still applies."""
        self._agenda.schedule(when, action, invoice)

    def next_due(self) -> datetime | None:
        return self._agenda.next_due()

    def step(self, at: datetime) -> bool:
        """Carry out the next thing that is due at `at`; False if nothing is."""
        planned = self._agenda.take(at)
        if planned is None:
            return False
        action, invoice = planned
        if not invoice.subscription.customer.is_deleted:
            self.actor = "system"
            self.touched(invoice.subscription.customer)
            action(self, invoice, at)
        return True

    # -- what happened

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
        if subscription is None and invoice is not None:
            subscription = invoice.subscription
        self.touched(customer)
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
        """All that happened since the last call, oldest first."""
        events, self._events = self._events, []
        return events
