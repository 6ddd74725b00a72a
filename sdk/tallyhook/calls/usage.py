"""Usage on the way to an invoice: tracked items, custom charges and credits."""

from decimal import Decimal
from typing import Literal

from tallyhook import documents, money
from tallyhook.calls.call import Call, CustomerRef, ItemRef, customer_subject, identity, present
from tallyhook.inputs import ChargeInput, charge_pairs
from tallyhook.models import Customer, InvoicePeriod


def add_item_quantity(
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str = 1,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Add to the counter of a tracked item; four decimals at the most."""
    return _item_quantity("add", customer, item, quantity, invoice_period)


def remove_item_quantity(
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str = 1,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Take from the counter of a tracked item; four decimals at the most."""
    return _item_quantity("remove", customer, item, quantity, invoice_period)


def set_item_quantity(
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Set the counter of a tracked item; zero is allowed, and four decimals at the most.

    Raises:
        PreconditionFailed: over a hard limit of the plan (documented).
        NotFound: no such customer, or no such item in the plan.
    """
    return _item_quantity("set", customer, item, quantity, invoice_period, repeatable=True)


def add_charge(
    customer: CustomerRef,
    charge_code: str,
    quantity: Decimal | int | str,
    each_amount: Decimal | int | str,
    description: str = "",
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Put a custom charge on an invoice, or with a negative `each_amount` a credit.

    `quantity` is a positive integer, `each_amount` has two decimals at the most. It is never sent again
    by itself, since it would charge twice: after `NoAnswer` look for it on the invoice.
    """
    form = charge_pairs(ChargeInput(charge_code, each_amount, description, quantity))
    whom = identity(customer, "customer")
    return Call(
        "customers/add-charge",
        documents.customer,
        whom,
        (*form, _period(invoice_period)),
        subject=customer_subject(customer),
    )


def delete_charge(
    customer: CustomerRef,
    charge_id: str,
    *,
    invoice_period: InvoicePeriod = InvoicePeriod.CURRENT,
) -> Call[Customer]:
    """Take a custom charge off an invoice.

    Raises:
        APIError: also when an earlier attempt did it and its answer was lost.
    """
    form = (("chargeId", present(charge_id, "charge's id")), _period(invoice_period))
    whom = identity(customer, "customer")
    return Call(
        "customers/delete-charge",
        documents.customer,
        whom,
        form,
        repeatable=True,
        subject=customer_subject(customer),
    )


def _item_quantity(
    verb: Literal["add", "remove", "set"],
    customer: CustomerRef,
    item: ItemRef,
    quantity: Decimal | int | str,
    invoice_period: InvoicePeriod,
    repeatable: bool = False,
) -> Call[Customer]:
    which = (("itemId" if name == "id" else "itemCode", value) for name, value in identity(item, "item"))
    form = (("quantity", money.quantity_text(money.quantity(quantity))), _period(invoice_period))
    whom = (*identity(customer, "customer"), *which)
    return Call(
        f"customers/{verb}-item-quantity",
        documents.customer,
        whom,
        form,
        repeatable,
        subject=customer_subject(customer),
    )


def _period(invoice_period: InvoicePeriod) -> tuple[str, str]:
    # Cheddar would take a misspelt period for the current one.
    return "invoicePeriod", InvoicePeriod(invoice_period).value
