"""The types of the calls' arguments: small frozen structures, and TypedDicts for keyword arguments.

An argument that you don't pass is not sent. `""` clears a field. In a call that edits fields, a keyword
argument that is None also clears its field.
"""

import operator
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, SupportsIndex, TypedDict

import msgspec

from tallyhook import money
from tallyhook._call import Pairs, camel, text, wrong_type
from tallyhook.errors import MASK


class CustomerDetails(TypedDict, total=False):
    """A customer's fields, except for the code, names and email."""

    company: str
    tax_rate: Decimal | None
    is_tax_exempt: bool
    is_vat_exempt: bool
    tax_number: str
    vat_number: str
    notes: str
    first_contact_datetime: datetime | None
    referer: str
    campaign_term: str
    campaign_name: str
    campaign_source: str
    campaign_medium: str
    campaign_content: str
    gateway_token: str
    meta_data: Mapping[str, str]


class CustomerFields(CustomerDetails, total=False):
    """The customer fields that can be edited."""

    code: str
    first_name: str
    last_name: str
    email: str


class PlanFields(TypedDict, total=False):
    """The fields of a plan, named as in a plan's document (inferred: no source lists them)."""

    description: str
    is_active: bool
    is_free: bool
    payment_method_is_required: bool
    trial_days: int
    initial_bill_count: int
    initial_bill_count_unit: str
    billing_frequency: Literal[
        "daily",
        "weekly",
        "biweekly",
        "monthly",
        "bimonthly",
        "quarterly",
        "semi-annually",
        "annually",
        "biennially",
        "none",
    ]
    setup_charge_code: str
    setup_charge_amount: Decimal
    recurring_charge_code: str
    recurring_charge_amount: Decimal
    on_change_initial_bill_handler: str
    setup_charge_bill_handler: str
    on_change_setup_charge_bill_handler: str


class PlanEdit(PlanFields, total=False):
    """The plan fields that can be edited."""

    name: str


class _Input(msgspec.Struct, frozen=True):
    _secret: ClassVar[frozenset[str]] = frozenset()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        given = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, MASK if name in self._secret else value) for name, value in given if value is not None]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
        )


class PaymentInput(_Input, frozen=True, kw_only=True):
    """How a customer pays. The `repr` hides the card's number and security code.

    `method` is `cc`, `paypal` or another value that Cheddar knows. `cc_expiration` has the format `MM/YYYY`.
    PayPal sends the customer back to `return_url` or `cancel_url`.
    """

    _secret: ClassVar = frozenset({"cc_number", "cc_card_code"})

    method: str | None = None
    cc_number: str | None = None
    cc_expiration: str | None = None
    cc_card_code: str | None = None
    cc_first_name: str | None = None
    cc_last_name: str | None = None
    cc_company: str | None = None
    cc_country: str | None = None
    cc_address: str | None = None
    cc_city: str | None = None
    cc_state: str | None = None
    cc_zip: str | None = None
    cc_email: str | None = None
    gateway_token: str | None = None
    cc_type: str | None = None
    cc_last_four: str | None = None
    return_url: str | None = None
    cancel_url: str | None = None


class ChargeInput(_Input, frozen=True):
    """A custom charge. If `each_amount` is negative, it is a credit.

    `each_amount` can have at most two decimals, `quantity` must be a positive integer, and `charge_code` can
    have at most 36 characters (documented).
    """

    charge_code: str
    each_amount: Decimal | int | str
    description: str = ""
    quantity: Decimal | int | str = 1


class ItemInput(_Input, frozen=True):
    """A tracked item's code and its quantity, which can have at most four decimals (documented)."""

    item_code: str
    quantity: Decimal | int | str


def pairs(fields: Mapping[str, object], within: str = "") -> Pairs:
    """Return fields as a form's (name, value) pairs. If `within` is given, each name is `within[name]`."""
    found: list[tuple[str, str]] = []
    for name, value in fields.items():
        word = camel(name)
        key = f"{within}[{word}]" if within else word
        if isinstance(value, Mapping):
            found += (
                (f"{key}[{text(inner, f'A name in {name}')}]", plain(entry)) for inner, entry in value.items()
            )
        else:
            found.append((key, plain(value)))
    return tuple(found)


def given_pairs(fields: Mapping[str, object], within: str = "") -> Pairs:
    """Return the fields that are not None, as a form's (name, value) pairs."""
    return pairs({name: value for name, value in fields.items() if value is not None}, within)


def charge_pairs(charge: ChargeInput, within: str = "") -> Pairs:
    """Return a charge as a form's (name, value) pairs.

    The pairs are in the order in which Cheddar checks them (documented). Raises TypeError if the charge's
    code or description isn't a str.
    """
    if not isinstance(charge, ChargeInput):
        raise wrong_type(charge, "A charge", "a ChargeInput")
    description = text(charge.description, "A charge's description")
    fields = {
        "charge_code": text(charge.charge_code, "A charge's code"),
        "quantity": money.count(charge.quantity),
        "each_amount": money.amount(charge.each_amount),
    }
    return pairs(fields | ({"description": description} if description else {}), within)


def list_of_charges(charges: Sequence[ChargeInput]) -> Pairs:
    """Return charges as a form's (name, value) pairs, with the names `charges[0][…]`, `charges[1][…]`, …"""
    return tuple(
        pair for index, charge in enumerate(charges) for pair in charge_pairs(charge, f"charges[{index}]")
    )


def list_of_items(items: Sequence[ItemInput]) -> Pairs:
    """Return items as a form's (name, value) pairs, with the names `items[0][…]`, `items[1][…]`, …"""
    return tuple(pair for index, item in enumerate(items) for pair in _item_pairs(item, f"items[{index}]"))


def _item_pairs(item: ItemInput, within: str) -> Pairs:
    if not isinstance(item, ItemInput):
        raise wrong_type(item, "An item", "an ItemInput")
    return pairs(
        {
            "item_code": text(item.item_code, "An item's code"),
            "quantity": money.quantity_text(money.quantity(item.quantity)),
        },
        within,
    )


def plain(value: object) -> str:
    """Return a value as text for a form or query, in the format that Cheddar uses in its XML.

    Raises:
        TypeError: the value is a float, or of another type that Cheddar's XML doesn't have.
        ValueError: the value is a datetime without an offset, or not a finite number of reasonable size.
    """
    if isinstance(value, float):
        raise TypeError("A float isn't exact: pass a Decimal")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("A datetime needs an offset")
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case Decimal():
            return f"{money.exact_number(value, 'A number'):f}"
        case datetime() | date():
            return value.isoformat()
        case str():
            return text(value, "A value")
        case SupportsIndex():
            return str(operator.index(value))
        case _:
            raise TypeError(f"A value can't be sent: it is a {type(value).__name__}")
