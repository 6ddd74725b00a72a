"""Cleverbridge's state: users, products, coupons, customers and subscriptions."""

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.base import Happening
from tallyhook_mock.core.bills import Bill, Coming, Line, coming_bills, copied
from tallyhook_mock.core.system import BillingSystem
from tallyhook_mock.systems.cleverbridge.model import (
    Coupon,
    Customer,
    Mail,
    Product,
    Subscription,
    invalid,
    unknown,
)

__all__ = ["State", "full_id"]


_FIRST_SUBSCRIPTION = 1001


_FIRST_CUSTOMER = 5001


_FIRST_PURCHASE = 90001


class State(BillingSystem):
    """Users, products, coupons, customers and subscriptions.

    The functions in `rules` and `updates` are commands. Each takes the state and the current time, and either
    changes the state or raises Refusal. `take_events` returns the events that the commands have created.

    Attributes:
        accepts_zero: whether a Quantity of 0 is accepted (not documented). An audit that finds no usage
            sends 0.
        always_priced: whether the answer to every update shows prices (a public client says that only
            previews do).
    """

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, str] = {}
        self.products: dict[int, Product] = {}
        self.coupons: dict[str, Coupon] = {}
        self.accepts_zero = True
        self.always_priced = False
        # Defaults for new subscriptions.
        self.vat_percent = Decimal(0)
        self.reminder_days = 0
        self._customers: dict[int, Customer] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._bills = 0
        self.purchase_ids: dict[int, int] = {}  # the keys are bill numbers
        self._last_purchase = _FIRST_PURCHASE
        self._purchases: dict[int, Subscription] = {}

    # -- reading

    @property
    def subscriptions(self) -> Collection[Subscription]:
        """All subscriptions in order of creation."""
        return self._subscriptions.values()

    def accounts(self) -> dict[str, Subscription]:
        return self._subscriptions

    def account(self, id: str) -> Subscription:
        return self.subscription(id)

    def is_used(self) -> bool:
        return bool(self.users or self.products or self.coupons)

    def forecast(self, id: str, count: int) -> list[Coming]:
        alone = State()
        alone.products, alone.coupons = self.products, self.coupons
        subscription = copied(self.subscription(id), self.agenda, alone.agenda)
        return coming_bills(alone, subscription.bills, count)

    def subscription(self, id: str) -> Subscription:
        """Return the subscription with this id, which may be given with or without the S (documented).

        Raises Refusal if there is none.
        """
        found = self._subscriptions.get(full_id(id))
        if found is None:
            raise unknown(f"There is no subscription {id!r}")
        return found

    def has_subscription(self, id: str) -> bool:
        return full_id(id) in self._subscriptions

    def customer(self, name: str, value: int | str) -> Customer:
        """Return the first customer whose field `name` (`id`, `reference` or `email`) has this value.

        Raises Refusal if there is none.
        """
        for customer in self._customers.values():
            if getattr(customer, name) == value:
                return customer
        raise unknown(f"There is no customer with the {name} {value!r}")

    def bought(self, purchase: int) -> Subscription:
        """Return the subscription that a purchase is for. Raises Refusal if there is no such purchase."""
        found = self._purchases.get(purchase)
        if found is None:
            raise unknown(f"There is no purchase {purchase}")
        return found

    def product(self, id: int) -> Product:
        """Return the product with this id. Raises Refusal if there is none."""
        try:
            return self.products[id]
        except KeyError:
            raise unknown(f"There is no product with ProductId {id}") from None

    def coupon(self, code: str) -> Coupon:
        """Return the coupon with this code. Raises Refusal if there is none."""
        try:
            return self.coupons[code]
        except KeyError:
            raise invalid(f"There is no coupon with CouponCode {code!r}") from None

    # -- changing (for the commands)

    def free_ids(self) -> Iterator[str]:
        """Yield ids that no subscription has, in ascending order."""
        number = _FIRST_SUBSCRIPTION + len(self._subscriptions)
        while True:
            if f"S{number}" not in self._subscriptions:
                yield f"S{number}"
            number += 1

    def enter_customer(self, given: int | None, reference: str, email: str) -> Customer:
        """Return the customer with the id `given`, or if that is None, with this `reference`.

        A customer that doesn't exist is created. Otherwise the customer's reference and email address are
        updated, unless the new values are empty.
        """
        customers = self._customers
        if given is None and reference:
            given = next((each.id for each in customers.values() if each.reference == reference), None)
        number = max([_FIRST_CUSTOMER - 1, *customers]) + 1 if given is None else given
        known = customers.get(number, Customer(number))
        customers[number] = Customer(number, reference or known.reference, email or known.email)
        return customers[number]

    def add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.id] = subscription

    def create_purchase(self, subscription: Subscription) -> int:
        """Create a purchase for a subscription. Returns the purchase's id."""
        self._last_purchase += 1
        self._purchases[self._last_purchase] = subscription
        return self._last_purchase

    def add_bill(
        self, subscription: Subscription, lines: tuple[Line, ...], at: datetime, purchase: int | None = None
    ) -> Bill:
        """Add a bill with the next number. It belongs to `purchase`, or to a new purchase if that is None."""
        self._bills += 1
        bill = Bill(self._bills, at, subscription.id, subscription.currency, lines)
        subscription.bills.append(bill)
        self.billed.add(bill.currency, bill.total)
        if purchase is None:
            purchase = self.create_purchase(subscription)
        self.purchase_ids[bill.number] = purchase
        return bill

    def mail(self, subscription: Subscription, about: str, at: datetime, *, can_be_suppressed: bool) -> None:
        """Record an email to the customer. It is not sent."""
        subscription.mails.append(Mail(at, about, can_be_suppressed))

    # -- events

    def emit(
        self,
        kind: str,
        at: datetime,
        subscription: Subscription,
        note: str = "",
        *,
        bill: Bill | None = None,
        item: str = "",
        quantity: Decimal | None = None,
        subject: int = 0,
    ) -> None:
        self.note(
            Happening(
                kind,
                at,
                self.actor,
                subscription.id,
                note,
                bill.number if bill else None,
                bill.total if bill else None,
                item,
                quantity,
                subject,
            )
        )


def full_id(id: str) -> str:
    """Return a subscription's id in upper case and with the leading S."""
    return f"S{id}" if id[:1].isdigit() else id.upper()
