"""Every call of Cleverbridge's API, described once; see `tallyhook.cheddar.calls` for the manner of it.

Repeatable, and so tried again by themselves, are readings, previews, and updates that set a total from the
next renewal on. Never so: what charges at once, what adds, and what redeems a coupon.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from tallyhook import money
from tallyhook._call import Call, whole
from tallyhook.cleverbridge import documents
from tallyhook.cleverbridge.models import Item, Subscription, UpdateResult
from tallyhook.cleverbridge.terms import Alignment, UpdateAction

__all__ = [
    "ItemRef",
    "SubscriptionRef",
    "get_subscription",
    "increase_subscription_item_quantity",
    "update_subscription_item",
    "update_subscription_item_price",
]

T = TypeVar("T")

SubscriptionRef = str | Subscription
"""A subscription, or its id."""

ItemRef = int | Item
"""An item, or its RunningNumber."""


def get_subscription(subscription: SubscriptionRef) -> Call[Subscription]:
    """One subscription with its items.

    Raises:
        NotFound: there is no such subscription.
    """
    query = (("subscriptionId", _id(subscription)),)
    return _call("GET", "getsubscription", documents.subscription, query=query, repeatable=True)


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
    product_name: str | None = None,
    generate_mail: bool = True,
) -> Call[UpdateResult]:
    """Set an item's quantity: `quantity` is the total after the update, not what is added.

    An item in arrears is billed at the end of the interval with the quantity that it has then, which stays
    until it is updated again (inferred). With `preview` nothing changes; the result tells the prices.

    `product_id` is that of the item; another one moves the item to that product (inferred). It may be left
    out if `item` is a model.

    Raises:
        BadRequest: no such item or product, or a coupon that doesn't apply.
        NotFound: there is no such subscription.
    """
    return _update(
        "updatesubscriptionitem",
        subscription,
        item,
        {"ProductId": _product(item, product_id), "Quantity": whole(quantity, "A quantity")},
        alignment=alignment,
        preview=preview,
        update_action=update_action,
        coupon_code=coupon_code,
        product_name=product_name,
        generate_mail=generate_mail,
        sets_a_total=True,
    )


def increase_subscription_item_quantity(
    subscription: SubscriptionRef,
    item: ItemRef,
    quantity: int,
    *,
    product_id: int | None = None,
    alignment: Alignment = Alignment.AT_RENEWAL,
    preview: bool = False,
    update_action: UpdateAction = UpdateAction.UPDATE,
    coupon_code: str | None = None,
    product_name: str | None = None,
    generate_mail: bool = True,
) -> Call[UpdateResult]:
    """Add to an item's quantity: `quantity` is what is added (inferred). See `update_subscription_item`.

    It is never sent again by itself, since that would add twice: after `NoAnswer` read the subscription.
    """
    return _update(
        "increasesubscriptionitemquantity",
        subscription,
        item,
        {"ProductId": _product(item, product_id), "Quantity": whole(quantity, "A quantity", least=1)},
        alignment=alignment,
        preview=preview,
        update_action=update_action,
        coupon_code=coupon_code,
        product_name=product_name,
        generate_mail=generate_mail,
        sets_a_total=False,
    )


def update_subscription_item_price(
    subscription: SubscriptionRef,
    item: ItemRef,
    price: Decimal | int | str,
    *,
    currency: str | None = None,
    is_gross: bool = False,
    alignment: Alignment = Alignment.AT_RENEWAL,
    preview: bool = False,
    update_action: UpdateAction = UpdateAction.UPDATE,
    generate_mail: bool = True,
) -> Call[UpdateResult]:
    """Set what one unit of an item costs; two decimals at the most. The price's form is inferred.

    `currency` is the subscription's. It may be left out if `subscription` is a model.

    Raises:
        BadRequest: no such item, or another currency.
        NotFound: there is no such subscription.
    """
    if currency is None:
        currency = subscription.currency if isinstance(subscription, Subscription) else ""
    if not currency:
        raise TypeError("Name the currency, or pass the subscription as a model")
    value = money.amount(price)
    if value < 0:
        raise ValueError("A price is at least 0")
    return _update(
        "updatesubscriptionitemprice",
        subscription,
        item,
        {"CustomerPrice": {"Currency": currency, "Value": value, "IsGross": is_gross}},
        alignment=alignment,
        preview=preview,
        update_action=update_action,
        coupon_code=None,
        product_name=None,
        generate_mail=generate_mail,
        sets_a_total=True,
    )


def _update(
    name: str,
    subscription: SubscriptionRef,
    item: ItemRef,
    change: Mapping[str, object],
    *,
    alignment: Alignment,
    preview: bool,
    update_action: UpdateAction,
    coupon_code: str | None,
    product_name: str | None,
    generate_mail: bool,
    sets_a_total: bool,
) -> Call[UpdateResult]:
    body = {
        "SubscriptionId": _id(subscription),
        "RunningNumber": _running_number(item),
        **change,
        "AlignmentSettings": alignment.settings(preview),
        "UpdateAction": update_action,
        "GenerateMail": generate_mail,
    }
    if coupon_code is not None:
        body["CouponCode"] = coupon_code
    if product_name is not None:
        body["ProductName"] = product_name
    repeatable = preview or (sets_a_total and alignment is Alignment.AT_RENEWAL and coupon_code is None)
    return _call("POST", name, documents.update_result, body=body, repeatable=repeatable)


def _call(
    method: str,
    name: str,
    read: Callable[[bytes], T],
    *,
    query: tuple[tuple[str, str], ...] = (),
    body: Mapping[str, object] | None = None,
    repeatable: bool,
) -> Call[T]:
    path = f"subscription/{name}"
    return Call(method, path, path, read, documents.refusal, query, body, repeatable)


def _id(subscription: SubscriptionRef) -> str:
    named = subscription.id if isinstance(subscription, Subscription) else subscription
    if not named:
        raise ValueError("The subscription's id is empty")
    return named


def _running_number(item: ItemRef) -> int:
    number = item.running_number if isinstance(item, Item) else item
    if number is None:
        raise ValueError("The item has no RunningNumber")
    return whole(number, "A RunningNumber", least=1)


def _product(item: ItemRef, product_id: int | None) -> int:
    if product_id is None and isinstance(item, Item):
        product_id = item.product_id
    if product_id is None:
        raise TypeError("Name the product_id, or pass the item as a model")
    return whole(product_id, "A product_id", least=1)
