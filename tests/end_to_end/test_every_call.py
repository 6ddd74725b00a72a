"""Every API call, from each client to the mock: a small scenario and its effect.

`docs/coverage.md` takes its last column from the decorators here.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from tallyhook import (
    AsyncClient,
    ChargeInput,
    Client,
    Customer,
    Id,
    InvoicePeriod,
    ItemInput,
    NotFound,
    PaymentInput,
    UnprocessableEntity,
    calls,
)
from tallyhook_mock import Server, serve

from .calls_made import Caller, made_by, makes, makes_alias

USER, PASSWORD = "ops@example.com", "cheddar"
CARD = PaymentInput(
    cc_number="4111 1111 1111 1111", cc_expiration="12/2030", cc_first_name="Grace", cc_last_name="Hopper"
)
AMEX = PaymentInput(
    cc_number="378282246310005", cc_expiration="03/2032", cc_first_name="Grace", cc_last_name="Murray"
)
SOON = datetime(2026, 1, 20, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """The mock with its small default catalogue, in its initial state."""
    running.reset()
    return running


@pytest.fixture(params=[Client, AsyncClient])
def cheddar(request: pytest.FixtureRequest, server: Server) -> Iterator[Caller]:
    caller = Caller(request.param("ACME", USER, PASSWORD, base_url=server.xml, retries=0))
    yield caller
    caller.close()
    said = made_by(request.function)
    assert said is not None
    assert said.call in caller.called


def subscribe(cheddar: Caller, code: str = "GRACE", last_name: str = "Hopper") -> Customer:
    """A customer who has just paid 20.00 for the first month."""
    email = f"{code.lower()}@example.com"
    customer: Customer = cheddar.new_customer(code, "Grace", last_name, email, "SMALL", payment=CARD)
    return customer


def owe(server: Server, cheddar: Caller) -> Customer:
    """A customer whose second month was declined."""
    subscribe(cheddar)
    server.decline("GRACE")
    server.advance("1mo")
    customer: Customer = cheddar.get_customer("GRACE")
    assert customer.subscription.outstanding_invoice is not None
    return customer


def amounts(customer: Customer) -> list[Decimal]:
    """The amounts of payments and refunds, oldest first."""
    invoices = reversed(customer.subscription.invoices)
    return [
        made.amount for invoice in invoices for made in invoice.transactions if made.response == "approved"
    ]


# -- plans and promotions


@makes("get_plans")
def test_all_plans_are_read(cheddar: Caller) -> None:
    assert [plan.code for plan in cheddar.get_plans()] == ["FREE", "SMALL", "LARGE"]


@makes("get_plan")
def test_one_plan_is_read_by_code_and_by_id(cheddar: Caller) -> None:
    plan = cheddar.get_plan("SMALL")
    assert plan.recurring_charge_amount == Decimal("20.00")
    assert [item.code for item in plan.items] == ["GB", "SEAT"]
    assert cheddar.get_plan(Id(plan.id)) == plan


@makes("new_plan")
def test_a_new_plan_can_be_subscribed_to(cheddar: Caller) -> None:
    cheddar.new_plan(
        "TINY", "Tiny", billing_frequency="weekly", recurring_charge_amount=Decimal("3.50"), is_free=False
    )
    customer = cheddar.new_customer("C1", "Ida", "Lamp", "ida@example.com", "TINY", payment=CARD)
    assert amounts(customer) == [Decimal("3.50")]


@makes("edit_plan")
def test_an_edited_plan_keeps_what_is_not_given(cheddar: Caller) -> None:
    cheddar.edit_plan("SMALL", name="Little")
    plan = cheddar.get_plan("SMALL")
    assert (plan.name, plan.recurring_charge_amount) == ("Little", Decimal("20.00"))


@makes("delete_plan")
def test_a_deleted_plan_is_gone(cheddar: Caller) -> None:
    assert cheddar.delete_plan("LARGE") is None
    with pytest.raises(NotFound):
        cheddar.get_plan("LARGE")


@makes("get_promotions")
def test_all_promotions_are_read(cheddar: Caller) -> None:
    (spring,) = cheddar.get_promotions()
    assert spring.incentives[0].percentage == 20


@makes("get_promotion")
def test_a_promotion_is_found_by_its_coupon(cheddar: Caller) -> None:
    assert cheddar.get_promotion("SPRING26").name == "Spring"
    with pytest.raises(NotFound):
        cheddar.get_promotion("AUTUMN26")


# -- customers


@makes("new_customer")
def test_a_new_customer_pays_the_first_invoice(cheddar: Caller) -> None:
    cheddar.new_customer(
        "GRACE",
        "Grace",
        "Hopper",
        "grace@example.com",
        "SMALL",
        payment=CARD,
        coupon_code="SPRING26",
        charges=[ChargeInput("DESK", "5.00", "delivery")],
        items=[ItemInput("SEAT", 2)],
        company="Navy",
        meta_data={"region": "north"},
    )
    customer = cheddar.get_customer("GRACE")
    assert amounts(customer) == [Decimal("20.00")]  # 20 % off 20.00 and off the charge
    assert customer.subscription.current_invoice.total == Decimal("32.00")  # and two seats
    assert (customer.company, customer.meta_data[0].value) == ("Navy", "north")


@makes("get_customer")
def test_one_customer_is_read_by_code_id_and_invoice_number(cheddar: Caller) -> None:
    made = subscribe(cheddar)
    number = made.subscription.invoices[0].number
    found = [cheddar.get_customer("GRACE"), cheddar.get_customer(Id(made.id))]
    assert [*found, cheddar.get_customer(invoice_number=number)] == [made] * 3


@makes("get_customers")
def test_customers_are_filtered_and_ordered(cheddar: Caller) -> None:
    subscribe(cheddar, "A", "Zimmer")
    subscribe(cheddar, "B", "Adams")
    subscribe(cheddar, "C", "Moss")
    cheddar.cancel("C")
    assert [each.code for each in cheddar.get_customers()] == ["B", "C", "A"]
    active = cheddar.get_customers(
        subscription_status="activeOnly", plan_code=["SMALL", "LARGE"], order_by_direction="desc"
    )
    assert [each.code for each in active] == ["A", "B"]
    with pytest.raises(NotFound):
        cheddar.get_customers(plan_code="LARGE")


@makes("search_customers")
def test_customers_are_found_by_what_is_known_of_them(cheddar: Caller) -> None:
    subscribe(cheddar)
    cheddar.new_customer("IDA", "Ida", "Lamp", "ida@example.com", "SMALL", payment=AMEX)
    assert [each.code for each in cheddar.search_customers("hopp")] == ["GRACE"]
    assert [each.code for each in cheddar.search_customers("0005")] == ["IDA"]


@makes("import_customers")
def test_several_customers_are_created_at_once(cheddar: Caller) -> None:
    cheddar.import_customers(
        [
            calls.new_customer("A", "Ada", "Byron", "ada@example.com", "FREE"),
            calls.new_customer("B", "Bea", "Cook", "bea@example.com", "SMALL", payment=CARD),
        ]
    )
    assert {each.code: each.first_name for each in cheddar.get_customers()} == {"A": "Ada", "B": "Bea"}


@makes("edit")
def test_customer_and_subscription_are_edited_in_one(cheddar: Caller) -> None:
    subscribe(cheddar)
    cheddar.edit("GRACE", company="Navy", plan_code="LARGE", change_bill_date=SOON)
    customer = cheddar.get_customer("GRACE")
    assert (customer.company, customer.subscription.plan.code) == ("Navy", "LARGE")
    assert customer.subscription.current_invoice.billing_datetime == SOON


@makes("edit_customer")
def test_a_customer_gets_another_code_and_keeps_the_rest(cheddar: Caller) -> None:
    before = subscribe(cheddar)
    cheddar.edit_customer("GRACE", code="ADMIRAL", notes="calls on Mondays")
    after = cheddar.get_customer("ADMIRAL")
    assert (after.id, after.email, after.notes) == (before.id, before.email, "calls on Mondays")
    with pytest.raises(NotFound):
        cheddar.get_customer("GRACE")


@makes("edit_subscription")
def test_a_subscription_gets_another_card_and_is_billed_now(cheddar: Caller) -> None:
    subscribe(cheddar)
    cheddar.edit_subscription("GRACE", payment=AMEX, change_bill_date="now")
    customer = cheddar.get_customer("GRACE")
    assert (customer.subscription.cc_type, customer.subscription.cc_last_four) == ("amex", "0005")
    assert amounts(customer) == [Decimal("20.00"), Decimal("20.00")]


@makes("cancel")
def test_a_canceled_subscription_is_billed_no_more(server: Server, cheddar: Caller) -> None:
    subscribe(cheddar)
    cheddar.cancel("GRACE")
    server.advance("2mo")
    customer = cheddar.get_customer("GRACE")
    assert (customer.subscription.cancel_type, amounts(customer)) == ("customer", [Decimal("20.00")])


@makes("delete_customer")
def test_a_deleted_customer_is_gone_alone(cheddar: Caller) -> None:
    subscribe(cheddar, "A")
    subscribe(cheddar, "B")
    assert cheddar.delete_customer("A") is None
    assert [each.code for each in cheddar.get_customers()] == ["B"]


@makes("delete_all_customers")
def test_all_customers_are_deleted_when_that_is_confirmed(cheddar: Caller) -> None:
    subscribe(cheddar, "A")
    subscribe(cheddar, "B")
    cheddar.delete_all_customers(confirm=int(time.time()))
    with pytest.raises(NotFound):
        cheddar.get_customers()


@makes("paypal_revert")
def test_waiting_for_paypal_can_be_given_up(cheddar: Caller) -> None:
    back = "https://shop.example/paypal"
    payment = PaymentInput(
        method="paypal", cc_first_name="Grace", cc_last_name="Hopper", return_url=back, cancel_url=back
    )
    waiting = cheddar.new_customer("GRACE", "Grace", "Hopper", "grace@example.com", "SMALL", payment=payment)
    assert waiting.subscription.cancel_type == "paypal-wait"
    assert cheddar.paypal_revert("GRACE").subscription.cancel_type == "customer"


# -- usage and charges


@makes("add_item_quantity")
def test_a_quantity_is_added_to(cheddar: Caller) -> None:
    subscribe(cheddar)
    cheddar.add_item_quantity("GRACE", "GB", "1.25")
    cheddar.add_item_quantity("GRACE", "GB")
    assert cheddar.get_customer("GRACE").subscription.items[0].quantity == Decimal("2.25")


@makes("remove_item_quantity")
def test_a_quantity_is_taken_from(cheddar: Caller) -> None:
    item = subscribe(cheddar).subscription.items[0]
    cheddar.set_item_quantity("GRACE", item, 5)
    cheddar.remove_item_quantity("GRACE", item, "0.75")
    assert cheddar.get_customer("GRACE").subscription.items[0].quantity == Decimal("4.25")


@makes("set_item_quantity")
def test_a_quantity_of_the_outstanding_invoice_leaves_the_current_one_alone(
    server: Server, cheddar: Caller
) -> None:
    owe(server, cheddar)
    cheddar.set_item_quantity("GRACE", "GB", 15, invoice_period=InvoicePeriod.OUTSTANDING)
    subscription = cheddar.get_customer("GRACE").subscription
    assert subscription.outstanding_invoice.total == Decimal("52.50")  # 20.00 and 13 × 2.50
    assert subscription.current_invoice.total == Decimal("20.00")


@makes("add_charge")
def test_a_credit_is_put_on_the_outstanding_invoice(server: Server, cheddar: Caller) -> None:
    owe(server, cheddar)
    cheddar.add_charge("GRACE", "SORRY", 1, "-5.00", "slow", invoice_period=InvoicePeriod.OUTSTANDING)
    subscription = cheddar.get_customer("GRACE").subscription
    assert subscription.outstanding_invoice.total == Decimal("15.00")
    assert subscription.current_invoice.total == Decimal("20.00")


@makes("delete_charge")
def test_a_charge_is_taken_off_again(cheddar: Caller) -> None:
    subscribe(cheddar)
    cheddar.add_charge("GRACE", "SUPPORT", 2, "30.00")
    charged = cheddar.add_charge("GRACE", "SORRY", 1, "-5.00").subscription.current_invoice
    assert charged.total == Decimal("75.00")
    (support,) = (charge for charge in charged.charges if charge.code == "SUPPORT")
    cheddar.delete_charge("GRACE", support.id)
    assert cheddar.get_customer("GRACE").subscription.current_invoice.total == Decimal("15.00")


# -- invoices


@makes("new_invoice")
def test_a_one_time_invoice_is_paid_at_once(cheddar: Caller) -> None:
    subscribe(cheddar)
    cheddar.new_invoice("GRACE", [ChargeInput("DESK", "80.00", quantity=2), ChargeInput("SORRY", "-10.00")])
    assert Decimal("150.00") in amounts(cheddar.get_customer("GRACE"))


@makes("run_outstanding")
def test_what_is_outstanding_is_run_by_hand(server: Server, cheddar: Caller) -> None:
    owe(server, cheddar)
    server.decline("GRACE")
    with pytest.raises(UnprocessableEntity) as declined:
        cheddar.run_outstanding("GRACE")
    assert declined.value.aux_code == "6000"
    customer = cheddar.run_outstanding("GRACE", cc_card_code="123")
    assert customer.subscription.outstanding_invoice is None
    assert amounts(cheddar.get_customer("GRACE")) == [Decimal("20.00"), Decimal("20.00")]


@makes("refund")
def test_a_part_is_given_back(cheddar: Caller) -> None:
    paid = subscribe(cheddar).subscription.invoices[-1]
    cheddar.refund(paid, "7.25")
    assert amounts(cheddar.get_customer("GRACE")) == [Decimal("20.00"), Decimal("-7.25")]


@makes("void")
def test_what_is_not_settled_is_undone(cheddar: Caller) -> None:
    paid = subscribe(cheddar).subscription.invoices[-1]
    cheddar.void(paid.number)
    back = cheddar.get_customer("GRACE").subscription.invoices[-1].transactions[-1]
    assert (back.amount, back.memo) == (Decimal("-20.00"), "void")


def owing(cheddar: Caller, server: Server) -> int:
    """Cancel after a declined invoice. Returns its number."""
    subscribe(cheddar)
    server.decline("GRACE")
    server.advance("1mo1h")
    cheddar.cancel("GRACE")
    number = cheddar.get_customer("GRACE").subscription.outstanding_invoice.number
    assert isinstance(number, int)
    return number


@makes("waive_invoice")
def test_what_is_owed_is_waived(cheddar: Caller, server: Server) -> None:
    waived = cheddar.waive_invoice(owing(cheddar, server)).subscription.outstanding_invoice
    assert (waived.total, waived.charges[-1].description) == (0, "Waived")


@makes("run_invoice")
def test_what_is_owed_is_run_by_its_number(cheddar: Caller, server: Server) -> None:
    customer = cheddar.run_invoice(owing(cheddar, server))
    assert customer.subscription.canceled_datetime is None
    assert customer.subscription.outstanding_invoice is None


@makes("void_or_refund")
def test_what_is_settled_is_refunded(server: Server, cheddar: Caller) -> None:
    paid = subscribe(cheddar).subscription.invoices[-1]
    server.advance("2d")
    cheddar.void_or_refund(Id(paid.id))
    back = cheddar.get_customer("GRACE").subscription.invoices[-1].transactions[-1]
    assert (back.amount, back.memo) == (Decimal("-20.00"), "refund")


@makes("send_email")
def test_an_invoice_is_mailed_to_its_customer(server: Server, cheddar: Caller) -> None:
    paid = subscribe(cheddar).subscription.invoices[-1]
    cheddar.send_email(paid)
    mails = [entry for entry in server.timeline("GRACE") if entry.kind == "email"]
    assert [(mail.invoice, mail.note) for mail in mails] == [(paid.number, "grace@example.com")]


# -- paths that only some clients use, with the effect of `customers/get`


def listed(server: Server, path: str) -> list[str]:
    """The documents of a path and of `customers/get`, for two customers and a filter."""
    with Client("ACME", USER, PASSWORD, base_url=server.xml) as client:
        for code in ("A", "B"):
            client.new_customer(code, "Grace", "Hopper", f"{code}@example.com", "SMALL", payment=CARD)
        client.cancel("A")
    documents = []
    for action in (path, "customers/get"):
        url = f"{server.xml}/{action}/productCode/ACME/subscriptionStatus/activeOnly"
        documents.append(httpx.get(url, auth=(USER, PASSWORD)).raise_for_status().text)
    return documents


@makes_alias("customers/get-all", of="customers/get")
def test_get_all_is_another_name_for_the_list(server: Server) -> None:
    ours, theirs = listed(server, "customers/get-all")
    assert ours == theirs
    assert 'code="B"' in ours


@makes_alias("customers/list", of="customers/get")
def test_list_is_the_list_without_history(server: Server) -> None:
    ours, theirs = listed(server, "customers/list")
    assert 'code="B"' in ours
    assert (ours.count("<invoice "), theirs.count("<invoice ")) == (1, 2)
