"""Arguments of a wrong type: every parameter of every call refuses them, and nothing is sent."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from functools import cache
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import httpx
import pytest

import tallyhook
from tallyhook import (
    ChargeInput,
    Id,
    InvoicePeriod,
    ItemInput,
    PaymentInput,
    chargemonk,
    cleverbridge,
    fusebill,
)
from tallyhook._client import Method
from tallyhook.chargemonk import calls as chargemonk_calls
from tallyhook.cheddar import calls as cheddar_calls
from tallyhook.cheddar import models
from tallyhook.cheddar.calls import Call
from tallyhook.cleverbridge import calls as cleverbridge_calls
from tallyhook.fusebill import calls as fusebill_calls

NEW: dict[str, Any] = {"code": "a", "first_name": "b", "last_name": "c", "email": "d", "plan_code": "P"}
CHARGE = ChargeInput("FEE", "1.00")
DEFINITION = fusebill.BillingPeriodDefinition(id=1, raw={"id": 1})
PRODUCT = fusebill.SubscriptionProduct(id=3, quantity=Decimal(1), raw={"id": 3, "quantity": 1})
SUBSCRIPTION = cleverbridge.Subscription(id="S1", customer_currency_id="USD", raw={"Id": "S1"})
ITEM = cleverbridge.Item(running_no=1, product_id=2, is_current=True, raw={"RunningNo": 1})
LATER = datetime(2030, 1, 2, tzinfo=UTC)

# The arguments of a valid call. Parameters that aren't listed are optional.
CALLS: dict[ModuleType, dict[str, dict[str, Any]]] = {
    cheddar_calls: {
        "get_plans": {},
        "get_plan": {"plan": "P"},
        "new_plan": {"code": "P", "name": "Plan"},
        "edit_plan": {"plan": "P"},
        "delete_plan": {"plan": "P"},
        "get_promotions": {},
        "get_promotion": {"coupon_code": "SPRING"},
        "get_customers": {},
        "search_customers": {"search": "x"},
        "get_customer": {"customer": "C1"},
        "new_customer": NEW,
        "import_customers": {"customers": [cheddar_calls.new_customer(**NEW)]},
        "edit": {"customer": "C1"},
        "edit_customer": {"customer": "C1"},
        "edit_subscription": {"customer": "C1"},
        "cancel": {"customer": "C1"},
        "delete_customer": {"customer": "C1"},
        "delete_all_customers": {"confirm": 1},
        "paypal_revert": {"customer": "C1"},
        "add_item_quantity": {"customer": "C1", "item": "GB"},
        "remove_item_quantity": {"customer": "C1", "item": "GB"},
        "set_item_quantity": {"customer": "C1", "item": "GB", "quantity": 1},
        "add_charge": {"customer": "C1", "charge_code": "FEE", "quantity": 1, "each_amount": "1.00"},
        "delete_charge": {"customer": "C1", "charge_id": "7"},
        "new_invoice": {"customer": "C1", "charges": [CHARGE]},
        "run_outstanding": {"customer": "C1"},
        "refund": {"invoice": 7, "amount": "1.00"},
        "void": {"invoice": 7},
        "void_or_refund": {"invoice": 7},
        "waive_invoice": {"invoice": 7},
        "run_invoice": {"invoice": 7},
        "send_email": {"invoice": 7},
    },
    cleverbridge_calls: {
        "get_subscription": {"subscription": "S1"},
        "get_subscriptions_for_customer": {"customer_id": 7},
        "get_subscriptions_by_purchase": {"purchase_id": 7},
        "update_subscription_item": {
            "subscription": SUBSCRIPTION,
            "item": ITEM,
            "quantity": 1,
            "price": "1.00",
        },
        "increase_subscription_item_quantity": {"subscription": "S1", "item": 1, "quantity": 1},
        "update_subscription_item_price": {"subscription": SUBSCRIPTION, "item": 1, "price": "1.00"},
        "add_subscription_item": {
            "subscription": SUBSCRIPTION,
            "product_id": 1,
            "quantity": 1,
            "price": "1.00",
        },
        "deactivate_subscription_items": {"subscription": "S1", "items": 1},
        "reinstate_subscription_items": {"subscription": "S1", "items": 1},
        "update_next_billing_date": {"subscription": "S1", "date": LATER},
        "renew_subscription": {"subscription": "S1"},
    },
    fusebill_calls: {
        "get_billing_period_definitions": {"customer_id": 1},
        "get_billing_period_definition": {"definition": 1},
        "get_billing_period_definition_by_subscription": {"subscription": 1},
        "new_billing_period_definition": {"customer_id": 1, "interval": fusebill.Cycle.MONTHLY},
        "preview_billing_period_definition": {
            "customer_id": 1,
            "interval": fusebill.Cycle.MONTHLY,
            "date": fusebill.InvoiceDate(1),
        },
        "edit_billing_period_definition": {"definition": 1, "invoice_day": 1},
        "delete_billing_period_definition": {"definition": 1},
        "move_subscription": {"subscription": 1, "to": 2},
        "dry_run": {"definition": 1},
        "get_subscription": {"subscription": 1},
        "get_subscriptions": {"customer_id": 1},
        "set_quantity": {"product": PRODUCT, "quantity": 1},
        "change_quantity": {"product": 3, "difference": 1},
        "get_draft_invoices": {},
        "get_draft_invoice": {"draft": 1},
        "change_draft_invoice": {"draft": 1, "changes": fusebill.ChargeChange(1, quantity=1)},
        "post_draft_invoice": {"draft": 1},
        "get_invoices": {"customer_id": 1},
        "get_invoice": {"invoice": 1},
    },
    chargemonk_calls: {
        "list_invoices": {},
        "list_subscription_unbilled_charges": {"subscription_code": "mill"},
        "add_charge": {"subscription_code": "mill", "description": "work", "price": Decimal(1)},
    },
}

CLIENTS: dict[ModuleType, Any] = {
    cheddar_calls: lambda **http: tallyhook.Client("ACME", "u", "p", **http),
    cleverbridge_calls: lambda **http: cleverbridge.Client("u", "p", **http),
    fusebill_calls: lambda **http: fusebill.Client("key", **http),
    chargemonk_calls: lambda **http: chargemonk.Client("token", add_charge_path="addCharge", **http),
}

# Parameters that mean the same thing and can't be passed together with another.
INSTEAD_OF = {
    "invoice_number": ("customer",),
    "customer_reference_id": ("customer_id",),
    "customer_email": ("customer_id",),
}


# What is also sent right, although the annotation doesn't have it.
ALSO = {"invoice_number": str, "first_contact_datetime": date}


class Days(IntEnum):
    WEEK = 7


class Word(Enum):
    CURRENT = "current"


class Name(StrEnum):
    OTHER = "other"


WRONG: dict[str, Any] = {
    "int": 7,
    "negative int": -7,
    "bool": True,
    "false": False,
    "float": 0.5,
    "whole float": 1.0,
    "NaN": float("nan"),
    "Decimal": Decimal("1.00"),
    "Decimal NaN": Decimal("NaN"),
    "str": "yes",
    "number as str": "7",
    "bytes": b"yes",
    "bytearray": bytearray(b"7"),
    "list": ["yes"],
    "list of int": [7],
    "empty list": [],
    "tuple": ("a", "b"),
    "set": {"yes"},
    "dict": {"a": "b"},
    "dict of int": {7: "b"},
    "object": object(),
    "class": str,
    "None": None,
    "naive datetime": datetime(2030, 1, 2),  # noqa: DTZ001  # the misuse
    "datetime": LATER,
    "date": date(2030, 1, 2),
    "timedelta": timedelta(days=1),
    "int enum": Days.WEEK,
    "enum": Word.CURRENT,
    "str enum": Name.OTHER,
    "another system's status": cleverbridge.ItemStatus.REMOVED,
    "another system's cycle": fusebill.Cycle.MONTHLY,
    "a period": InvoicePeriod.OUTSTANDING,
    "an alignment": cleverbridge.Alignment.NOW_PRORATED,
    "Id": Id("7"),
    "charge": CHARGE,
    "item": ItemInput("GB", 1),
    "payment": PaymentInput(cc_zip="8000"),
    "customer": models.Customer(id="7", code="C1"),
    "plan": models.Plan(id="7", code="P"),
    "plan's item": models.PlanItem(id="7", code="GB"),
    "invoice": models.Invoice(id="7", number=7),
    "call": cheddar_calls.get_customer("C1"),
    "call to edit": cheddar_calls.edit_customer("C1", company="x"),
    "list of calls": [cheddar_calls.edit_customer("C1", company="x")],
    "Fusebill's definition": DEFINITION,
    "Fusebill's subscription": fusebill.Subscription(id=7, raw={"id": 7}),
    "Fusebill's product": PRODUCT,
    "Fusebill's draft": fusebill.DraftInvoice(id=7, raw={"id": 7}),
    "Fusebill's invoice": fusebill.Invoice(id=7, raw={"id": 7}),
    "Fusebill's change": fusebill.ChargeChange(7, quantity=1),
    "Fusebill's date": fusebill.InvoiceDate(7),
    "Cleverbridge's subscription": SUBSCRIPTION,
    "Cleverbridge's item": ITEM,
    "Chargemonk's invoice": chargemonk.Invoice(invoice_id="7"),
    "Chargemonk's charge": chargemonk.UnbilledCharge(code="7"),
}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has the annotated type, or another one in which it is sent right.

    A bool is no number. A number may be a str, and a member of an enum may be its value. The value of a
    `Literal` isn't checked here, except for the only one that isn't alone, `"now"`.
    """
    if get_origin(hint) in (Union, UnionType):
        has_moment = datetime in get_args(hint)
        if has_moment and isinstance(value, datetime):
            return value.tzinfo is not None
        return any(fits(value, each) for each in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint) if get_args(hint) == ("now",) else isinstance(value, str)
    if get_origin(hint) is Sequence:
        is_list = isinstance(value, list | tuple | set | dict)
        return is_list and all(fits(each, get_args(hint)[0]) for each in value)
    if get_origin(hint) is Mapping:
        key, entry = get_args(hint)
        return isinstance(value, Mapping) and all(fits(k, key) and fits(v, entry) for k, v in value.items())
    if get_origin(hint) is Call:
        return isinstance(value, Call) and value.action == "customers/new"
    if hint is NoneType:
        return value is None
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is Decimal:
        is_number = isinstance(value, Decimal) and value.is_finite()
        return is_number or fits(value, int) or (isinstance(value, str) and value.isdecimal())
    if isinstance(hint, type) and issubclass(hint, Enum) and type(value) in (int, str):
        return value in [member.value for member in hint]
    return isinstance(value, hint)


def parameters(function: Any) -> Iterator[tuple[str, Any]]:
    """The names and types of a call's parameters, its keyword arguments included."""
    hints = get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (fields,) = get_args(hints[name])
            assert is_typeddict(fields)
            # None clears a field, or leaves it to the customer's setting.
            yield from ((field, hint | None) for field, hint in get_type_hints(fields).items())
        else:
            yield name, hints[name]


EVERY = [
    pytest.param(module, call, name, hint, id=f"{module.__name__.split('.')[1]}.{call}-{name}")
    for module, known in CALLS.items()
    for call in known
    for name, hint in parameters(getattr(module, call))
]


def test_every_call_is_here() -> None:
    for module, known in CALLS.items():
        client = type(CLIENTS[module]())
        methods = {name for name in dir(client) if isinstance(inspect.getattr_static(client, name), Method)}
        assert methods == set(known)


@cache
def connected(module: ModuleType) -> tuple[Any, list[bytes]]:
    """A client whose calls are all refused, and its requests."""
    requests: list[bytes] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        requests.append(f"{request.method} {request.url} ".encode() + request.content)
        return httpx.Response(500)

    return CLIENTS[module](transport=httpx.MockTransport(refuse), retries=0), requests


def send(module: ModuleType, call: str, arguments: Mapping[str, Any]) -> list[bytes]:
    """Send a call, and return the requests that it makes before it fails."""
    client, requests = connected(module)
    requests.clear()
    positional: list[Any] = []
    named = dict(arguments)
    order = inspect.signature(getattr(module, call)).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in order):
        for each in order:
            if each.kind is not inspect.Parameter.KEYWORD_ONLY and each.name in named:
                positional.append(named.pop(each.name))
    with suppress(tallyhook.Error):
        getattr(client, call)(*positional, **named)
    return requests.copy()


@pytest.mark.parametrize(("module", "call", "name", "hint"), EVERY)
def test_a_wrong_type_is_refused(module: ModuleType, call: str, name: str, hint: Any) -> None:
    valid = CALLS[module][call]
    valid = {each: valid[each] for each in valid if each not in INSTEAD_OF.get(name, ())}
    bad: list[str] = []
    for what, value in WRONG.items():
        if fits(value, hint) or isinstance(value, ALSO.get(name, ())):
            continue
        try:
            requests = send(module, call, valid | {name: value})
        except (TypeError, ValueError) as error:
            if not str(error) or "has no attribute" in str(error):
                bad.append(f"{what}: {error!r}")
        except Exception as error:
            bad.append(f"{what}: {error!r}")
        else:
            bad.append(f"{what}: {requests}")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    "call", [(module, call) for module, known in CALLS.items() for call in known], ids=str
)
def test_the_right_types_are_sent(call: tuple[ModuleType, str]) -> None:
    module, name = call
    assert len(send(module, name, CALLS[module][name])) == 1


@pytest.mark.parametrize(
    ("field", "hint"),
    [(field, hint) for field, hint in get_type_hints(PaymentInput).items() if field[0] != "_"],
)
def test_a_payment_has_only_text(field: str, hint: Any) -> None:
    for value in WRONG.values():
        if not fits(value, hint):
            wrong: Any = {field: value}
            with pytest.raises(TypeError, match=f"{field} must be a str"):
                send(cheddar_calls, "edit_subscription", {"customer": "C1", "payment": PaymentInput(**wrong)})


@pytest.mark.parametrize(
    ("made", "hints"),
    [
        (ChargeInput, {"charge_code": str, "each_amount": Decimal, "description": str, "quantity": int}),
        (ItemInput, {"item_code": str, "quantity": Decimal}),
        (fusebill.ChargeChange, {"id": int, "quantity": Decimal, "unit_price": Decimal, "deletes": bool}),
        (fusebill.ChargeChange, {"name": str, "description": str}),
        (fusebill.InvoiceDate, {"day": int, "month": int | None}),
    ],
)
def test_the_parts_of_an_argument_have_a_type(made: Any, hints: dict[str, Any]) -> None:
    valid: dict[str, dict[str, Any]] = {
        "ChargeInput": {"charge_code": "FEE", "each_amount": "1.00"},
        "ItemInput": {"item_code": "GB", "quantity": 1},
        "ChargeChange": {"id": 1, "unit_price": 1},
        "InvoiceDate": {"day": 1},
    }
    where: dict[str, Any] = {
        "ChargeInput": (cheddar_calls, "new_invoice", lambda made: {"customer": "C1", "charges": [made]}),
        "ItemInput": (cheddar_calls, "new_customer", lambda made: {**NEW, "items": [made]}),
        "ChargeChange": (fusebill_calls, "change_draft_invoice", lambda made: {"draft": 1, "changes": made}),
        "InvoiceDate": (fusebill_calls, "move_subscription", lambda made: {"subscription": 1, "to": made}),
    }
    module, call, arguments = where[made.__name__]
    for name, hint in hints.items():
        for what, value in WRONG.items():
            is_optional = made is fusebill.ChargeChange and value is None and name != "id"
            is_number_in_text = hint is int and made is ChargeInput and (isinstance(value, str | Decimal))
            if fits(value, hint) or is_number_in_text or (is_optional and name != "deletes"):
                continue
            with pytest.raises((TypeError, ValueError)):  # noqa: PT012  # some are refused when made
                send(module, call, arguments(made(**valid[made.__name__] | {name: value})))
                pytest.fail(f"{name} may be {what}")


def test_numbers_of_a_change_are_numbers_on_the_wire() -> None:
    quantity: Any = "2.50"
    change = fusebill.ChargeChange(1, quantity=quantity)
    (request,) = send(fusebill_calls, "change_draft_invoice", {"draft": 1, "changes": change})
    assert b'"quantity":2.50' in request
