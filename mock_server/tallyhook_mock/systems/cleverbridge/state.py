"""Cleverbridge's state: users, products, coupons, customers and subscriptions."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.base import BillingSystem, Happening
from tallyhook_mock.core.bills import Bill, Coming, Line, coming_bills, copied
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

    The functions in `rules` and `updates` are commands: each takes the state and the moment, changes the
    state or raises a `Refusal`, and leaves what happened for `take_events`.

    Attributes:
        accepts_zero: whether a Quantity of 0 is accepted (not documented; audits without usage need it).
        always_priced: whether all updates answer with prices (a public client says that only previews
            do).
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
        self.purchase_ids: dict[int, int] = {}  # by the number of the bill
        self._last_purchase = _FIRST_PURCHASE
        self._purchases: dict[int, Subscription] = {}

    # -- reading

    @property
    def subscriptions(self) -> Collection[Subscription]:
        """In order of creation."""
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

    @property
    def customers(self) -> Iterable[Customer]:
        return self._customers.values()

    def subscription(self, id: str) -> Subscription:
        """A subscription by its id, with or without the S (documented). Refusal if there is none."""
        found = self._subscriptions.get(full_id(id))
        if found is None:
            raise unknown(f"There is no subscription {id!r}")
        return found

    def has_subscription(self, id: str) -> bool:
        return full_id(id) in self._subscriptions

    def customer(self, name: str, value: int | str) -> Customer:
        """The first customer with this `id`, `reference` or `email`. Refusal if there is none."""
        for customer in self._customers.values():
            if getattr(customer, name) == value:
                return customer
        raise unknown(f"There is no customer with the {name} {value!r}")

    def bought(self, purchase: int) -> Subscription:
        """The subscription that a purchase began or renewed. Refusal if there is none."""
        found = self._purchases.get(purchase)
        if found is None:
            raise unknown(f"There is no purchase {purchase}")
        return found

    def product(self, id: int) -> Product:
        """The product with this id. Refusal if there is none."""
        try:
            return self.products[id]
        except KeyError:
            raise unknown(f"There is no product with ProductId {id}") from None

    def coupon(self, code: str) -> Coupon:
        """The coupon with this code. Refusal if there is none."""
        try:
            return self.coupons[code]
        except KeyError:
            raise invalid(f"There is no coupon with CouponCode {code!r}") from None

    # -- changing (for the commands)

    def free_ids(self) -> Iterator[str]:
        """New ids for subscriptions that have none, in ascending order."""
        number = _FIRST_SUBSCRIPTION + len(self._subscriptions)
        while True:
            if f"S{number}" not in self._subscriptions:
                yield f"S{number}"
            number += 1

    def enter_customer(self, given: int | None, reference: str, email: str) -> Customer:
        """The customer with this id, or else with this reference. A new one if there is none."""
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
        """Create a purchase. Returns its id."""
        self._last_purchase += 1
        self._purchases[self._last_purchase] = subscription
        return self._last_purchase

    def add_bill(
        self, subscription: Subscription, lines: tuple[Line, ...], at: datetime, purchase: int | None = None
    ) -> Bill:
        """Add a bill with the next number. Each bill is a purchase: a new one unless one is given."""
        self._bills += 1
        bill = Bill(self._bills, at, subscription.id, subscription.currency, lines)
        subscription.bills.append(bill)
        self.billed.add(bill.currency, bill.total)
        if purchase is None:
            purchase = self.create_purchase(subscription)
        self.purchase_ids[bill.number] = purchase
        subscription.purchase = subscription.purchase or purchase
        return bill

    def mail(self, subscription: Subscription, about: str, at: datetime, *, can_be_suppressed: bool) -> None:
        """Record a mail to the customer."""
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
    """A subscription's id with its S, in upper case."""
    return f"S{id}" if id[:1].isdigit() else id.upper()
