"""Calls about customers and their subscriptions."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal, Unpack

import msgspec

from tallyhook._call import Call, Pairs, only, text, whole, wrong_type
from tallyhook.cheddar import responses
from tallyhook.cheddar.calls.call import (
    CustomerRef,
    Subject,
    call,
    identity,
    number_text,
    of_customer,
)
from tallyhook.cheddar.models import Customer
from tallyhook.cheddar.parameters import (
    ChargeInput,
    CustomerDetails,
    CustomerFields,
    ItemInput,
    PaymentInput,
    given_pairs,
    list_of_charges,
    list_of_items,
    pairs,
)

# The maximum number of customers in one import (documented).
_IMPORT_LIMIT = 100


def get_customers(
    *,
    subscription_status: Literal["activeOnly", "canceledOnly"] | None = None,
    plan_code: str | Sequence[str] = (),
    created_after_date: date | None = None,
    created_before_date: date | None = None,
    canceled_after_date: date | None = None,
    canceled_before_date: date | None = None,
    transacted_after_date: date | None = None,
    transacted_before_date: date | None = None,
    order_by: Literal["name", "company", "plan", "billingDatetime", "createdDatetime"] | None = None,
    order_by_direction: Literal["asc", "desc"] | None = None,
    search: str | None = None,
) -> Call[tuple[Customer, ...]]:
    """List the customers that match all the filters that you pass. Without filters, list all customers.

    Each date filter includes the day that you pass. `plan_code` is one code or several; a customer on any of
    these plans matches. `search` matches names, companies, emails and the last four digits of cards
    (documented).

    Raises:
        NotFound: no customer matches (documented).
    """
    days = {
        "created_after_date": created_after_date,
        "created_before_date": created_before_date,
        "canceled_after_date": canceled_after_date,
        "canceled_before_date": canceled_before_date,
        "transacted_after_date": transacted_after_date,
        "transacted_before_date": transacted_before_date,
    }
    order = {"order_by": order_by, "order_by_direction": order_by_direction, "search": search}
    filters = {
        **_texts(subscription_status=subscription_status),
        **{name: _day(day, name) for name, day in days.items() if day is not None},
        **_texts(**order),
    }
    wanted = (
        (("planCode", plan_code),)
        if isinstance(plan_code, str)
        else tuple(("planCode[]", text(code, "A plan's code")) for code in plan_code)
    )
    return call("customers/get", responses.customers, pairs(filters) + wanted, repeatable=True)


def search_customers(search: str) -> Call[tuple[Customer, ...]]:
    """List the customers whose name, company, email or last four card digits match `search`.

    Raises:
        NotFound: no customer matches (documented).
    """
    return call(
        "customers/search", responses.customers, (("search", text(search, "search")),), repeatable=True
    )


def get_customer(customer: CustomerRef | None = None, *, invoice_number: int | None = None) -> Call[Customer]:
    """Get one customer with all subscriptions and invoices.

    Pass either `customer` or, in `invoice_number`, the number of one of the customer's invoices.
    """
    if customer is not None and invoice_number is None:
        return of_customer("customers/get", customer, repeatable=True)
    if customer is not None or invoice_number is None:
        raise TypeError("Pass either a customer or an invoice_number")
    number = number_text(invoice_number)
    subject, whom = Subject("invoice number", (number,)), (("invoiceNumber", number),)
    return call("customers/get", responses.customer, whom, repeatable=True, subject=subject)


def new_customer(
    code: str,
    first_name: str,
    last_name: str,
    email: str,
    plan_code: str,
    *,
    payment: PaymentInput | None = None,
    coupon_code: str | None = None,
    initial_bill_date: datetime | date | None = None,
    charges: Sequence[ChargeInput] = (),
    items: Sequence[ItemInput] = (),
    **details: Unpack[CustomerDetails],
) -> Call[Customer]:
    """Create a customer with a subscription to a plan. If the plan bills at sign-up, the card is charged.

    `charges` are added to the first invoice. `items` are the initial quantities of the plan's items.

    Raises:
        PreconditionFailed: a field is missing or malformed, or another customer has this code.
        UnprocessableEntity: the gateway declined the payment; the customer was not created (documented).
    """
    required = {"code": code, "first_name": first_name, "last_name": last_name, "email": email}
    known = {name: text(value, name) for name, value in required.items()}
    form = (
        pairs({**known, **only(CustomerDetails, details)})
        + _subscription_pairs(
            "subscription",
            plan_code=text(plan_code, "plan_code"),
            coupon_code=coupon_code,
            initial_bill_date=initial_bill_date,
            payment=payment,
        )
        + list_of_charges(charges)
        + list_of_items(items)
    )
    return call("customers/new", responses.accepted, form=form, subject=Subject("code", (code,)))


def import_customers(customers: Sequence[Call[Customer]]) -> Call[tuple[Customer, ...]]:
    """Create up to 100 customers in one call. Build each entry of `customers` with `calls.new_customer(…)`.

    The form's fields are `customers[0][firstName]`, `customers[0][subscription][planCode]`, … (inferred).
    """
    if not 1 <= len(customers) <= _IMPORT_LIMIT:
        raise ValueError(f"An import must have 1 to {_IMPORT_LIMIT} customers")
    form: list[tuple[str, str]] = []
    for index, customer in enumerate(customers):
        if not isinstance(customer, Call) or customer.action != "customers/new":
            raise TypeError("Build each customer of an import with calls.new_customer(…)")
        for name, value in customer.form:
            head, bracket, tail = name.partition("[")
            form.append((f"customers[{index}][{head}]{bracket}{tail}", value))
    return call("customers/import", responses.all_accepted, form=tuple(form))


def edit(
    customer: CustomerRef,
    *,
    plan_code: str | None = None,
    coupon_code: str | None = None,
    change_bill_date: datetime | date | Literal["now"] | None = None,
    payment: PaymentInput | None = None,
    **fields: Unpack[CustomerFields],
) -> Call[Customer]:
    """Change fields of a customer and of the customer's subscription in one call.

    See `edit_customer` and `edit_subscription`. Like `edit_subscription`, this call may bill at once.
    """
    form = pairs(only(CustomerFields, fields)) + _subscription_pairs(
        "subscription",
        plan_code=plan_code,
        coupon_code=coupon_code,
        change_bill_date=change_bill_date,
        payment=payment,
    )
    return of_customer("customers/edit", customer, form, new_code=fields.get("code"))


def edit_customer(customer: CustomerRef, **fields: Unpack[CustomerFields]) -> Call[Customer]:
    """Change fields of a customer. Fields that you don't pass stay the same; `""` or None clears a field."""
    form = pairs(only(CustomerFields, fields))
    new_code = fields.get("code")
    # A retry wouldn't find the customer under the old code.
    return of_customer(
        "customers/edit-customer", customer, form, repeatable="code" not in fields, new_code=new_code
    )


def edit_subscription(
    customer: CustomerRef,
    *,
    plan_code: str | None = None,
    coupon_code: str | None = None,
    change_bill_date: datetime | date | Literal["now"] | None = None,
    payment: PaymentInput | None = None,
) -> Call[Customer]:
    """Change the plan, bill date or payment method of a customer's subscription.

    This call may bill at once: a `change_bill_date` of `"now"` or in the past executes the current invoice,
    and a new payment method executes the outstanding invoice (documented).

    Raises:
        UnprocessableEntity: the gateway declined the payment. The error's `customer` shows the customer's
            current state.
    """
    form = _subscription_pairs(
        "",
        plan_code=plan_code,
        coupon_code=coupon_code,
        change_bill_date=change_bill_date,
        payment=payment,
    )
    return of_customer("customers/edit-subscription", customer, form)


def cancel(customer: CustomerRef) -> Call[Customer]:
    """Cancel a customer's subscription."""
    return of_customer("customers/cancel", customer)


def delete_customer(customer: CustomerRef) -> Call[None]:
    """Delete a customer and all the customer's data."""
    return call("customers/delete", responses.nothing, identity(customer, "customer"))


def delete_all_customers(confirm: int) -> Call[None]:
    """Delete all customers of the product. Cheddar refuses this for a product in production (documented).

    `confirm` is the current Unix time in seconds.
    """
    return call("customers/delete-all", responses.nothing, (("confirm", str(whole(confirm, "confirm"))),))


def paypal_revert(customer: CustomerRef) -> Call[Customer]:
    """Cancel a customer's pending switch to PayPal (inferred: only some client libraries have this call)."""
    return of_customer("customers/paypal-revert", customer)


def _subscription_pairs(
    within: str,
    *,
    plan_code: str | None,
    coupon_code: str | None,
    payment: PaymentInput | None,
    **dates: datetime | date | str | None,
) -> Pairs:
    for name, day in dates.items():
        if not (day is None or isinstance(day, date) or (name == "change_bill_date" and day == "now")):
            raise wrong_type(day, name, "a datetime or a date")
    if not isinstance(payment, PaymentInput | None):
        raise wrong_type(payment, "payment", "a PaymentInput")
    paid = {} if payment is None else msgspec.structs.asdict(payment)
    codes = _texts(plan_code=plan_code, coupon_code=coupon_code)
    return given_pairs({**codes, **dates, **_texts(**paid)}, within)


def _texts(**fields: Any) -> dict[str, str]:
    """Return the fields that are not None. Raises TypeError if one is not a str."""
    return {name: text(value, name) for name, value in fields.items() if value is not None}


def _day(day: date, what: str) -> str:
    if not isinstance(day, date):
        raise wrong_type(day, what, "a date")
    return date(day.year, day.month, day.day).isoformat()
