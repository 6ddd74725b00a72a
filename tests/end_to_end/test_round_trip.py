"""Rich documents and every type of hook over HTTP: decoded, compared with the engine, and written again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from tests.end_to_end import accounting, likeness
from tests.end_to_end.wire import PASSWORD, PAYPAL, SECRET, USER, Wire, card, check_writing
from tests.mock_server.loopback import Received, listening

from tallyhook import ChargeInput, InvoicePeriod, ItemInput, UnprocessableEntity, events
from tallyhook._model import Model
from tallyhook_mock import Server, serve
from tallyhook_mock.systems.cheddar.model import Customer, Invoice

STRANGE = "  <&>\"' ]]> &amp; <!-- ü Ω 🕊 ‮ \u00a0 a\tb"
SAID = STRANGE.strip(" ")  # PHP trims its input

PLANS: list[dict[str, Any]] = [
    {
        "code": "LOFT<&>",
        "name": "Loft <&> \"Ω\" '🕊'",
        "description": "]]> & so on",
        "recurringChargeAmount": "30.00",
        "setupChargeCode": "LOFT_SETUP",
        "setupChargeAmount": "5.00",
        "items": [
            {"code": "GB", "name": "Giga & bytes", "quantityIncluded": 2, "overageAmount": "2.50"},
            {"code": "seat", "quantityIncluded": "1.5", "overageAmount": "0.33", "isPeriodic": True},
        ],
    },
    {
        "code": "NOW",
        "recurringChargeAmount": "61.00",
        "onChangeInitialBillHandler": "now",
        "items": [{"code": "seat", "quantityIncluded": "99999999.9", "overageAmount": "1.00"}],
    },
    {"code": "TRIAL", "recurringChargeAmount": "7.77", "trialDays": 14, "billingFrequency": "annually"},
    {"code": "FREE", "isFree": True, "billingFrequency": "none"},
]
PROMOTIONS: list[dict[str, Any]] = [
    {
        "name": "Molt & <feathers>",
        "description": "a third",
        "percentage": "33.3",
        "months": 2,
        "expirationDatetime": "2027-01-01T00:00:00Z",
        "plans": ["LOFT<&>", "NOW"],
        "coupons": [
            {"code": "MOLT&1", "maxRedemptions": 5, "expirationDatetime": "2026-12-01T00:00:00Z"},
            {"code": "MOLT2"},
        ],
    },
    {"name": "Forever", "percentage": 5, "coupons": [{"code": "EVER"}]},
]
CATALOG = {
    "users": [{"email": USER, "password": PASSWORD}],
    "products": [
        {
            "code": "DOVECOTE",
            "name": "Dove & cote",
            "secret": SECRET,
            "billReminderDays": [2],
            "plans": PLANS,
            "promotions": PROMOTIONS,
        }
    ],
}
LOFT = "LOFT<&>"


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with serve(CATALOG, start="2026-01-30T09:00:00Z") as server:
        yield server


@pytest.fixture
def wire(served: Server) -> Iterator[Wire]:
    served.reset()
    wire = Wire(served, "DOVECOTE")
    with wire.client:
        yield wire


def subscribe(wire: Wire, plan: str = LOFT, code: str = "D1", **more: Any) -> None:
    payment = more.pop("payment", card())
    wire.client.new_customer(code, "Ada", "Dove", "ada@dovecote.example", plan, payment=payment, **more)


# -- documents


def test_plans_and_promotions(wire: Wire) -> None:
    product = wire.server.mock.product()
    plans = wire.client.get_plans()
    check_writing(plans, wire.body)
    told = [likeness.plan(each, wire.server.now) for each in product.plans.values()]
    assert likeness.plain(plans) == likeness.plain(tuple(told))
    promotions = wire.client.get_promotions()
    check_writing(promotions, wire.body)
    offered = [likeness.promotion(each, product.plans) for each in product.promotions.values()]
    assert likeness.plain(promotions) == likeness.plain(tuple(offered))
    assert wire.client.get_promotion("MOLT&1") == promotions[0]


def test_every_text_field_keeps_special_characters(wire: Wire) -> None:
    short = STRANGE[:30].strip(" ")
    address = {f"cc_{part}": STRANGE for part in ("company", "country", "address", "city", "state")}
    subscribe(
        wire,
        code="D/1 +%ü<&>",
        payment=card(cc_first_name=STRANGE, cc_last_name=STRANGE, **address),
        coupon_code="MOLT&1",
        charges=[ChargeInput(short, "1.00", STRANGE)],
        items=[ItemInput("GB", "4.8123")],
        company=STRANGE,
        notes=STRANGE,
        tax_number=short,
        tax_rate=Decimal("0.055"),
        referer="https://Söme.example:8080/a?b=<c>&d",
        gateway_token=STRANGE,
        first_contact_datetime=wire.server.now,
        meta_data={"<&> 'Ω'": STRANGE, "plain": "&lt;"},
        **{f"campaign_{part}": STRANGE for part in ("source", "medium", "term", "content", "name")},
    )
    customer = wire.customer("D/1 +%ü<&>")
    assert {customer.company, customer.notes, customer.campaign_name, customer.gateway_token} == {SAID}
    assert {customer.subscription.cc_first_name, customer.subscription.cc_address} == {SAID}
    assert customer.referer_host == "söme.example"
    assert [(datum.name, datum.value) for datum in customer.meta_data] == [
        ("<&> 'Ω'", SAID),
        ("plain", "&lt;"),
    ]
    charges = customer.subscription.invoices[-1].charges
    assert (short, SAID) in [(line.code, line.description) for line in charges]
    shorter = short[:20].strip()  # the limit of an edit
    wire.client.edit_customer(customer, first_name=shorter, last_name="\t" + shorter[:19], company="")
    again = wire.customer(customer.code)
    assert (again.first_name, again.last_name, again.company) == (shorter, shorter[:19], "")


def test_a_history_of_plans(wire: Wire) -> None:
    subscribe(wire, items=[ItemInput("GB", "7.25"), ItemInput("seat", "2")], coupon_code="EVER")
    for plan in ("NOW", "TRIAL", "FREE", LOFT):
        wire.server.advance("3d7h")
        wire.client.edit_subscription("D1", plan_code=plan)
        wire.customer("D1")
    wire.server.advance("3mo")
    wire.client.add_item_quantity("D1", "seat", "0.0001")
    customer = wire.customer("D1")
    assert [each.plan.code for each in customer.subscriptions] == [LOFT, "FREE", "TRIAL", "NOW", LOFT]
    accounting.check(customer)


def test_refunds_voids_and_one_time_invoices(wire: Wire) -> None:
    subscribe(wire, tax_rate=Decimal("0.0825"))
    wire.client.refund(1, "10.01")
    wire.client.refund(1, "0.99")
    wire.client.new_invoice("D1", [ChargeInput("PERCH", "0.15", "three perches", 3)])
    wire.client.void(3)
    wire.client.new_invoice("D1", [ChargeInput("SORRY", "-40.00")])
    wire.server.advance("2mo")
    customer = wire.customer("D1")
    accounting.check(customer)
    made = {number: [each.memo for each in invoice.transactions] for number, invoice in numbered(customer)}
    assert (made[1], made[3]) == (["", "refund", "refund"], ["", "void"])
    assert made[4] == [""]


def test_declines_come_with_their_error(wire: Wire) -> None:
    subscribe(wire)
    wire.server.decline("D1", 6)
    wire.server.advance("34d")
    with pytest.raises(UnprocessableEntity) as caught:
        wire.client.run_outstanding("D1")
    declined = caught.value.customer
    assert declined is not None
    check_writing([declined], wire.body)
    (note,) = declined.errors
    assert (note.code, note.aux_code, note.id) == (422, "6000", caught.value.error_id)
    assert likeness.plain(declined) | {"errors": ()} == likeness.plain(wire.customer("D1"))
    wire.server.advance("1mo")
    customer = wire.customer("D1")
    assert customer.subscription.cancel_type == "non-payment"
    assert [each.response for each in customer.subscription.invoices[1].transactions] == ["declined"] * 6


def test_waiting_for_paypal(wire: Wire) -> None:
    subscribe(wire, payment=PAYPAL)
    waiting = wire.customer("D1").subscription
    assert (waiting.cancel_type, waiting.gateway_account and waiting.gateway_account.type) == (
        "paypal-wait",
        "paypal",
    )
    assert waiting.redirect_url.startswith(wire.server.url)
    payer = wire.server.customer("D1")
    wire.server.call(lambda: wire.server.mock.approve_paypal(payer))
    agreed = wire.customer("D1").subscription
    assert (agreed.is_canceled, agreed.redirect_url) == (False, "")
    # A PayPal payment is still one after a change to a card.
    wire.client.edit_subscription("D1", payment=card())
    (paid,) = wire.customer("D1").subscription.invoices[-1].transactions
    assert paid.gateway_account is not None
    assert paid.gateway_account.type == "paypal"


def test_canceled_with_usage_that_is_not_billed(wire: Wire) -> None:
    subscribe(wire)
    wire.client.set_item_quantity("D1", "GB", "4.5")
    wire.client.add_charge("D1", "PERCH", 2, "1.25")
    wire.client.cancel("D1")
    pending = wire.customer("D1").subscription.current_invoice
    assert pending is not None
    assert accounting.total(pending) == Decimal("38.75")  # with the recurring charge, since the invoice stays
    wire.server.advance("32d")
    subscription = wire.customer("D1").subscription
    assert (subscription.current_invoice, len(subscription.invoices)) == (None, 2)
    assert subscription.outstanding_invoice is not None
    assert not subscription.outstanding_invoice.transactions
    wire.client.edit_subscription("D1", payment=card())
    accounting.check(wire.customer("D1"))


def test_an_invoice_that_is_held(wire: Wire) -> None:
    with listening(lambda _: 500) as listener:
        wire.server.listen(listener.url, ["subscriptionBillable"])
        subscribe(wire)
        wire.server.advance("32d")
        wire.client.set_item_quantity("D1", "GB", "11.0001", invoice_period=InvoicePeriod.OUTSTANDING)
        wire.client.set_item_quantity("D1", "GB", "3")
        wire.client.add_charge("D1", "SORRY", 1, "-99.99", invoice_period=InvoicePeriod.OUTSTANDING)
        wire.customer("D1")
        wire.client.run_outstanding("D1")
        accounting.check(wire.customer("D1"))


def numbered(customer: Any) -> list[tuple[int, Any]]:
    return [(invoice.number, invoice) for invoice in accounting.invoices(customer)]


# -- hooks


class Audience:
    """Compares each hook with the engine when it arrives."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.hooks: list[events.Hook] = []
        self.failures: list[BaseException] = []

    def hear(self, received: Received) -> int:
        try:
            hook = events.decode(received.body)
            check_nothing_is_lost(hook, json.loads(received.body, parse_float=Decimal))
            if not isinstance(hook, events.CustomerDeleted):
                self.check(hook)
            self.hooks.append(hook)
        except BaseException as failure:
            self.failures.append(failure)
        return 200

    def check(self, hook: events.Hook) -> None:
        engine = self.server.customer(hook.customer.code)
        assert type(hook) is events.TYPES[hook.activity_type]
        assert hook.activity_datetime == self.server.now
        assert likeness.plain(hook.product) == likeness.plain(likeness.product(engine.product))
        assert likeness.plain(hook.customer) == likeness.plain(likeness.announced_customer(engine))
        subscription = next(
            each for each in engine.subscriptions if likeness.text(each.id) == hook.subscription.id
        )
        told = hook.subscription.invoice
        about = invoice_numbered(engine, told.number) if told else None
        made = self.transaction(hook, about) if about else None
        expected = likeness.announced_subscription(subscription, about, made)
        assert likeness.plain(hook.subscription) == likeness.plain(expected)
        if isinstance(hook, events.SubscriptionChanged):
            before = engine.subscriptions[engine.subscriptions.index(subscription) + 1]
            assert likeness.plain(hook.previous_subscription) == likeness.plain(
                likeness.models.Subscription(**likeness.agreement(before))
            )

    def transaction(self, hook: events.Hook, about: Invoice) -> Any:
        """The transaction that the hook should contain."""
        if isinstance(hook, events.BillReminder):
            return likeness.expected_transaction(about)
        assert hook.subscription.invoice is not None
        told = hook.subscription.invoice.transactions
        if not about.transactions:
            return None
        # A transaction's hook has its own transaction. Other hooks have the payment.
        wanted = told[0].id if isinstance(hook, events.TransactionHook) else likeness.text(about.paid_by)
        made = [each for each in about.transactions if likeness.text(each.id) == wanted]
        return likeness.announced_transaction((made or about.transactions)[-1], about)


def invoice_numbered(engine: Customer, number: int | None) -> Invoice:
    return next(each for each in engine.invoices if each.number == number)


@contextmanager
def audience(wire: Wire) -> Iterator[Audience]:
    heard = Audience(wire.server)
    with listening(heard.hear) as listener:
        wire.server.listen(listener.url)
        yield heard
        wire.server.settle()
    for failure in heard.failures:
        raise failure


def check_nothing_is_lost(model: Any, source: Any) -> None:
    """Every key of the source has its own field."""
    if isinstance(model, Model):
        assert model.extra == {}
        for name in model.__struct_fields__:
            if name != "raw":
                check_nothing_is_lost(getattr(model, name), None)
        assert source is None or model.raw == source
    elif isinstance(model, tuple):
        for each in model:
            check_nothing_is_lost(each, None)


def test_every_hook_tells_the_engines_state(wire: Wire) -> None:
    with audience(wire) as heard:
        subscribe(wire, coupon_code="MOLT2", company=STRANGE, tax_rate=Decimal("0.2"), notes="<&>")
        wire.server.settle()
        wire.client.refund(1, "1.23")
        wire.client.set_item_quantity("D1", "GB", "4.8123")
        wire.client.add_charge("D1", "PERCH", 3, "-0.15", STRANGE)
        wire.server.advance("1mo2h")  # reminder, billable, executed
        wire.server.advance("1d")  # settled
        wire.client.edit_subscription("D1", plan_code="NOW")
        wire.server.settle()
        wire.server.decline("D1", 1)
        wire.server.advance("1mo2h")
        wire.client.cancel("D1")
        wire.server.settle()
        wire.client.edit_subscription("D1", payment=card(cc_number="370000000000002"))
        wire.server.settle()
        subscribe(wire, code="D2", payment=PAYPAL)
        subscribe(wire, "FREE", code="D3", payment=None)
        wire.server.settle()
        wire.client.delete_customer("D1")
        wire.server.settle()
    assert {hook.activity_type for hook in heard.hooks} == set(events.TYPES)


def test_a_deleted_customer_is_told_by_no_value(wire: Wire) -> None:
    with audience(wire) as heard:
        subscribe(wire)
        wire.server.settle()
        wire.client.delete_customer("D1")
    deleted = heard.hooks[-1]
    assert isinstance(deleted, events.CustomerDeleted)
    assert set(dict(deleted.customer.raw).values()) == {""}
    assert deleted.subscription == likeness.models.Subscription()
