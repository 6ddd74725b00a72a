"""Every call of Cleverbridge's API, described once; see `tallyhook.cheddar.calls` for the manner of it.

Repeatable, and so tried again by themselves, are readings, previews, and updates that set a total from the
next renewal on, and a next billing date. Never so: what charges at once, what adds, and what redeems a
coupon.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from tallyhook import money
from tallyhook._call import Call, Named, Subject, whole
from tallyhook.cleverbridge import documents
from tallyhook.cleverbridge.models import Item, Renewal, Subscription, SubscriptionStatus, UpdateResult
from tallyhook.cleverbridge.terms import Alignment, UpdateAction

T = TypeVar("T")

SubscriptionRef = str | Subscription
"""A subscription, or its id."""

ItemRef = int | Item
"""An item, or its number: RunningNumber in requests, RunningNo in answers."""


def get_subscription(subscription: SubscriptionRef) -> Call[Subscription]:
    """One subscription with every version of its items.

    Raises:
        NotFound: there is no such subscription.
    """
    query = (("subscriptionId", _id(subscription)),)
    return _read("getsubscription", documents.subscription, query, _Subscription(_id(subscription)))


def get_subscriptions_for_customer(
    customer_id: int | str | None = None,
    *,
    customer_reference_id: str | None = None,
    customer_email: str | None = None,
    status: SubscriptionStatus | None = None,
    only_current_items: bool = False,
) -> Call[tuple[Subscription, ...]]:
    """A customer's subscriptions; exactly one of the three says whose. Without `status`, all of them.

    `only_current_items` leaves out the versions that have been replaced; its name on the wire is known from
    one client only.

    Raises:
        NotFound: there is no such customer.
    """
    named = {
        "customerId": customer_id,
        "customerReferenceId": customer_reference_id,
        "customerEmail": customer_email,
    }
    given = [(name, str(value)) for name, value in named.items() if value is not None]
    if len(given) != 1:
        raise TypeError("Name exactly one of customer_id, customer_reference_id and customer_email")
    if not given[0][1]:
        raise ValueError(f"The {given[0][0]} is empty")
    if status is not None:
        given.append(("subscriptionstatus", str(SubscriptionStatus(status).value)))
    if only_current_items:
        given.append(("isCurrent", "true"))
    subject = None
    if customer_email is None:
        field = "customer_id" if customer_reference_id is None else "customer_reference_id"
        subject = Named(field, given[0][1], may_lack=True)
    return _read("getsubscriptionsforcustomer", documents.subscriptions, tuple(given), subject)


def get_subscriptions_by_purchase(purchase_id: int) -> Call[tuple[Subscription, ...]]:
    """The subscriptions that a purchase is of. The call is known from one client only.

    Raises:
        NotFound: there is no such purchase.
    """
    query = (("purchaseId", str(whole(purchase_id, "A purchase_id", least=1))),)
    return _read("getsubscriptionsbypurchase", documents.subscriptions, query)


def update_subscription_item(
    subscription: SubscriptionRef,
    item: ItemRef,
    quantity: int,
    *,
    product_id: int | None = None,
    alignment: Alignment = Alignment.AT_RENEWAL,
    preview: bool = False,
    update_action: UpdateAction = UpdateAction.UPDATE,
    coupon_code: str | None = None,
    price: Decimal | int | str | None = None,
    currency: str | None = None,
    is_gross: bool = False,
    product_name: str | None = None,
    reset_billing_interval: bool = False,
    generate_mail: bool = True,
) -> Call[UpdateResult]:
    """Set an item's quantity: `quantity` is the total after the update, not what is added.

    It stays for later intervals until it is set again. With `preview` nothing changes; the result tells the
    prices, which otherwise it may not.

    `product_id` is that of the item; another one moves the item to that product (inferred). It may be left
    out if `item` is a model. `price`, `currency` and `is_gross` are the customer's price; `currency` may be
    left out if `subscription` is a model.

    Raises:
        APIError: status 402 for no such item or a coupon that doesn't apply, and for an aligned update whose
            price would be below zero: nothing has changed then.
        NotFound: there is no such subscription or product.
    """
    change: dict[str, object] = {
        "ProductId": _product(item, product_id),
        "Quantity": whole(quantity, "A quantity"),
    }
    if coupon_code is not None:
        change["CouponCode"] = coupon_code
    if price is not None:
        change["CustomerPrice"] = _price(subscription, price, currency, is_gross)
    if product_name is not None:
        change["ProductName"] = product_name
    if reset_billing_interval:
        if alignment is Alignment.AT_RENEWAL and not preview:
            raise ValueError("An interval is reset by an update that counts at once")
        change["ResetBillingInterval"] = True
    return _change(
        "updatesubscriptionitem",
        {**_item(subscription, item), **change, "UpdateAction": update_action},
        alignment,
        preview,
        generate_mail,
        sets_a_total=coupon_code is None and not reset_billing_interval,
    )


def increase_subscription_item_quantity(
    subscription: SubscriptionRef,
    item: ItemRef,
    quantity: int,
    *,
    alignment: Alignment = Alignment.AT_RENEWAL,
    preview: bool = False,
    generate_mail: bool = True,
) -> Call[UpdateResult]:
    """Add to an item's quantity: `quantity` is what is added. See `update_subscription_item`.

    It is never sent again by itself, since that would add twice: after `NoAnswer` read the subscription.
    """
    return _change(
        "increasesubscriptionitemquantity",
        {**_item(subscription, item), "Quantity": whole(quantity, "A quantity", least=1)},
        alignment,
        preview,
        generate_mail,
        sets_a_total=False,
    )


def update_subscription_item_price(
    subscription: SubscriptionRef,
    item: ItemRef,
    price: Decimal | int | str,
    *,
    currency: str | None = None,
    is_gross: bool = False,
    quantity: int | None = None,
    alignment: Alignment = Alignment.AT_RENEWAL,
    preview: bool = False,
    update_action: UpdateAction = UpdateAction.UPDATE,
    generate_mail: bool = True,
) -> Call[UpdateResult]:
    """Set what one unit of an item costs (that it is one unit's price is inferred), and its quantity.

    `currency` is the subscription's. It may be left out if `subscription` is a model. Two decimals at the
    most.

    Raises:
        APIError: status 402 for no such item, and for another currency.
        NotFound: there is no such subscription.
    """
    change: dict[str, object] = {"CustomerPrice": _price(subscription, price, currency, is_gross)}
    if quantity is not None:
        change["Quantity"] = whole(quantity, "A quantity")
    return _change(
        "updatesubscriptionitemprice",
        {**_item(subscription, item), **change, "UpdateAction": update_action},
        alignment,
        preview,
        generate_mail,
        sets_a_total=True,
    )


def add_subscription_item(
    subscription: SubscriptionRef,
    product_id: int,
    quantity: int,
    *,
    alignment: Alignment = Alignment.AT_RENEWAL,
    preview: bool = False,
    coupon_code: str | None = None,
    price: Decimal | int | str | None = None,
    currency: str | None = None,
    is_gross: bool = False,
    product_name: str | None = None,
    affiliate_id: int | None = None,
    generate_mail: bool = True,
) -> Call[UpdateResult]:
    """Add an item. Its RunningNumber is not answered: read the subscription.

    It is never sent again by itself, since that would add twice.

    Raises:
        NotFound: there is no such subscription or product.
    """
    body: dict[str, object] = {
        "SubscriptionId": _id(subscription),
        "ProductId": whole(product_id, "A product_id", least=1),
        "Quantity": whole(quantity, "A quantity", least=1),
    }
    if coupon_code is not None:
        body["CouponCode"] = coupon_code
    if price is not None:
        body["CustomerPrice"] = _price(subscription, price, currency, is_gross)
    if product_name is not None:
        body["ProductName"] = product_name
    if affiliate_id is not None:
        body["AffiliateId"] = whole(affiliate_id, "An affiliate_id", least=1)
    return _change("addsubscriptionitem", body, alignment, preview, generate_mail, sets_a_total=False)


def deactivate_subscription_items(
    subscription: SubscriptionRef,
    *items: ItemRef,
    allow_reinstate: bool = True,
    generate_mail: bool = True,
) -> Call[None]:
    """Let items end at the next billing date; at least one has to stay active.

    Raises:
        APIError: status 402 for an item that there is not, and for the last one.
        NotFound: there is no such subscription.
    """
    body = {**_items(subscription, items), "AllowReinstate": allow_reinstate, "GenerateMail": generate_mail}
    return _call("POST", "deactivatesubscriptionitems", documents.nothing, body=body, repeatable=False)


def reinstate_subscription_items(
    subscription: SubscriptionRef, *items: ItemRef, generate_mail: bool = True
) -> Call[None]:
    """Let deactivated items go on; usually followed by `update_next_billing_date`. Raises as deactivating."""
    body = {**_items(subscription, items), "GenerateMail": generate_mail}
    return _call("POST", "reinstatesubscriptionitems", documents.nothing, body=body, repeatable=False)


def update_next_billing_date(subscription: SubscriptionRef, date: datetime) -> Call[None]:
    """Bill next at another moment, at least a minute from now. `date` is aware.

    Raises:
        APIError: status 402 for a subscription that isn't active, and for a date that is over.
        NotFound: there is no such subscription.
    """
    if date.tzinfo is None:
        raise ValueError("A next billing date has a time zone")
    body = {"SubscriptionId": _id(subscription), "NextBillingDate": date.astimezone(UTC)}
    return _call("POST", "updatenextbillingdate", documents.nothing, body=body, repeatable=True)


def renew_subscription(
    subscription: SubscriptionRef, *, reset_billing_interval: bool = False
) -> Call[Renewal]:
    """Renew, and charge, ahead of the date. What is left of the interval is added to the next one, unless it
    is reset.

    Never sent again by itself, since that would charge twice.

    Raises:
        NotFound: there is no such subscription.
    """
    body: dict[str, object] = {"SubscriptionId": _id(subscription)}
    if reset_billing_interval:
        body["ResetBillingInterval"] = True
    return _call("POST", "renewsubscription", documents.renewal, body=body, repeatable=False)


def _change(
    name: str,
    change: Mapping[str, object],
    alignment: Alignment,
    preview: bool,
    generate_mail: bool,
    *,
    sets_a_total: bool,
) -> Call[UpdateResult]:
    body = {**change, "AlignmentSettings": alignment.settings(preview), "GenerateMail": generate_mail}
    repeatable = preview or (sets_a_total and alignment is Alignment.AT_RENEWAL)
    return _call("POST", name, documents.update_result, body=body, repeatable=repeatable)


@dataclass(frozen=True, slots=True)
class _Subscription:
    """The subscription with this id, whose S in front is optional (documented)."""

    id: str

    def is_of(self, found: Subscription) -> bool:
        return _digits(found.id) == _digits(self.id)


def _digits(id: str) -> str:
    return id.strip().upper().removeprefix("S")


def _read(
    name: str, read: Callable[[bytes], T], query: tuple[tuple[str, str], ...], subject: Subject | None = None
) -> Call[T]:
    return _call("GET", name, read, query=query, repeatable=True, subject=subject)


def _call(
    method: str,
    name: str,
    read: Callable[[bytes], T],
    *,
    query: tuple[tuple[str, str], ...] = (),
    body: Mapping[str, object] | None = None,
    repeatable: bool,
    subject: Subject | None = None,
) -> Call[T]:
    path = f"subscription/{name}"
    return Call(method, path, path, read, documents.refusal, query, body, repeatable, subject=subject)


def _id(subscription: SubscriptionRef) -> str:
    named = subscription.id if isinstance(subscription, Subscription) else subscription
    if not named:
        raise ValueError("The subscription's id is empty")
    return named


def _item(subscription: SubscriptionRef, item: ItemRef) -> dict[str, object]:
    return {"SubscriptionId": _id(subscription), "RunningNumber": _running_number(item)}


def _items(subscription: SubscriptionRef, items: tuple[ItemRef, ...]) -> dict[str, object]:
    if not items:
        raise TypeError("Name at least one item")
    return {"SubscriptionId": _id(subscription), "Items": [_running_number(item) for item in items]}


def _price(
    subscription: SubscriptionRef, price: Decimal | int | str, currency: str | None, is_gross: bool
) -> dict[str, object]:
    if currency is None:
        currency = subscription.customer_currency_id if isinstance(subscription, Subscription) else ""
    if not currency:
        raise TypeError("Name the currency, or pass the subscription as a model")
    value = money.amount(price)
    if value < 0:
        raise ValueError("A price is at least 0")
    return {"Currency": currency, "Value": value, "IsGross": is_gross}


def _running_number(item: ItemRef) -> int:
    """A version that has been replaced would stand for another one."""
    if isinstance(item, Item) and item.raw and not item.is_current:
        raise ValueError("The item is a version that has been replaced: use subscription.item(number)")
    number = item.running_no if isinstance(item, Item) else item
    if number is None:
        raise ValueError("The item has no RunningNo")
    return whole(number, "A RunningNumber", least=1)


def _product(item: ItemRef, product_id: int | None) -> int:
    if product_id is None and isinstance(item, Item):
        product_id = item.product_id
    if product_id is None:
        raise TypeError("Name the product_id, or pass the item as a model")
    return whole(product_id, "A product_id", least=1)
