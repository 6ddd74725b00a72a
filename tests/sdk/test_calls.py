"""What each call sends, with both clients."""

import inspect
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import httpx
import pytest

from tallyhook import AsyncClient, ChargeInput, Client, Id, InvoicePeriod, ItemInput, PaymentInput, calls
from tallyhook.cheddar.models import Customer, Invoice, Item, Plan, Promotion

FIXTURES = Path(__file__).parents[1] / "fixtures"
C1 = [("code", "C1")]
CURRENT = ("invoicePeriod", "current")
OUTSTANDING = ("invoicePeriod", "outstanding")
CARD = PaymentInput(cc_number="4111111111111111", cc_expiration="02/2029", cc_card_code="321", cc_zip="8000")
CARD_PAIRS = [
    ("ccNumber", "4111111111111111"),
    ("ccExpiration", "02/2029"),
    ("ccCardCode", "321"),
    ("ccZip", "8000"),
]


def bracketed(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(f"subscription[{name}]", value) for name, value in pairs]


NEW_CUSTOMER = [
    ("code", "C1"),
    ("firstName", "Ada"),
    ("lastName", "Kay"),
    ("email", "ada@example.com"),
]

# (method, arguments, keyword arguments) → (action, query, form)
SHAPES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str, list[Any], list[Any]]] = {
    "plans": ("get_plans", (), {}, "plans/get", [], []),
    "plan": ("get_plan", ("P/1",), {}, "plans/get", [("code", "P/1")], []),
    "plan by id": ("get_plan", (Id("7"),), {}, "plans/get", [("id", "7")], []),
    "plan as model": ("get_plan", (Plan(id="7", code="P"),), {}, "plans/get", [("id", "7")], []),
    "new plan": (
        "new_plan",
        ("P", "Plan"),
        {"billing_frequency": "monthly", "recurring_charge_amount": Decimal("5.00"), "is_free": False},
        "plans/new",
        [],
        [
            ("code", "P"),
            ("name", "Plan"),
            ("billingFrequency", "monthly"),
            ("recurringChargeAmount", "5.00"),
            ("isFree", "0"),
        ],
    ),
    "edit plan": (
        "edit_plan",
        ("P",),
        {"trial_days": 3},
        "plans/edit",
        [("code", "P")],
        [("trialDays", "3")],
    ),
    "delete plan": ("delete_plan", ("P",), {}, "plans/delete", [("code", "P")], []),
    "promotions": ("get_promotions", (), {}, "promotions/get", [], []),
    "promotion": ("get_promotion", ("SPRING25",), {}, "promotions/get", [("code", "SPRING25")], []),
    "customers": ("get_customers", (), {}, "customers/get", [], []),
    "customers filtered": (
        "get_customers",
        (),
        {
            "subscription_status": "activeOnly",
            "plan_code": ["P", "Q"],
            "created_after_date": date(2025, 1, 2),
            "transacted_before_date": datetime(2025, 3, 4, 5, tzinfo=UTC),
            "order_by": "billingDatetime",
            "order_by_direction": "desc",
            "search": "O'Neil & Co",
        },
        "customers/get",
        [
            ("subscriptionStatus", "activeOnly"),
            ("createdAfterDate", "2025-01-02"),
            ("transactedBeforeDate", "2025-03-04"),
            ("orderBy", "billingDatetime"),
            ("orderByDirection", "desc"),
            ("search", "O'Neil & Co"),
            ("planCode[]", "P"),
            ("planCode[]", "Q"),
        ],
        [],
    ),
    "customers of a plan": (
        "get_customers",
        (),
        {"plan_code": "P"},
        "customers/get",
        [("planCode", "P")],
        [],
    ),
    "search": ("search_customers", ("0077",), {}, "customers/search", [("search", "0077")], []),
    "customer": ("get_customer", ("a/b+c. é%",), {}, "customers/get", [("code", "a/b+c. é%")], []),
    "customer by id": ("get_customer", (Id("9"),), {}, "customers/get", [("id", "9")], []),
    "customer as model": (
        "get_customer",
        (Customer(id="9", code="C1"),),
        {},
        "customers/get",
        [("id", "9")],
        [],
    ),
    "customer without id": ("get_customer", (Customer(code="C1"),), {}, "customers/get", C1, []),
    "customer by invoice": (
        "get_customer",
        (),
        {"invoice_number": 18},
        "customers/get",
        [("invoiceNumber", "18")],
        [],
    ),
    "new customer": (
        "new_customer",
        ("C1", "Ada", "Kay", "ada@example.com", "P"),
        {},
        "customers/new",
        [],
        [*NEW_CUSTOMER, ("subscription[planCode]", "P")],
    ),
    "new customer with everything": (
        "new_customer",
        ("C1", "Ada", "Kay", "ada@example.com", "P"),
        {
            "company": "",
            "tax_rate": Decimal("0.0825"),
            "first_contact_datetime": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
            "meta_data": {"berth": "N-7"},
            "coupon_code": "SPRING25",
            "initial_bill_date": date(2025, 6, 1),
            "payment": CARD,
            "charges": [ChargeInput("SETUP", "7.5"), ChargeInput("GIFT", -1, "hello", 2)],
            "items": [ItemInput("GB", "4.8100")],
        },
        "customers/new",
        [],
        [
            *NEW_CUSTOMER,
            ("company", ""),
            ("taxRate", "0.0825"),
            ("firstContactDatetime", "2025-01-02T03:04:05+00:00"),
            ("metaData[berth]", "N-7"),
            *bracketed([("planCode", "P"), ("couponCode", "SPRING25"), ("initialBillDate", "2025-06-01")]),
            *bracketed(CARD_PAIRS),
            ("charges[0][chargeCode]", "SETUP"),
            ("charges[0][quantity]", "1"),
            ("charges[0][eachAmount]", "7.50"),
            ("charges[1][chargeCode]", "GIFT"),
            ("charges[1][quantity]", "2"),
            ("charges[1][eachAmount]", "-1.00"),
            ("charges[1][description]", "hello"),
            ("items[0][itemCode]", "GB"),
            ("items[0][quantity]", "4.81"),
        ],
    ),
    "import": (
        "import_customers",
        ([calls.new_customer("C1", "Ada", "Kay", "ada@example.com", "P")],),
        {},
        "customers/import",
        [],
        [
            ("customers[0][code]", "C1"),
            ("customers[0][firstName]", "Ada"),
            ("customers[0][lastName]", "Kay"),
            ("customers[0][email]", "ada@example.com"),
            ("customers[0][subscription][planCode]", "P"),
        ],
    ),
    "edit": (
        "edit",
        ("C1",),
        {"last_name": "Byron", "plan_code": "Q", "change_bill_date": "now", "payment": CARD},
        "customers/edit",
        C1,
        [("lastName", "Byron"), *bracketed([("planCode", "Q"), ("changeBillDate", "now"), *CARD_PAIRS])],
    ),
    "edit customer": (
        "edit_customer",
        ("C1",),
        {"company": "", "tax_rate": None, "is_tax_exempt": True},
        "customers/edit-customer",
        C1,
        [("company", ""), ("taxRate", ""), ("isTaxExempt", "1")],
    ),
    "edit subscription": (
        "edit_subscription",
        ("C1",),
        {"change_bill_date": datetime(2025, 6, 1, tzinfo=UTC), "payment": CARD},
        "customers/edit-subscription",
        C1,
        [("changeBillDate", "2025-06-01T00:00:00+00:00"), *CARD_PAIRS],
    ),
    "cancel": ("cancel", ("C1",), {}, "customers/cancel", C1, []),
    "delete": ("delete_customer", ("C1",), {}, "customers/delete", C1, []),
    "delete all": (
        "delete_all_customers",
        (1746081000,),
        {},
        "customers/delete-all",
        [("confirm", "1746081000")],
        [],
    ),
    "paypal revert": ("paypal_revert", ("C1",), {}, "customers/paypal-revert", C1, []),
    "add quantity": (
        "add_item_quantity",
        ("C1", "GB"),
        {},
        "customers/add-item-quantity",
        [*C1, ("itemCode", "GB")],
        [("quantity", "1"), CURRENT],
    ),
    "remove quantity": (
        "remove_item_quantity",
        ("C1", Id("5"), Decimal("0.2500")),
        {},
        "customers/remove-item-quantity",
        [*C1, ("itemId", "5")],
        [("quantity", "0.25"), CURRENT],
    ),
    "set quantity": (
        "set_item_quantity",
        ("C1", Item(id="5", code="GB"), 0),
        {"invoice_period": InvoicePeriod.OUTSTANDING},
        "customers/set-item-quantity",
        [*C1, ("itemId", "5")],
        [("quantity", "0"), OUTSTANDING],
    ),
    "charge": (
        "add_charge",
        ("C1", "FEE", 2, "1.5", "two & a half"),
        {"invoice_period": InvoicePeriod.OUTSTANDING},
        "customers/add-charge",
        C1,
        [
            ("chargeCode", "FEE"),
            ("quantity", "2"),
            ("eachAmount", "1.50"),
            ("description", "two & a half"),
            OUTSTANDING,
        ],
    ),
    "credit": (
        "add_charge",
        ("C1", "FEE", 1, Decimal(-5)),
        {},
        "customers/add-charge",
        C1,
        [("chargeCode", "FEE"), ("quantity", "1"), ("eachAmount", "-5.00"), CURRENT],
    ),
    "delete charge": (
        "delete_charge",
        ("C1", Id("77")),
        {},
        "customers/delete-charge",
        C1,
        [("chargeId", "77"), CURRENT],
    ),
    "one-time invoice": (
        "new_invoice",
        ("C1", [ChargeInput("FEE", 5)]),
        {},
        "invoices/new",
        C1,
        [
            ("charges[0][chargeCode]", "FEE"),
            ("charges[0][quantity]", "1"),
            ("charges[0][eachAmount]", "5.00"),
        ],
    ),
    "run": ("run_outstanding", ("C1",), {}, "customers/run-outstanding", C1, []),
    "run with code": (
        "run_outstanding",
        ("C1",),
        {"cc_card_code": "321"},
        "customers/run-outstanding",
        C1,
        [("ccCardCode", "321")],
    ),
    "refund": ("refund", (18, "5"), {}, "invoices/refund", [("number", "18")], [("amount", "5.00")]),
    "void": ("void", ("18",), {}, "invoices/void", [("number", "18")], []),
    "void by id": ("void", (Id("x"),), {}, "invoices/void", [("id", "x")], []),
    "void or refund": (
        "void_or_refund",
        (Invoice(id="x", number=18),),
        {},
        "invoices/void-or-refund",
        [("id", "x")],
        [],
    ),
    "waive": ("waive_invoice", (18,), {}, "invoices/waive", [("number", "18")], []),
    "run one": ("run_invoice", (18,), {}, "invoices/run", [("number", "18")], []),
    "email": ("send_email", (Invoice(number=18),), {}, "invoices/send-email", [("number", "18")], []),
}

ANSWERS = {
    "plans": "plans.xml",
    "promotions": "promotions.xml",
    "customers": "customer.xml",
    "invoices": "customer.xml",
}


class Server:
    """Records requests and answers with a fixture."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        kind, action = request.url.path.removeprefix("/xml/").split("/")
        if action.startswith("delete") and action != "delete-charge":
            return httpx.Response(200, content=b"<success/>")
        body = (FIXTURES / ANSWERS[kind]).read_bytes()
        if kind == "plans" and (
            request.content or request.url.params.get("code") or request.url.params.get("id")
        ):
            body = body[: body.index(b'<plan id="11aa22cc')] + b"</plans>"
        return httpx.Response(200, content=about(request, body))


def about(request: httpx.Request, body: bytes) -> bytes:
    """The fixture with the names from the request."""
    asked = {**parse_qs(request.url.query.decode()), **parse_qs(request.content.decode())}
    for name, standing in {
        "code": rb'(?<= code=")(harbour/42\+b|QUAY)(?=")',
        "id": rb'(?<=<customer id=")[^"]+|(?<=<plan id=")[^"]+|(?<=<invoice id=")[^"]+',
    }.items():
        if name in asked:
            body = re.sub(standing, asked[name][0].encode(), body)
    return body


def result_type(annotation: Any) -> Any:
    (result,) = annotation.__args__
    return None if result is NoneType else result


def check(request: httpx.Request, result: Any, shape: str) -> None:
    name, _, _, action, query, form = SHAPES[shape]
    assert request.url.path == f"/xml/{action}"
    assert parse_qsl(request.url.query.decode(), keep_blank_values=True) == [("productCode", "ACME"), *query]
    assert parse_qsl(request.content.decode(), keep_blank_values=True) == form
    reads = action.startswith(("customers/get", "customers/search", "plans/get", "promotions/get"))
    assert request.method == ("GET" if reads else "POST")
    if not reads:
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Authorization"] == "Basic b3BzQGV4YW1wbGUuY29tOnB3"
    expected = result_type(inspect.signature(getattr(calls, name)).return_annotation)
    if expected in (Customer, Plan, Promotion):
        assert type(result) is expected
    elif expected is None:
        assert result is None
    else:
        assert type(result) is tuple
        assert {type(entry) for entry in result} == {expected.__args__[0]}


@pytest.mark.parametrize("shape", SHAPES)
def test_on_the_client(shape: str) -> None:
    name, args, kwargs, *_ = SHAPES[shape]
    server = Server()
    with Client("ACME", "ops@example.com", "pw", transport=httpx.MockTransport(server)) as client:
        result = getattr(client, name)(*args, **kwargs)
    (request,) = server.requests
    check(request, result, shape)


@pytest.mark.parametrize("shape", SHAPES)
async def test_on_the_async_client(shape: str) -> None:
    name, args, kwargs, *_ = SHAPES[shape]
    server = Server()
    async with AsyncClient("ACME", "ops@example.com", "pw", transport=httpx.MockTransport(server)) as client:
        result = await getattr(client, name)(*args, **kwargs)
    (request,) = server.requests
    check(request, result, shape)


def described() -> set[str]:
    return {name for name in calls.__all__ if inspect.isfunction(getattr(calls, name))}


def test_every_call_has_its_shape_here_and_is_a_method_of_both_clients() -> None:
    assert described() == {name for name, *_ in SHAPES.values()}
    for name in described():
        assert getattr(Client, name) is getattr(AsyncClient, name) is getattr(calls, name)


@pytest.mark.parametrize("name", sorted(described()))
def test_methods_look_like_methods(name: str) -> None:
    client = Client("ACME", "u", "p")
    method, function = getattr(client, name), getattr(calls, name)
    signature = inspect.signature(function)
    assert inspect.signature(method).parameters == signature.parameters
    assert inspect.signature(method).return_annotation == result_type(signature.return_annotation)
    assert method.__name__ == name
    assert inspect.getdoc(method)
    client.close()


def test_what_may_be_repeated() -> None:
    repeatable = {
        name for name, args, kwargs, *_ in SHAPES.values() if getattr(calls, name)(*args, **kwargs).repeatable
    }
    assert repeatable == {
        "get_plans",
        "get_plan",
        "get_promotions",
        "get_promotion",
        "get_customers",
        "search_customers",
        "get_customer",
        "set_item_quantity",
        "delete_charge",
        "edit_customer",
        "edit_plan",
    }


def test_a_new_code_cannot_be_set_twice_by_the_old_one() -> None:
    assert not calls.edit_customer("C1", code="C2").repeatable
