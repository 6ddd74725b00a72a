"""Every call of Cleverbridge's API. `tallyhook.cheddar.calls` explains how calls work.

A client retries calls that read, calls that preview a change, calls that set a quantity or price from the
next renewal on, and the call that sets the next billing date. It never retries a call that charges at once,
adds something, redeems a coupon, or deactivates or reinstates items.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import TypeVar

from tallyhook import money
from tallyhook._call import Call, Named, Subject, flag, present, text, whole, wrong_type
from tallyhook.cleverbridge import documents
from tallyhook.cleverbridge.models import Item, Renewal, Subscription, SubscriptionStatus, UpdateResult

T = TypeVar("T")

SubscriptionRef = str | Subscription
"""A subscription or its id."""

ItemRef = int | Item
"""An item or its number, which is called RunningNumber in requests and RunningNo in answers."""


class Alignment(Enum):
    """When an update takes effect, and what it charges (documented)."""

    AT_RENEWAL = (False, False)
    """The update takes effect at the next renewal, which bills it.

    The update must arrive before the subscription's `next_billing_date_reminder`.
    """

    NOW_PRORATED = (True, False)
    """The update takes effect at once, and the rest of the interval is charged.

    Cleverbridge refuses the update if the amount of this charge would be negative.
    """

    NOW_EXTENDED = (True, True)
    """The update takes effect at once, and extends the current interval to the changed item's interval."""

    def settings(self, preview: bool) -> dict[str, bool]:
        """Return this alignment's flags for a request. `ExtendInterval` requires `AlignToCurrentInterval`."""
        aligned, extended = self.value
        return {
            "AlignToCurrentInterval": aligned,
            "ExtendInterval": extended,
            "GetCustomerPricePreviewOnly": preview,
        }


class UpdateAction(StrEnum):
    """A label for an update. The label doesn't change what the update does (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


def get_subscription(subscription: SubscriptionRef) -> Call[Subscription]:
    """Get one subscription with all versions of all its items.

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
    """List a customer's subscriptions. Pass exactly one of the three customer arguments.

    If `only_current_items` is True, the answer leaves out replaced versions of items (client: only one client
    library shows the parameter's name on the wire).

    Raises:
        NotFound: there is no such customer.
    """
    if isinstance(customer_id, int):
        customer_id = f"{whole(customer_id, 'A customer_id')}"
    named = {
        "customerId": customer_id,
        "customerReferenceId": customer_reference_id,
        "customerEmail": customer_email,
    }
    given = [(name, present(value, name)) for name, value in named.items() if value is not None]
    if customer_id is not None:
        given[0] = ("customerId", _number(given[0][1]))
    if len(given) != 1:
        raise TypeError("Pass exactly one of customer_id, customer_reference_id and customer_email")
    if status is not None:
        if type(status) not in (SubscriptionStatus, int):  # another enum may have the same numbers
            raise wrong_type(status, "A status", "a SubscriptionStatus")
        given.append(("subscriptionstatus", str(SubscriptionStatus(status).value)))
    if flag(only_current_items, "only_current_items"):
        given.append(("isCurrent", "true"))
    subject = None
    if customer_email is None:
        field = "customer_id" if customer_reference_id is None else "customer_reference_id"
        subject = Named(field, given[0][1], may_lack=True)
    return _read("getsubscriptionsforcustomer", documents.subscriptions, tuple(given), subject)


def get_subscriptions_by_purchase(purchase_id: int) -> Call[tuple[Subscription, ...]]:
    """List the subscriptions of a purchase. This call is known from only one client library.

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
    """Set an item's quantity. `quantity` replaces the old quantity; it isn't added.

    The new quantity applies to all later intervals until you set it again. If `preview` is True, nothing
    changes, and the result includes prices. Otherwise the result may lack prices.

    `product_id` is the id of the item's product. If you pass another product's id, the item moves to that
    product (inferred). You may omit `product_id` if `item` is a model. `price`, `currency` and `is_gross` set
    the customer's price. You may omit `currency` if `subscription` is a model.

    Raises:
        APIError: status 402: there is no such item, the coupon doesn't apply, or the price of an update that
            takes effect at once would be negative. After this error, nothing has changed.
        NotFound: there is no such subscription or product.
    """
    change: dict[str, object] = {
        "ProductId": _product(item, product_id),
        "Quantity": whole(quantity, "A quantity"),
    }
    if coupon_code is not None:
        change["CouponCode"] = text(coupon_code, "A coupon_code")
    if price is not None:
        change["CustomerPrice"] = _price(subscription, price, currency, is_gross)
    if product_name is not None:
        change["ProductName"] = text(product_name, "A product_name")
    if flag(reset_billing_interval, "reset_billing_interval"):
        if alignment is Alignment.AT_RENEWAL and not preview:
            raise ValueError("Only an update that takes effect at once can reset the interval")
        change["ResetBillingInterval"] = True
    return _change(
        "updatesubscriptionitem",
        {**_item(subscription, item), **change, "UpdateAction": UpdateAction(update_action)},
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
    """Add `quantity` to an item's quantity. See `update_subscription_item`.

    The client retries only a preview, because a retry could add the quantity twice. After `NoAnswer`, read
    the subscription to see whether the quantity was added.
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
    """Set an item's price and, if you pass `quantity`, its quantity. The price is for one unit (inferred).

    `price` can have at most two decimals. `currency` must be the subscription's currency; you may omit it if
    `subscription` is a model.

    Raises:
        APIError: status 402: there is no such item, or `currency` isn't the subscription's currency.
        NotFound: there is no such subscription.
    """
    change: dict[str, object] = {"CustomerPrice": _price(subscription, price, currency, is_gross)}
    if quantity is not None:
        change["Quantity"] = whole(quantity, "A quantity")
    return _change(
        "updatesubscriptionitemprice",
        {**_item(subscription, item), **change, "UpdateAction": UpdateAction(update_action)},
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
    """Add an item to a subscription.

    The answer doesn't contain the new item's RunningNumber; read the subscription to get the number. The
    client retries only a preview, because a retry could add the item twice.

    Raises:
        NotFound: there is no such subscription or product.
    """
    body: dict[str, object] = {
        "SubscriptionId": _id(subscription),
        "ProductId": whole(product_id, "A product_id", least=1),
        "Quantity": whole(quantity, "A quantity", least=1),
    }
    if coupon_code is not None:
        body["CouponCode"] = text(coupon_code, "A coupon_code")
    if price is not None:
        body["CustomerPrice"] = _price(subscription, price, currency, is_gross)
    if product_name is not None:
        body["ProductName"] = text(product_name, "A product_name")
    if affiliate_id is not None:
        body["AffiliateId"] = whole(affiliate_id, "An affiliate_id", least=1)
    return _change("addsubscriptionitem", body, alignment, preview, generate_mail, sets_a_total=False)


def deactivate_subscription_items(
    subscription: SubscriptionRef,
    *items: ItemRef,
    allow_reinstate: bool = True,
    generate_mail: bool = True,
) -> Call[None]:
    """Deactivate items at the next billing date. At least one item of the subscription must stay active.

    Raises:
        APIError: status 402: there is no such item, or no item would stay active.
        NotFound: there is no such subscription.
    """
    body = {**_items(subscription, items), "AllowReinstate": flag(allow_reinstate, "allow_reinstate")}
    body["GenerateMail"] = flag(generate_mail, "generate_mail")
    return _call("POST", "deactivatesubscriptionitems", documents.nothing, body=body, repeatable=False)


def reinstate_subscription_items(
    subscription: SubscriptionRef, *items: ItemRef, generate_mail: bool = True
) -> Call[None]:
    """Reactivate items that were deactivated. Usually, you then call `update_next_billing_date`.

    Raises:
        APIError: status 402: there is no such item.
        NotFound: there is no such subscription.
    """
    body = {**_items(subscription, items), "GenerateMail": flag(generate_mail, "generate_mail")}
    return _call("POST", "reinstatesubscriptionitems", documents.nothing, body=body, repeatable=False)


def update_next_billing_date(subscription: SubscriptionRef, date: datetime) -> Call[None]:
    """Set the next billing date. `date` must be a timezone-aware time at least a minute from now.

    Raises:
        APIError: status 402: the subscription isn't active, or the date is in the past.
        NotFound: there is no such subscription.
    """
    if not isinstance(date, datetime):
        raise wrong_type(date, "A next billing date", "a datetime")
    if date.tzinfo is None:
        raise ValueError("A next billing date needs a time zone")
    body = {"SubscriptionId": _id(subscription), "NextBillingDate": date.astimezone(UTC)}
    return _call("POST", "updatenextbillingdate", documents.nothing, body=body, repeatable=True)


def renew_subscription(
    subscription: SubscriptionRef, *, reset_billing_interval: bool = False
) -> Call[Renewal]:
    """Renew a subscription and charge the customer before the billing date.

    The rest of the current interval is added to the next interval, unless `reset_billing_interval` is True.
    The client doesn't retry this call, because a retry could charge twice.

    Raises:
        NotFound: there is no such subscription.
    """
    body: dict[str, object] = {"SubscriptionId": _id(subscription)}
    if flag(reset_billing_interval, "reset_billing_interval"):
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
    if not isinstance(alignment, Alignment):
        raise wrong_type(alignment, "An alignment", "an Alignment")
    body = {
        **change,
        "AlignmentSettings": alignment.settings(flag(preview, "preview")),
        "GenerateMail": flag(generate_mail, "generate_mail"),
    }
    repeatable = preview or (sets_a_total and alignment is Alignment.AT_RENEWAL)
    return _call("POST", name, documents.update_result, body=body, repeatable=repeatable)


@dataclass(frozen=True, slots=True)
class _Subscription:
    """Matches the subscription with this id."""

    id: str

    def is_of(self, found: Subscription) -> bool:
        return canonical(found.id) == canonical(self.id)


def _number(id: str) -> str:
    """Return a customer's id as the API writes it: a number (documented) without leading zeros."""
    plain = id.strip()
    return (plain.lstrip("0") or "0") if plain.isdecimal() else plain


def canonical(id: str) -> str:
    """Return the id in the form in which ids are compared: in upper case and without its leading S.

    The leading S of an id is optional (documented).
    """
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
    return present(named, "subscription's id")


def _item(subscription: SubscriptionRef, item: ItemRef) -> dict[str, object]:
    return {"SubscriptionId": _id(subscription), "RunningNumber": _running_number(item)}


def _items(subscription: SubscriptionRef, items: tuple[ItemRef, ...]) -> dict[str, object]:
    if not items:
        raise TypeError("Pass at least one item")
    return {"SubscriptionId": _id(subscription), "Items": [_running_number(item) for item in items]}


def _price(
    subscription: SubscriptionRef, price: Decimal | int | str, currency: str | None, is_gross: bool
) -> dict[str, object]:
    if currency is None:
        currency = subscription.customer_currency_id if isinstance(subscription, Subscription) else ""
    if not text(currency, "A currency"):
        raise TypeError("Pass the currency, or the subscription as a model")
    value = money.amount(price)
    if value < 0:
        raise ValueError("A price must be at least 0")
    return {"Currency": currency, "Value": value, "IsGross": flag(is_gross, "is_gross")}


def _running_number(item: ItemRef) -> int:
    """Return the item's number.

    Raises ValueError for a replaced version of an item, because its number may now belong to another item.
    """
    if isinstance(item, Item) and item.raw and not item.is_current:
        raise ValueError("This version of the item has been replaced: use subscription.item(number)")
    number = item.running_no if isinstance(item, Item) else item
    if number is None:
        raise ValueError("The item has no RunningNo")
    return whole(number, "A RunningNumber", least=1)


def _product(item: ItemRef, product_id: int | None) -> int:
    if product_id is None and isinstance(item, Item):
        product_id = item.product_id
    if product_id is None:
        raise TypeError("Pass the product_id, or the item as a model")
    return whole(product_id, "A product_id", least=1)
