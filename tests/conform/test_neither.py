"""A server that follows neither alternative of a rule: the probe says so instead of choosing one."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from lxml import etree

from tallyhook_mock.conform.account import Account
from tallyhook_mock.conform.rehearsal import Rehearsal
from tallyhook_mock.testing.session import Session
from tallyhook_mock.testing.transport import Transport

Change = Callable[[etree._Element], None]
EDIT = "customers/edit-subscription"
RECURRING, UNIT = "conform-recurring", "conform-unit"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    made = Session(lambda: tmp_path_factory.mktemp("session"))
    yield made
    made.close()


class Altered(httpx.BaseTransport):
    """What a mock answers to one call, altered."""

    def __init__(self, transport: httpx.BaseTransport, call: str, status: int, change: Change) -> None:
        self.transport, self.call, self.status, self.change = transport, call, status, change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.transport.handle_request(request)
        if not request.url.path.startswith(f"/xml/{self.call}/"):
            return answer
        root = etree.fromstring(answer.read())
        self.change(root)
        return httpx.Response(self.status or answer.status_code, content=etree.tostring(root))


def asked(
    session: Session, folder: Path, rule: str, call: str, status: int, change: Change, value: str
) -> str:
    """Run a rule's probe on a server that answers a call differently. Returns its finding, or why not."""
    rehearsal = Rehearsal(session, {rule: value} if value else {})
    transport = Altered(Transport(rehearsal.world.calls, session.loop), call, status, change)
    with httpx.Client(transport=transport) as http:
        account = rehearsal.account
        rehearsal.account = Account(http, account.base_url, account.product, account.user, "conform")
        try:
            state = rehearsal.state()
            rehearsal.run(state, folder / "state.json").start([rule])
        finally:
            rehearsal.close()
    progress = state.probes[rule]
    return f"not found out: {progress.reason}" if progress.finding is None else str(progress.finding.value)


def later(days: int) -> Change:
    """Move the newest invoice's bill date."""

    def change(root: etree._Element) -> None:
        for billing in [*root.iter("billingDatetime")][:1]:
            billing.text = (datetime.fromisoformat(billing.text or "") + timedelta(days=days)).isoformat()

    return change


def amount(code: str, each: str, *, credit: bool = False, quantity: str = "") -> Change:
    """Give the charges, or the credits, with a code another amount or quantity."""

    def change(root: etree._Element) -> None:
        for charge in root.iterfind(f".//charge[@code='{code}']"):
            found = charge.find("eachAmount")
            counted = charge.find("quantity")
            assert found is not None
            assert counted is not None
            if (found.text or "").startswith("-") == credit:
                found.text, counted.text = each or found.text, quantity or counted.text

    return change


def next_bill(day: int) -> Change:
    def change(root: etree._Element) -> None:
        for found in root.iter("nextInvoiceBillingDatetime"):
            found.text = f"{(found.text or '')[:8]}{day:02}{(found.text or '')[10:]}"

    return change


def refused(field: str) -> Change:
    """Make an answer a refusal of a field."""

    def change(root: etree._Element) -> None:
        for found in root.iter("error"):
            found.set("auxCode", f"{field}:invalid")

    return change


@pytest.mark.parametrize(
    ("rule", "value", "call", "status", "change"),
    [
        ("free_to_paid", "", EDIT, 0, later(5)),
        ("prorated_change_in_trial", "", EDIT, 0, later(20)),
        (
            "proration_base",
            "",
            EDIT,
            0,
            amount(RECURRING, "-30.00", credit=True),
        ),
        ("prorated_overage", "", EDIT, 0, amount(UNIT, "0.50")),
        ("prorated_overage", "", EDIT, 0, amount(UNIT, "", quantity="4")),
        ("long_cancel_setup", "", EDIT, 0, amount("conform-setup", "25.00")),
        (
            "long_cancel_usage",
            "billed",
            EDIT,
            0,
            amount(UNIT, "", quantity="4"),
        ),
        ("one_time_excess", "", "invoices/new", 0, amount("CREDIT_FORWARD", "-10.00", credit=True)),
        ("declined_one_time", "", "customers/run-outstanding", 500, lambda root: None),
        ("declined_one_time", "", "customers/run-outstanding", 412, lambda root: None),
        ("promotion_scope", "", "customers/new", 0, amount("conform-setup", "-2.00", credit=True)),
        ("month_end", "", "plans/get", 0, next_bill(15)),
        ("past_initial_bill_date", "", "customers/new", 0, refused("subscription[ccNumber]")),
        ("missing_customer_code", "", "customers/new", 0, refused("lastName")),
        ("fifth_decimal_at_sign_up", "refused", "customers/new", 0, refused("items[0][itemCode]")),
        ("void_with_amount", "", "invoices/void", 0, refused("number")),
        ("removed_below_zero", "", "customers/remove-item-quantity", 0, refused("itemCode")),
        ("delete_all_confirm", "", "customers/delete-all", 0, refused("productCode")),
    ],
)
def test_a_server_that_follows_neither_alternative(
    session: Session, tmp_path: Path, rule: str, value: str, call: str, status: int, change: Change
) -> None:
    assert asked(session, tmp_path, rule, call, status, change, value).startswith("not found out: ")


def test_usage_that_is_billed_on_another_invoice(session: Session, tmp_path: Path) -> None:
    def move(root: etree._Element) -> None:
        """Move the usage from the reactivation's invoice to one of its own."""
        for usage in root.iterfind(".//invoice/charges/charge[@code='conform-unit']"):
            if usage.findtext("quantity") == "5" and usage.get("id"):
                charges = usage.getparent()
                assert charges is not None
                invoice = charges.getparent()
                assert invoice is not None
                number = invoice.find("number")
                own = etree.fromstring(etree.tostring(invoice))
                assert number is not None
                number.text = f"1{number.text}"
                charges.remove(usage)
                invoice.addnext(own)
                return

    found = asked(session, tmp_path, "long_cancel_usage", EDIT, 0, move, "billed")
    assert found == "billed"
