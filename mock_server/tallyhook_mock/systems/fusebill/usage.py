"""Usage: sets the quantity of a subscription's product, as a total or by a difference (documented).

Also carries out purchases.
"""

from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.bills import Line
from tallyhook_mock.core.money import cents, quantity_text
from tallyhook_mock.systems.fusebill.dates import day_of
from tallyhook_mock.systems.fusebill.invoices import check_not_on_hold, make_draft
from tallyhook_mock.systems.fusebill.model import (
    Change,
    Charge,
    Customer,
    Item,
    PlanProduct,
    Purchase,
    Subscription,
    SubscriptionProduct,
    Timing,
)
from tallyhook_mock.systems.fusebill.refusal import conflict, invalid
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["MOST", "buy", "cancel_purchase", "finalise", "set_items", "set_quantity"]

MOST = Decimal(10**9)


def set_quantity(
    state: State,
    subscription: Subscription,
    product: SubscriptionProduct,
    quantity: Decimal,
    at: datetime,
    *,
    holds: bool = False,
) -> None:
    """Set the quantity of a subscription's product. `quantity` is the new total.

    If the product is charged at the end of the period, it is billed for the quantity at that time. If it is
    charged at the start, the plan says when additional units are charged: at once, at the end, or not at all.
    Fewer units are not refunded. If they are added again in the same period, the account's setting
    `charges_units_again` says whether they are charged again (inferred). Raises Refusal if the quantity can't
    be set, or if additional units would be charged at once and the customer is on hold.

    Standing: documented.
    """
    plan = product.plan
    if not 0 <= quantity <= (MOST if plan.most is None else plan.most):
        raise invalid("quantity", f"from 0 to {quantity_text(MOST if plan.most is None else plan.most)}")
    if not subscription.is_active and subscription.status != "Draft":
        raise conflict("subscriptionId", f"{subscription.id} is {subscription.status}")
    charged, customer = product.quantity, subscription.customer
    if not state.charges_units_again:
        charged = max(charged, product.charged)
    more = quantity - charged
    is_charged = plan.timing is Timing.START and plan.change is not Change.NEVER and more > 0
    is_charged = is_charged and subscription.is_active
    if is_charged and plan.change is Change.IMMEDIATE:
        check_not_on_hold(customer)
    product.quantity = quantity
    note = f"{plan.code} to {quantity_text(quantity)}"
    state.emit("quantityChanged", at, customer, item=product.item, note=note)
    if not is_charged:
        return
    product.charged = max(product.charged, quantity)
    definition, day = subscription.definition, day_of(at)
    amount = definition.prorate(more * plan.price, day) if plan.prorates else cents(more * plan.price)
    name = f"{plan.name}, {quantity_text(more)} more"
    line = Line(product.item, name, more, plan.price, amount, day, definition.end)
    if plan.change is Change.IMMEDIATE:
        make_draft(state, customer, [line], at, definition, holds=holds)
    else:
        charge = Charge(state.ids.next(), line.description, amount, at, day, definition.end)
        subscription.charges.append(charge)


def set_items(
    state: State,
    subscription: Subscription,
    product: SubscriptionProduct,
    items: tuple[Item, ...],
    at: datetime,
    *,
    holds: bool = False,
) -> None:
    """Set the items of a tracked product. The product's quantity becomes the number of items.

    Raises Refusal if the product isn't tracked, or if an item doesn't have a reference of its own.
    """
    if not product.plan.is_tracked:
        raise conflict("subscriptionProductId", f"{product.id} tracks no items: set its quantity")
    references = [item.reference for item in items]
    for reference in references:
        if not reference or references.count(reference) > 1:
            raise conflict("reference", f"{reference!r}: each item needs its own")
    quantity = Decimal(len(items))
    if quantity != product.quantity:
        set_quantity(state, subscription, product, quantity, at, holds=holds)
    product.items = items


def buy(state: State, customer: Customer, plan: PlanProduct, quantity: Decimal, at: datetime) -> Purchase:
    """Create a purchase of a product. The purchase is a draft, and is charged when it is finalised.

    Raises Refusal if the customer is cancelled (inferred).
    """
    _check_not_cancelled(customer)
    purchase = Purchase(state.invoice_ids.next(), customer, plan, quantity, at, plan.name)
    state.purchases[purchase.id] = purchase
    return purchase


def finalise(
    state: State, purchase: Purchase, at: datetime, *, holds: bool = False, is_preview: bool = False
) -> None:
    """Charge for a purchase. A preview only checks whether that is possible.

    Raises Refusal if it is not a draft, or if the customer is cancelled or on hold (inferred).
    """
    _check_draft(purchase)
    _check_not_cancelled(purchase.customer)
    check_not_on_hold(purchase.customer)
    if is_preview:
        return
    purchase.status = "Purchased"
    plan = purchase.plan
    amount = cents(purchase.quantity * plan.price)
    line = Line(f"purchase {purchase.id}", purchase.name, purchase.quantity, plan.price, amount)
    make_draft(state, purchase.customer, [line], at, holds=holds)


def cancel_purchase(purchase: Purchase) -> None:
    """Cancel a purchase. Raises Refusal if it is already finalised or cancelled."""
    _check_draft(purchase)
    purchase.status = "Cancelled"


def _check_draft(purchase: Purchase) -> None:
    if purchase.status != "Draft":
        raise conflict("id", f"purchase {purchase.id} is {purchase.status}")


def _check_not_cancelled(customer: Customer) -> None:
    if customer.status == "Cancelled":
        raise conflict("customerId", f"customer {customer.id} is Cancelled")
