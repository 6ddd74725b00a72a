"""Calls that report usage: tracked items, custom charges and credits."""

from decimal import Decimal
from typing import Literal

from tallyhook import money
from tallyhook._call import Call, present
from tallyhook.cheddar.calls.call import CustomerRef, ItemRef, identity, of_customer
from tallyhook.cheddar.models import Customer, InvoicePeriod
from tallyhook.cheddar.parameters import ChargeInput, charge_pairs


def add_item_quantity(
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str = 1,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Add `quantity`, which is above 0 with at most four decimals, to a tracked item's quantity."""
    return _item_quantity("add", customer, item, quantity, invoice_period)


def remove_item_quantity(
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str = 1,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Subtract `quantity`, which is above 0 with at most four decimals, from a tracked item's quantity."""
    return _item_quantity("remove", customer, item, quantity, invoice_period)


def set_item_quantity(
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Set a tracked item's quantity. `quantity` can be zero and can have at most four decimals.

    Raises:
        PreconditionFailed: the quantity exceeds a hard limit of the plan (documented).
        NotFound: there is no such customer, or the plan has no such item.
    """
    return _item_quantity("set", customer, item, quantity, invoice_period)


def add_charge(
    customer: CustomerRef,
    charge_code: str,
    quantity: Decimal | int | str,
    each_amount: Decimal | int | str,
    description: str = "",
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Add a custom charge to an invoice. If `each_amount` is negative, the charge is a credit.

    `quantity` must be a positive integer, and `each_amount` can have at most two decimals. The client doesn't
    retry this call, because a retry could charge twice. After `NoAnswer`, check whether the invoice already
    has the charge.
    """
    form = charge_pairs(ChargeInput(charge_code, each_amount, description, quantity))
    return of_customer("customers/add-charge", customer, (*form, _period(invoice_period)))


def delete_charge(
    customer: CustomerRef,
    charge_id: str,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Delete a custom charge from an invoice.

    Raises:
        APIError: there is no such charge. If the client retried the call, an earlier attempt may have deleted
            the charge.
    """
    form = (("chargeId", present(charge_id, "charge's id")), _period(invoice_period))
    return of_customer("customers/delete-charge", customer, form, repeatable=True)


def _item_quantity(
    verb: Literal["add", "remove", "set"],
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str,
    invoice_period: InvoicePeriod,
) -> Call[Customer]:
    ((by, name),) = identity(item, "item")
    which = (("itemId" if by == "id" else "itemCode", name),)
    form = (("quantity", money.quantity_text(money.quantity(quantity))), _period(invoice_period))
    action = f"customers/{verb}-item-quantity"
    return of_customer(action, customer, form, query=which, repeatable=verb == "set")


def _period(invoice_period: InvoicePeriod) -> tuple[str, str]:
    # Cheddar would treat a misspelled period as the current period, so a misspelling raises ValueError here.
    return "invoicePeriod", InvoicePeriod(invoice_period).value
