"""Fusebill's state: customers with their definitions, subscriptions, drafts and invoices."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Happening
from tallyhook_mock.core.bills import Coming, coming_bills, copied
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.core.system import BillingSystem
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    Customer,
    Draft,
    Frequency,
    Invoice,
    Item,
    PlanProduct,
    Purchase,
    Subscription,
    SubscriptionProduct,
)
from tallyhook_mock.systems.fusebill.refusal import invalid, not_found

__all__ = ["State"]


class State(BillingSystem):
    """Customers with their definitions, subscriptions and bills.

    The functions in `rules`, `usage` and `invoices` are commands. Each takes the state and the current time,
    and either changes the state or raises Refusal. `take_events` returns the events that the commands have
    created.
    """

    def __init__(self) -> None:
        super().__init__()
        self.api_keys: Collection[str] = ()  # from the catalogue
        self.ids = Ids(100)  # of customers, definitions, subscriptions, and waiting charges
        self.product_ids = Ids(50_000)
        self.invoice_ids = Ids(80_000)  # of drafts, their charges, invoices and purchases
        self.last_bill = 0
        # Whether invoices are posted automatically, and whether a renewal posts drafts that a call held.
        self.auto_post = True
        self.posts_at_renewal = False
        # Whether units that are removed and added again in one period are charged again (inferred).
        self.charges_units_again = True
        self.frequencies: dict[int, Frequency] = {}
        self.catalog_products: dict[int, PlanProduct] = {}
        self.purchases: dict[int, Purchase] = {}
        self._customers: dict[int, Customer] = {}
        self._definitions: dict[int, BillingPeriodDefinition] = {}
        self._subscriptions: dict[int, Subscription] = {}

    # -- reading

    def posts_itself(self, customer: Customer, definition: BillingPeriodDefinition | None) -> bool:
        """Return whether auto-post is on.

        The first setting that is given applies: the billing period's, the customer's, or the account's
        (documented).
        """
        settings = (definition.settings.auto_post if definition else None, customer.auto_post)
        return next((each for each in settings if each is not None), self.auto_post)

    def accounts(self) -> dict[int, Customer]:
        return self._customers

    def account(self, id: str) -> Customer:
        is_number = id.isascii() and id.isdigit() and len(id) <= 10
        return self.customer(int(id) if is_number else 0)

    def is_used(self) -> bool:
        return bool(self.api_keys or self.frequencies or self.catalog_products or self._customers)

    def forecast(self, id: str, count: int) -> list[Coming]:
        alone, customer = self.apart(self.account(id))
        return coming_bills(alone, customer.bills, count)

    def apart(self, customer: Customer) -> "tuple[State, Customer]":
        """Return a separate state that contains only a copy of this customer. Also returns the copy.

        New ids in the separate state continue from this state's ids. The copy's invoices are posted
        automatically, so that a forecast doesn't stop at drafts. Drafts are left out, except those that the
        next renewal posts.
        """
        alone = State()
        alone.posts_at_renewal = self.posts_at_renewal and all(
            self.posts_itself(customer, definition) for definition in customer.definitions
        )
        alone.charges_units_again = self.charges_units_again
        alone.ids.last, alone.last_bill = self.ids.last, self.last_bill
        alone.product_ids.last, alone.invoice_ids.last = self.product_ids.last, self.invoice_ids.last
        copy = copied(customer, self.agenda, alone.agenda)
        copy.auto_post = True
        copy.drafts = [draft for draft in copy.drafts if draft.held and alone.posts_at_renewal]
        for definition in copy.definitions:
            definition.settings = replace(definition.settings, auto_post=True)
        alone.add_customer(copy)
        return alone, copy

    def customer(self, id: int) -> Customer:
        try:
            return self._customers[id]
        except KeyError:
            raise not_found("customerId", id) from None

    def definition(self, id: int) -> BillingPeriodDefinition:
        try:
            return self._definitions[id]
        except KeyError:
            raise not_found("billingPeriodDefinitionId", id) from None

    def subscription(self, id: int) -> Subscription:
        try:
            return self._subscriptions[id]
        except KeyError:
            raise not_found("subscriptionId", id) from None

    def product(self, id: int) -> tuple[Subscription, SubscriptionProduct]:
        """Find a subscription's product by id. Returns the subscription and the product."""
        for subscription in self._subscriptions.values():
            for product in subscription.products:
                if product.id == id:
                    return subscription, product
        raise not_found("subscriptionProductId", id)

    def item(self, id: int) -> tuple[Subscription, SubscriptionProduct, Item]:
        """Find a tracked item by id. Returns the item's subscription, its product, and the item."""
        for subscription in self._subscriptions.values():
            for product in subscription.products:
                for item in product.items:
                    if item.id == id:
                        return subscription, product, item
        raise not_found("id", id)

    def drafts(self) -> Iterable[Draft]:
        """Return all drafts in order of creation."""
        found = (draft for customer in self._customers.values() for draft in customer.drafts)
        return sorted(found, key=lambda draft: draft.id)

    def draft(self, id: int) -> Draft:
        for draft in self.drafts():
            if draft.id == id:
                return draft
        raise not_found("draftInvoiceId", id)

    def invoices(self) -> Iterable[tuple[Customer, Invoice]]:
        """Return all invoices, each with its customer, in the order in which they were posted."""
        found = ((customer, each) for customer in self._customers.values() for each in customer.invoices)
        return sorted(found, key=lambda pair: pair[1].bill.number)

    def invoice(self, id: int) -> tuple[Customer, Invoice]:
        for customer, invoice in self.invoices():
            if invoice.id == id:
                return customer, invoice
        raise not_found("invoiceId", id)

    def subscriptions(self) -> Iterable[Subscription]:
        return self._subscriptions.values()

    def has_customer(self, id: int) -> bool:
        return id in self._customers

    def has_subscription(self, id: int) -> bool:
        return id in self._subscriptions

    # -- changing (for the commands)

    def customer_id(self, given: int | None) -> int:
        """Return the id for a new customer: `given`, or if that is None, the next free id.

        Raises Refusal if `given` is taken.
        """
        return self._new_id(given, self._customers)

    def subscription_id(self, given: int | None) -> int:
        """Return the id for a new subscription: `given`, or if that is None, the next free id.

        Raises Refusal if `given` is taken.
        """
        return self._new_id(given, self._subscriptions)

    def _new_id(self, given: int | None, taken: Collection[int]) -> int:
        if given is None:
            return self.ids.next()
        if given in taken:
            raise invalid("id", f"{given} is taken")
        self.ids.last = max(self.ids.last, given)
        return given

    def add_customer(self, customer: Customer) -> None:
        """Add a customer with its definitions and subscriptions."""
        self._customers[customer.id] = customer
        self._definitions.update((definition.id, definition) for definition in customer.definitions)
        self._subscriptions.update((subscription.id, subscription) for subscription in customer.subscriptions)

    def add_definition(self, definition: BillingPeriodDefinition) -> None:
        self._definitions[definition.id] = definition
        definition.customer.definitions.append(definition)

    def remove_definition(self, definition: BillingPeriodDefinition) -> None:
        del self._definitions[definition.id]
        definition.customer.definitions.remove(definition)
        definition.is_deleted = True

    def add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.id] = subscription
        subscription.customer.subscriptions.append(subscription)

    def remove_subscription(self, subscription: Subscription) -> None:
        del self._subscriptions[subscription.id]
        subscription.customer.subscriptions.remove(subscription)

    # -- events

    def emit(
        self,
        kind: str,
        at: datetime,
        customer: Customer,
        *,
        note: str = "",
        invoice: int | None = None,
        amount: Decimal | None = None,
        item: str = "",
        subject: int = 0,
    ) -> None:
        account = str(customer.id)
        self.note(Happening(kind, at, self.actor, account, note, invoice, amount, item, subject=subject))
