"""Hooks decoded from raw bodies."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook import events
from tallyhook.cheddar.models import Customer, Subscription
from tallyhook.errors import DecodeError

HOOKS = Path(__file__).parents[1] / "fixtures" / "hooks"


def decode(name: str) -> events.Hook:
    return events.decode((HOOKS / f"{name}.json").read_bytes())


def billable(**invoice: Any) -> events.Hook:
    """A billable hook with these values in its invoice."""
    body = {"activityType": "subscriptionBillable", "subscription": {"invoice": invoice}}
    return events.decode(json.dumps(body).encode())


@pytest.mark.parametrize("name", sorted(path.stem for path in HOOKS.iterdir()))
def test_every_type_has_its_class(name: str) -> None:
    hook = decode(name)
    assert hook.activity_type == name
    assert type(hook) is events.TYPES.get(name, events.Hook)
    assert hook.activity_actor == "desk@harbour.example"
    assert hook.activity_datetime is not None
    assert hook.activity_datetime.tzinfo is UTC
    assert hook.product.code == "HARBOUR"


def test_there_is_a_fixture_for_every_type() -> None:
    assert set(events.TYPES) <= {path.stem for path in HOOKS.iterdir()}
    assert {hook.TYPE for hook in events.TYPES.values()} == set(events.TYPES)


def test_billable() -> None:
    hook = decode("subscriptionBillable")
    invoice = hook.subscription.invoice
    assert invoice is not None
    assert invoice.number == 18
    assert invoice.previous_billing_datetime == datetime(2025, 3, 31, 9, 15, tzinfo=UTC)
    assert invoice.items[0].quantity == Decimal("4.8123")
    assert invoice.charges[1].amount == Decimal("-3.75")
    assert invoice.total == Decimal("16.25")
    assert (invoice.is_paid, invoice.is_initial, invoice.transactions) == (False, False, ())
    assert hook.subscription.plan.items[0].quantity_included == 2
    assert hook.subscription.method == "cc"
    assert hook.customer.code == "harbour/42+b"


def test_transaction() -> None:
    invoice = decode("transaction").subscription.invoice
    assert invoice is not None
    assert invoice.is_paid
    (transaction,) = invoice.transactions
    assert transaction.amount == Decimal("16.25")
    assert transaction.tax_amount is None
    assert transaction.payment_method is not None
    assert transaction.payment_method.credit_card is not None
    assert transaction.payment_method.credit_card.last_four == "0077"


def test_bill_reminder() -> None:
    invoice = decode("billReminder").subscription.invoice
    assert invoice is not None
    assert invoice.charges == ()
    assert str(invoice.transactions[0].amount) == "123.45"


def test_subscription_changed() -> None:
    hook = decode("subscriptionChanged")
    assert isinstance(hook, events.SubscriptionChanged)
    assert hook.previous_subscription.plan.code == "JETTY"
    assert hook.previous_subscription.plan.items == ()
    assert hook.subscription.plan.code == "QUAY"
    assert hook.subscription.invoice is not None
    assert hook.subscription.invoice.charges == ()


def test_canceled() -> None:
    hook = decode("subscriptionCanceled")
    assert hook.subscription.is_canceled
    assert hook.subscription.cancel_type == "customer"


def test_customer_deleted_is_empty() -> None:
    hook = decode("customerDeleted")
    assert (hook.customer.id, hook.customer.code, hook.customer.is_vat_exempt) == ("", "", False)
    assert hook.subscription == Subscription()


def test_unknown_type_passes_through() -> None:
    hook = decode("harbourClosed")
    assert hook.customer == Customer()
    assert hook.extra == {"weather": {"wind": [Decimal("12.5"), "N"], "gale": True}}


@pytest.mark.parametrize(
    "charges",
    ["", [], {}, None],
)
def test_an_empty_list_has_many_forms(charges: Any) -> None:
    hook = billable(charges=charges, transaction=charges, items=charges)
    assert hook.subscription.invoice is not None
    assert hook.subscription.invoice.charges == ()
    assert hook.subscription.invoice.transactions == ()


def test_a_lone_object_is_a_list_of_one_and_the_other_way_round() -> None:
    body = {
        "activityType": "x",
        "subscription": [{"plan": [{"code": "P"}], "invoice": {"charges": {"code": "C", "eachAmount": 5}}}],
    }
    subscription = events.decode(json.dumps(body).encode()).subscription
    assert subscription.plan.code == "P"
    assert subscription.invoice is not None
    assert [charge.each_amount for charge in subscription.invoice.charges] == [5]


@pytest.mark.parametrize("gone", ["", None, {}, []])
def test_an_empty_object_has_many_forms(gone: Any) -> None:
    body = json.dumps({"activityType": "x", "subscription": gone, "customer": gone, "product": gone}).encode()
    hook = events.decode(body)
    assert hook.subscription == Subscription()
    assert hook.customer == Customer()
    body = json.dumps({"activityType": "x", "subscription": {"id": "s", "invoice": gone}}).encode()
    assert events.decode(body).subscription.invoice is None


def test_decimals_never_pass_through_a_float() -> None:
    body = (
        b'{"activityType":"x","subscription":{"invoice":{"invoiceNumber":18.0,'
        b'"charges":[{"quantity":1.1000,"eachAmount":99999999999999999999.0000000000000000001}],'
        b'"items":[{"quantity":123456789012345678901234567890}]}}}'
    )
    invoice = events.decode(body).subscription.invoice
    assert invoice is not None
    assert invoice.number == 18
    assert str(invoice.charges[0].quantity) == "1.1000"
    assert str(invoice.charges[0].each_amount) == "99999999999999999999.0000000000000000001"
    assert invoice.items[0].quantity == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("invoice", "path"),
    [
        ({"charges": [{"eachAmount": "lots-77"}]}, "subscription.invoice.charges[0].eachAmount"),
        ({"items": [{}, {"quantity": "NaN-77"}]}, "subscription.invoice.items[1].quantity"),
        ({"number": "77th"}, "subscription.invoice.number"),
        ({"invoiceNumber": "77.5"}, "subscription.invoice.invoiceNumber"),
        ({"charges": "77"}, "subscription.invoice.charges"),
        ({"charges": ["77"]}, "subscription.invoice.charges[0]"),
        ({"charges": {"charge": [{"eachAmount": "77"}]}}, "subscription.invoice.charges"),
        ({"charges": {"0": {"eachAmount": "77"}, "1": {"eachAmount": "77"}}}, "subscription.invoice.charges"),
        ({"transactions": {"transaction": {"amount": "77"}}}, "subscription.invoice.transactions"),
        ({"transaction": {"paymentMethod": "77"}}, "subscription.invoice.transaction.paymentMethod"),
    ],
)
def test_what_makes_no_sense_is_named_but_not_quoted(invoice: dict[str, Any], path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        billable(**invoice)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    assert "77" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"42",
        b"{}",
        b'{"activityType":""}',
        b'{"activityType":" \\n"}',
        b'{"activityType":7}',
        b'{"activityType":"x"',
        b'{"activityType":NaN}',
        b'{"activityType":"x","a":Infinity}',
        b'{"activityType":"x","a":1e99999999999999999999}',
        b'{"activityType":"\xff"}',
        b'{"activityType":"\\ud800"}',
        b'{"a":' * 100_000,
        b"activityType=x",
    ],
)
def test_unreadable_bodies(body: bytes) -> None:
    with pytest.raises(DecodeError):
        events.decode(body)


@given(st.binary())
def test_garbage_raises_nothing_else(body: bytes) -> None:
    with pytest.raises(DecodeError):
        events.decode(body)


nodes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["invoice", "charges", "items", "plan", "quantity", "id", "isInitial", "raw", "extra", "?"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(nodes)
def test_any_json_is_a_hook_or_a_decode_error(node: Any) -> None:
    body = json.dumps({"activityType": "subscriptionBillable", "subscription": node}).encode()
    try:
        read = isinstance(events.decode(body), events.SubscriptionBillable)
    except DecodeError as error:
        read = error.path.startswith("subscription")
    assert read


def test_the_repr_shows_no_card_and_no_address() -> None:
    text = repr(decode("newSubscription"))
    assert text.startswith("NewSubscription(activity_type='newSubscription', product=Product(")
    for private in ("0077", "400000", "grace@", "Møller"):
        assert private not in text
