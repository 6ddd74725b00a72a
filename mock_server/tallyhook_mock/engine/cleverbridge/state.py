"""Everything Cleverbridge's engine knows, and the agenda of what is to come."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.engine.bill import Bill, Line
from tallyhook_mock.engine.cleverbridge.product import Coupon, Product
from tallyhook_mock.engine.cleverbridge.refusal import Refusal
from tallyhook_mock.engine.cleverbridge.subscription import Subscription
from tallyhook_mock.engine.happening import Happening
from tallyhook_mock.engine.system import System

__all__ = ["State"]

_FIRST_ID = 1001


class State(System):
    """Users, products, coupons and subscriptions.

    Commands are the functions of `subscriptions` and `updates`: each takes the state and the moment, changes
    the state or raises a `Refusal`, and leaves what happened for `take_events`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, str] = {}
        self.products: dict[int, Product] = {}
        self.coupons: dict[str, Coupon] = {}
        # For subscriptions to come that don't say it themselves.
        self.vat_percent = Decimal(0)
        self.reminder_days = 0
        self._subscriptions: dict[str, Subscription] = {}
        self._bills = 0

    # -- what is there

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """In order of creation."""
        return self._subscriptions.values()

    def subscription(self, id: str) -> Subscription:
        """Refusal if there is none."""
        try:
            return self._subscriptions[id]
        except KeyError:
            raise Refusal(404, "SubscriptionNotFound", f"There is no subscription {id!r}") from None

    def has_subscription(self, id: str) -> bool:
        return id in self._subscriptions

    def product(self, id: int) -> Product:
        """Refusal if there is none."""
        try:
            return self.products[id]
        except KeyError:
            raise Refusal(400, "ProductNotFound", f"There is no product with ProductId {id}") from None

    def coupon(self, code: str) -> Coupon:
        """Refusal if there is none."""
        try:
            return self.coupons[code]
        except KeyError:
            raise Refusal(400, "CouponNotFound", f"There is no coupon with CouponCode {code!r}") from None

    # -- what changes (for the commands)

    def free_ids(self) -> Iterator[str]:
        """Ids for subscriptions that bring none, in order."""
        number = _FIRST_ID + len(self._subscriptions)
        while True:
            if f"S{number}" not in self._subscriptions:
                yield f"S{number}"
            number += 1

    def add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.id] = subscription

    def add_bill(self, subscription: Subscription, lines: tuple[Line, ...], at: datetime) -> Bill:
        """Bills are numbered through the system."""
        self._bills += 1
        bill = Bill(self._bills, at, subscription.id, subscription.currency, lines)
        subscription.bills.append(bill)
        return bill

    # -- what happened

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
            )
        )
