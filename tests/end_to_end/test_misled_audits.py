"""A usage audit with late, lost and misleading answers must never report a wrong bill as good."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tallyhook import Client, InvoicePeriod, calls, chargemonk, cleverbridge, fusebill
from tallyhook.audit import (
    Audit,
    Chargemonk,
    Cheddar,
    Cleverbridge,
    FileJournal,
    Outcome,
    Standing,
    System,
    apply,
)
from tallyhook.audit.journal import Entry, Running, Setting
from tallyhook.errors import DecodeError, WrongDocument
from tallyhook_mock import serve
from tallyhook_mock.faults import Fault, FaultKind

from .test_usage_audit import CARD, DAY, END, EVE, KEY, PASSWORD, START, TOKEN, USER, Stage, catalog


class Tampering(httpx.BaseTransport):
    """A gateway in between. It replaces or changes answers to calls that took effect."""

    def __init__(self) -> None:
        self.network = httpx.HTTPTransport()
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.rewrites: dict[str, str] = {}
        self.before: dict[str, Any] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        action = next((each for each in self.answers if each in request.url.path), "")
        if early := self.before.pop(request.method + " " + request.url.path.rpartition("/")[2], None):
            early()
        response = self.network.handle_request(request)
        text = response.read().decode()
        if self.answers.get(action):
            status, text = self.answers[action].pop(0)
            return httpx.Response(status, text=text)
        for old, new in self.rewrites.items():
            text = text.replace(old, new)
        return httpx.Response(response.status_code, text=text)

    def close(self) -> None:
        self.network.close()


class Tampered(Stage):
    """A stage in which the clients of the other systems use a gateway."""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        for client in (self.fusebill, self.cleverbridge, self.chargemonk):
            client.close()
        self.gateway = Tampering()
        through: Any = {"backoff": 0, "retries": 0, "transport": self.gateway}
        self.fusebill = fusebill.Client(KEY, base_url=f"{server.url}/v1", **through)
        self.cleverbridge = cleverbridge.Client("grace", PASSWORD, base_url=server.url, **through)
        self.chargemonk = chargemonk.Client(
            TOKEN, base_url=server.url, add_charge_path="addCharge", **through
        )

    def uptime(self) -> float:
        return self.now().timestamp()

    def of(self, system: str) -> System:
        return next(each for each in self.systems if each.name == system)

    def audited(self, system: str, journal: FileJournal | None, used: int = 8) -> Outcome:
        """The outcome for the only window of a system."""

        def usage(audit: Audit) -> None:
            audit.set_quantity("blocks", used)
            audit.run_when_done()

        (outcome,) = apply(usage, [self.of(system)], journal, now=self.now, uptime=self.uptime)
        return outcome


@pytest.fixture
def stage() -> Iterator[Tampered]:
    both = catalog()
    both["cleverbridge"]["subscriptions"].append(
        {"id": "S2002", "items": [{"productId": 101}, {"productId": 102}]}
    )
    both["fusebill"]["customers"].append(
        {"id": 2, "name": "Ada", "subscriptions": [{"id": 22, "planCode": "BASE"}]}
    )
    with serve(both, start=START) as server:
        made = Tampered(server)
        yield made
        made.close()


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "audit.jsonl")


def test_a_run_that_was_declined_is_not_executed(stage: Tampered, journal: FileJournal) -> None:
    stage.server.advance_to(DAY)
    stage.server.decline("IDA")
    outcome = stage.audited("cheddar", journal)
    assert (outcome.standing, outcome.is_good) == (Standing.FAILED, False)
    assert "declined" in outcome.problem


def test_an_invoice_is_not_executed_while_a_quantity_may_still_arrive(
    stage: Tampered, journal: FileJournal
) -> None:
    """After the run, it would change the customer's next invoice, if that is held too."""
    stage.server.advance_to(DAY)
    stage.server.mock.plan(Fault(FaultKind.DROP_BEFORE, action="customers/set-item-quantity"))
    for wait, expected in (("0s", Standing.UNKNOWN), ("4min", Standing.UNKNOWN), ("2min", Standing.EXECUTED)):
        stage.server.advance(wait)
        assert stage.audited("cheddar", journal).standing is expected  # each time a new process
    assert stage.bills()["cheddar"] == ["58.00"]


def test_a_run_that_was_cut_while_it_set_a_quantity_is_waited_out(
    stage: Tampered, journal: FileJournal
) -> None:
    """The next run sets the quantity itself, but the first request may still be on its way."""
    stage.server.advance_to(DAY)
    append = journal.append

    def cut(entry: Entry) -> None:
        append(entry)
        if isinstance(entry, Setting):
            raise KeyboardInterrupt

    journal.append = cut  # type: ignore[method-assign]  # the power fails behind this entry
    with pytest.raises(KeyboardInterrupt):
        stage.audited("cheddar", journal)
    journal.append = append  # type: ignore[method-assign]  # the power is back
    for wait, expected in (
        ("1min", Standing.UNKNOWN),
        ("3min", Standing.UNKNOWN),
        ("2min", Standing.EXECUTED),
    ):
        stage.server.advance(wait)
        assert stage.audited("cheddar", journal).standing is expected
    assert stage.bills()["cheddar"] == ["58.00"]


def test_a_run_whose_request_may_still_arrive_is_waited_out(stage: Tampered, journal: FileJournal) -> None:
    """To run the invoice, the audit sets the quantity once more. The second time, the answer is lost."""
    stage.server.advance_to(DAY)
    append = journal.append

    def then_lose(entry: Entry) -> None:
        append(entry)
        if isinstance(entry, Running):
            stage.server.fault(Fault(FaultKind.DROP_BEFORE, action="customers/set-item-quantity"))

    journal.append = then_lose  # type: ignore[method-assign]  # the network fails behind this entry
    assert stage.audited("cheddar", journal).standing is Standing.UNKNOWN
    journal.append = append  # type: ignore[method-assign]  # the network is back
    for wait, expected in (("1s", Standing.UNKNOWN), ("4min", Standing.UNKNOWN), ("2min", Standing.EXECUTED)):
        stage.server.advance(wait)
        assert stage.audited("cheddar", journal).standing is expected
    assert stage.bills()["cheddar"] == ["58.00"]


@pytest.mark.parametrize("is_due_first", [False, True])
def test_a_canceled_customer_is_not_charged(stage: Tampered, is_due_first: bool) -> None:
    """Its bill date passes all the same. Running the invoice would undo the cancellation."""
    if is_due_first:
        stage.server.advance_to(DAY)
    stage.cheddar.cancel("IDA")
    stage.server.advance_to(DAY)
    assert stage.cheddar.get_customer("IDA").subscription.outstanding_invoice is not None

    def usage(audit: Audit) -> None:
        audit.set_quantity("blocks", 8)
        audit.run_when_done()

    assert list(apply(usage, [stage.of("cheddar")], now=stage.now, uptime=stage.uptime)) == []
    assert stage.bills()["cheddar"] == ["50.00"]  # only the sign-up's


@pytest.mark.parametrize(("used", "declared"), [(6, 9), (6, 6), (9, 6), (0, 4)])
def test_an_edited_plan_is_no_proof_of_a_quantity(
    stage: Tampered, journal: FileJournal, used: int, declared: int
) -> None:
    """The invoice that is held keeps the terms without included units, whatever the plan includes now."""
    stage.server.advance_to(DAY)
    held = InvoicePeriod.OUTSTANDING
    stage.cheddar.set_item_quantity("IDA", "GB25", used, invoice_period=held)
    item = {"code": "GB25", "quantityIncluded": "3", "overageAmount": "1.00", "isPeriodic": "1"}
    form = tuple((f"items[0][{name}]", value) for name, value in item.items())
    stage.cheddar.send(replace(calls.edit_plan("BASE"), method="POST", form=form))
    outcome = stage.audited("cheddar", journal, declared)
    still_held = stage.cheddar.get_customer("IDA").subscription.outstanding_invoice is not None
    assert (outcome.standing, still_held, stage.bills()["cheddar"]) in [
        (Standing.EXECUTED, False, [f"{50 + declared}.00"]),
        (Standing.FAILED, True, ["50.00"]),  # only the sign-up's
    ]


@pytest.mark.parametrize("declared", [0, 5])
@pytest.mark.parametrize("runs", [False, True])
def test_a_quantity_that_no_document_shows_is_set(
    stage: Tampered, journal: FileJournal, declared: int, runs: bool
) -> None:
    """Even a declared 0, and even if this process has set the same quantity before."""
    stage.server.advance_to(DAY)

    def usage(audit: Audit) -> None:
        audit.set_quantity("blocks", declared)
        if runs and meddled == [7, 9]:
            audit.run_when_done()

    meddled = []
    system = stage.of("cheddar")
    for by_hand in (7, 9):
        meddled.append(by_hand)
        stage.cheddar.set_item_quantity("IDA", "GB25", by_hand, invoice_period=InvoicePeriod.OUTSTANDING)
        (outcome,) = apply(usage, [system], journal, now=stage.now, uptime=stage.uptime)
        assert outcome.is_good
        assert [str(change) for change in outcome.changes] == [f"blocks: ? → {declared}"]
    if not runs:
        stage.cheddar.run_outstanding("IDA")
    assert stage.bills()["cheddar"] == [f"{50 + declared}.00"]


def test_a_window_that_closes_while_a_quantity_is_set_is_late(stage: Tampered, journal: FileJournal) -> None:
    stage.server.advance_to("2026-04-16T23:59:59Z")
    began = stage.now()

    def usage(audit: Audit) -> None:
        audit.set_quantity("blocks", 8)

    moments: list[datetime] = []

    def now() -> datetime:
        return moments.pop(0) if moments else began + timedelta(seconds=2)

    for system in ("cleverbridge", "chargemonk"):
        moments[:] = [began, began]  # read when windows are searched, and before a quantity is set
        (outcome,) = apply(usage, [stage.of(system)], journal, now=now)
        assert (outcome.standing, outcome.is_good) == (Standing.LATE, False)


@pytest.mark.parametrize(
    ("system", "action", "moment"),
    [
        ("fusebill", "draftInvoices/patch", DAY),
        ("cleverbridge", "subscription/updatesubscriptionitem", EVE),
    ],
)
def test_another_total_waits_for_one_that_may_still_land(
    stage: Tampered, journal: FileJournal, system: str, action: str, moment: str
) -> None:
    stage.server.advance_to(moment)
    stage.server.fault(Fault(FaultKind.DROP_BEFORE, action=action))
    assert stage.audited(system, journal, 9).standing is Standing.UNKNOWN
    assert stage.audited(system, journal, 8).standing is Standing.UNKNOWN
    stage.server.advance("5m")
    assert stage.audited(system, journal, 8).is_good


@pytest.mark.parametrize("by", [timedelta(hours=5), -timedelta(hours=5)])
def test_a_clock_that_is_set_does_not_end_the_wait(
    stage: Tampered, journal: FileJournal, by: timedelta
) -> None:
    """It doesn't prolong the wait for hours either."""
    stage.server.advance_to(EVE)
    stage.gateway.before["POST addCharge"] = _lose
    set_by = timedelta(0)

    def audited() -> Outcome:
        clock = lambda: stage.now() + set_by  # noqa: E731 - it is read at each call
        (outcome,) = apply(
            lambda audit: audit.set_quantity("blocks", 8),
            [stage.of("chargemonk")],
            journal,
            now=clock,
            uptime=stage.uptime,
        )
        return outcome

    assert audited().standing is Standing.UNKNOWN
    set_by = by
    stage.server.advance("1s")
    assert audited().standing is Standing.UNKNOWN
    assert stage.chargemonk.list_subscription_unbilled_charges("mill") == ()
    stage.server.advance("5m")
    assert audited().is_good
    assert len(stage.chargemonk.list_subscription_unbilled_charges("mill")) == 1


def test_a_charge_that_comes_back_written_otherwise_is_added_once(
    stage: Tampered, journal: FileJournal
) -> None:
    stage.server.advance_to(EVE)
    stage.gateway.rewrites = {"blocks, up to": "BLOCKS: up to"}
    for _ in range(3):
        assert stage.audited("chargemonk", journal).standing is Standing.FAILED
        stage.server.advance("10m")
    assert len(stage.chargemonk.list_subscription_unbilled_charges("mill")) == 1


def test_what_is_shown_is_not_waited_for(stage: Tampered, journal: FileJournal) -> None:
    stage.server.advance_to(EVE)
    assert stage.audited("chargemonk", journal, 3).is_good
    stage.gateway.before["POST addCharge"] = _lose
    assert stage.audited("chargemonk", journal, 5).standing is Standing.UNKNOWN
    stage.server.advance("5m")
    assert stage.audited("chargemonk", journal, 8).is_good
    (first, second) = stage.chargemonk.list_subscription_unbilled_charges("mill")
    assert {first.quantity, second.quantity} == {Decimal(3), Decimal(5)}


@pytest.mark.parametrize("declared", [None, 0, 3])
def test_a_charge_that_may_still_arrive_is_waited_for_if_less_is_declared(
    stage: Tampered, journal: FileJournal, declared: int | None
) -> None:
    """If it arrives, the bill has more than is declared."""

    def usage(audit: Audit) -> None:
        if declared is not None:
            audit.set_quantity("blocks", declared)

    stage.server.advance_to(EVE)
    assert stage.audited("chargemonk", journal, 3).is_good
    stage.gateway.before["POST addCharge"] = _lose
    assert stage.audited("chargemonk", journal, 5).standing is Standing.UNKNOWN
    for wait, expected in (("1s", Standing.UNKNOWN), ("4m", Standing.UNKNOWN), ("2m", None)):
        stage.server.advance(wait)
        (outcome,) = apply(usage, [stage.of("chargemonk")], journal, now=stage.now, uptime=stage.uptime)
        assert outcome.standing is (expected or (Standing.FAILED if declared == 0 else Standing.SET))


def test_amounts_are_exact_in_any_decimal_context(stage: Tampered) -> None:
    with localcontext() as context:
        context.prec = 4
        stage.chargemonk.add_charge("mill", "fine work", Decimal("1234.56"), quantity=3)
    (charge,) = stage.chargemonk.list_subscription_unbilled_charges("mill")
    assert charge.amount == Decimal("3703.68")


def test_an_answer_about_another_concludes_nothing(stage: Tampered) -> None:
    stage.server.advance_to(DAY)
    first, second = sorted(stage.fusebill.get_draft_invoices(), key=lambda draft: draft.customer_id or 0)
    stage.chargemonk.add_charge("mill", "fine work", Decimal(1))
    product = stage.fusebill.get_subscription(11).product("GB25")
    period = stage.fusebill.get_billing_period_definition_by_subscription(11).id
    assert period is not None
    calls: list[tuple[str, str, Callable[[], object]]] = [
        (f'"id":{first.id}', f'"id":{second.id}', lambda: stage.fusebill.get_draft_invoice(first)),
        (
            f'"id":{first.id}',
            f'"id":{second.id}',
            lambda: stage.fusebill.change_draft_invoice(first, notes="x"),
        ),
        ('"id":11', '"id":22', lambda: stage.fusebill.get_subscription(11)),
        ('"customerId":1', '"customerId":2', lambda: stage.fusebill.get_subscriptions(1)),
        ('"customerId":1', '"customerId":2', lambda: stage.fusebill.get_invoices(1)),
        ('"customerId":1', '"customerId":2', lambda: stage.fusebill.get_draft_invoices(customer_id=1)),
        ('"customerId":1', '"customerId":2', lambda: stage.fusebill.get_billing_period_definitions(1)),
        (f'"id":{product.id}', '"id":987', lambda: stage.fusebill.set_quantity(product, 7)),
        (
            f'"draftInvoiceId":{first.id}',
            '"draftInvoiceId":9',
            lambda: stage.fusebill.post_draft_invoice(first),
        ),
        ('"id":11', '"id":22', lambda: stage.fusebill.get_billing_period_definition_by_subscription(11)),
        ('"id":11', '"id":22', lambda: stage.fusebill.move_subscription(11, to=fusebill.InvoiceDate(9))),
        (f'"id":{period}', '"id":987', lambda: stage.fusebill.move_subscription(11, to=period)),
        (
            '"customerId":1',
            '"customerId":2',
            lambda: stage.fusebill.new_billing_period_definition(
                1, fusebill.Cycle.MONTHLY, fusebill.InvoiceDate(7)
            ),
        ),
        ('"Id":1001', '"Id":2002', lambda: stage.cleverbridge.get_subscription("S1001")),
        ('"mill"', '"wheel"', lambda: stage.chargemonk.list_subscription_unbilled_charges("mill")),
    ]
    for old, new, call in calls:
        stage.gateway.rewrites = {old: new, old.replace(":", ": "): new}
        with pytest.raises(WrongDocument):
            call()


REFUSED = '{"ErrorId": 0, "Message": "Something went wrong", "Errors": []}'


COMPLAINT = '{"ErrorId": 0, "HttpStatusCode": 409, "Errors": [{"Key": "Api Error", "Value": "No"}]}'


@pytest.mark.parametrize("body", [REFUSED, COMPLAINT, "{}", "[]", "<html>Sign in</html>", ""])
def test_an_error_that_comes_with_200_is_not_taken_for_an_answer(stage: Tampered, body: str) -> None:
    monthly, first = fusebill.Cycle.MONTHLY, fusebill.InvoiceDate(1)
    calls: list[Callable[[], object]] = [
        lambda: stage.fusebill.get_draft_invoice(1),
        lambda: stage.fusebill.post_draft_invoice(1),
        lambda: stage.fusebill.change_quantity(1, -1),
        lambda: stage.fusebill.move_subscription(11, to=1),
        lambda: stage.fusebill.move_subscription(11, to=first),
        lambda: stage.fusebill.get_billing_period_definition_by_subscription(11),
        lambda: stage.fusebill.new_billing_period_definition(1, monthly, first),
        lambda: stage.fusebill.preview_billing_period_definition(1, monthly, first),
    ]
    stage.gateway.answers = {"/v1/": [(200, body)] * 20}
    for call in calls:
        with pytest.raises(DecodeError):
            call()
    if body != "[]":
        with pytest.raises(DecodeError):
            stage.fusebill.get_draft_invoices()
    if body not in ("", "{}"):
        with pytest.raises(DecodeError):
            stage.fusebill.delete_billing_period_definition(1)


def test_a_draft_that_was_posted_with_another_quantity_is_told(stage: Tampered, journal: FileJournal) -> None:
    """Someone changes it between the verification and the post."""
    stage.server.advance_to(DAY)
    (draft,) = [each for each in stage.fusebill.get_draft_invoices() if each.customer_id == 1]

    def meddle() -> None:
        whole = other.get_draft_invoice(draft)
        (blocks,) = [each for each in whole.draft_charges if each.product_code == "GB25"]
        other.change_draft_invoice(whole, fusebill.ChargeChange(blocks.id or 0, quantity=99))

    with fusebill.Client(KEY, base_url=f"{stage.server.url}/v1") as other:
        stage.gateway.before["POST Invoices"] = meddle
        outcome = next(iter(apply(_eight, [stage.of("fusebill")], journal, now=stage.now)))
    assert outcome.standing is Standing.FAILED
    assert "was billed as 99, but 8 was declared" in outcome.problem


@pytest.mark.parametrize(("used", "billed"), [(8, True), (99, True), (8, False)])
def test_what_was_posted_is_read_back_if_the_answer_does_not_show_it(
    stage: Tampered, journal: FileJournal, monkeypatch: pytest.MonkeyPatch, used: int, billed: bool
) -> None:
    stage.server.advance_to(DAY)
    real = stage.gateway.network.handle_request

    def without_charges(request: httpx.Request) -> httpx.Response:
        if (request.method, request.url.path) == ("POST", "/v1/Invoices") and used != 8:
            draft = other.get_draft_invoice(int(request.url.params["draftInvoiceId"]))
            (blocks,) = [each for each in draft.draft_charges if each.product_code == "GB25"]
            other.change_draft_invoice(draft, fusebill.ChargeChange(blocks.id or 0, quantity=used))
        response = real(request)
        if "/Invoices" in request.url.path and (request.method == "POST" or not billed):
            text = response.read().decode().replace('"charges":', '"lines":')
            return httpx.Response(response.status_code, text=text)
        return response

    monkeypatch.setattr(stage.gateway.network, "handle_request", without_charges)
    with fusebill.Client(KEY, base_url=f"{stage.server.url}/v1") as other:
        outcome = next(iter(apply(_eight, [stage.of("fusebill")], journal, now=stage.now)))
    is_right = used == 8 and billed
    assert outcome.standing is (Standing.EXECUTED if is_right else Standing.FAILED)


def _lose() -> None:
    raise httpx.ReadTimeout("nothing came")


def _eight(audit: Audit) -> None:
    audit.set_quantity("blocks", 8)
    audit.run_when_done()


def test_a_renewal_in_another_time_zone_is_charged_once(stage: Tampered, journal: FileJournal) -> None:
    """Before the first invoice a user says when a subscription renews, afterwards its invoices do."""
    stage.server.advance_to(EVE)
    stage.gateway.answers["listInvoices"] = [(200, '{"status": "success", "list": {"invoice": []}}')]
    own = chargemonk_in(stage, END.astimezone(ZoneInfo("America/New_York")))
    for _ in range(2):
        (outcome,) = apply(
            lambda audit: audit.set_quantity("blocks", 8), [own], journal, now=stage.now, uptime=stage.uptime
        )
        assert outcome.standing is Standing.SET
    stage.server.advance_to(DAY)
    assert stage.bills()["chargemonk"] == ["58.00"]


def test_a_renewal_that_is_moved_does_not_charge_again(stage: Tampered, journal: FileJournal) -> None:
    """What was charged for the former date is still pending, and goes into the same invoice."""
    stage.server.advance_to(EVE)
    first = stage.audited("chargemonk", journal)
    moved = int((END - timedelta(hours=6)).timestamp())
    stage.gateway.rewrites = {str(int(END.timestamp())): str(moved)}
    second = stage.audited("chargemonk", journal, used=9)
    assert (first.window.key == second.window.key, second.standing) == (False, Standing.SET)
    stage.server.advance_to(DAY)
    assert stage.bills()["chargemonk"] == ["59.00"]


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("known", ["invoiceDate", "invoiceNumber"])
def test_the_newest_invoice_says_when_a_subscription_renews(
    stage: Tampered, journal: FileJournal, known: str, is_reversed: bool
) -> None:
    """No page says in which order invoices are listed."""
    stage.server.advance_to(EVE)
    listed = [
        {
            known: int(renewal.timestamp()),
            "subscription": {"subscriptionId": "mill", "subscriptionNextBilling": int(renewal.timestamp())},
        }
        for renewal in (END, END - timedelta(days=31), END - timedelta(days=59))
    ]
    if is_reversed:
        listed.reverse()
    answer = json.dumps({"status": "success", "list": {"invoice": listed}})
    stage.gateway.answers["listInvoices"] = [(200, answer)]
    outcome = stage.audited("chargemonk", journal)
    assert (outcome.window.end, outcome.standing) == (END, Standing.SET)
    stage.server.advance_to(DAY)
    assert stage.bills()["chargemonk"] == ["58.00"]


def test_a_renewal_needs_an_offset(stage: Tampered) -> None:
    with pytest.raises(ValueError, match="offset"):
        chargemonk_in(stage, END.replace(tzinfo=None))


def chargemonk_in(stage: Tampered, end: datetime) -> Chargemonk:
    return Chargemonk(stage.chargemonk, {"mill": end}, {"blocks": Decimal("1.00")})


def test_a_customer_that_can_not_be_read_hides_no_other(stage: Tampered) -> None:
    stage.server.advance("1h")
    stage.cheddar.new_customer("ADA", "Ada", "Lamp", "ada@lamp.example", "BASE", payment=CARD)
    stage.server.advance("1mo")
    held = stage.cheddar.get_customer("IDA").subscription.outstanding_invoice
    assert held is not None
    assert held.billing_datetime is not None
    gateway = Tampering()
    gateway.rewrites = {held.billing_datetime.isoformat(): "some day"}
    through: Any = {"base_url": stage.server.xml, "retries": 0, "transport": gateway}

    def usage(audit: Audit) -> None:
        audit.set_quantity("blocks", 8)

    with Client("ACME", USER, PASSWORD, **through) as client:
        outcomes = list(apply(usage, [Cheddar(client, {"blocks": "GB25"})], now=stage.now))
    assert [(each.window.account, each.standing) for each in outcomes] == [
        ("ADA", Standing.SET),
        ("", Standing.FAILED),
    ]
    assert "IDA: " in outcomes[1].problem


@pytest.mark.parametrize(("status", "body"), [(404, "{}"), (500, ""), (200, "<html>"), (200, '{"id": null}')])
@pytest.mark.parametrize("system", ["fusebill", "cleverbridge"])
def test_an_account_that_can_not_be_read_hides_no_other(
    stage: Tampered, journal: FileJournal, system: str, status: int, body: str
) -> None:
    stage.server.advance_to(DAY if system == "fusebill" else EVE)
    both: System = Cleverbridge(stage.cleverbridge, ["S1001", "S2002"], {"blocks": 2})
    path, first = "getsubscription", "S1001"
    if system == "fusebill":
        for subscription in (11, 22):
            metered = stage.fusebill.get_subscription(subscription).product("GB25")
            stage.fusebill.set_quantity(metered, 6)
        stage.server.advance("1mo")
        both, first = stage.of("fusebill"), str(stage.fusebill.get_draft_invoices()[0].id)
        path = f"DraftInvoices/{first}"
    stage.gateway.answers[path] = [(status, body)]
    *others, failed = apply(lambda audit: audit.set_quantity("blocks", 8), [both], journal, now=stage.now)
    assert [each.standing for each in others] == [Standing.SET] * len(others)
    assert others
    assert (failed.standing, failed.window.account) == (Standing.FAILED, "")
    assert first in failed.problem


def test_a_renewal_that_no_calendar_has_hides_no_other(stage: Tampered, journal: FileJournal) -> None:
    stage.server.advance_to(EVE)
    never = '{"subscriptionId": "wheel", "subscriptionNextBilling": 99999999999999}'
    listed = (
        f'{{"status": "success", "list": {{"invoice": [{{"invoiceId": "1", "subscription": {never}}}]}}}}'
    )
    stage.gateway.answers["listInvoices"] = [(200, listed)]
    both = Chargemonk(stage.chargemonk, {"wheel": END, "mill": END}, {"blocks": Decimal("1.00")})
    charged, failed = apply(lambda audit: audit.set_quantity("blocks", 8), [both], journal, now=stage.now)
    assert (charged.window.account, charged.standing) == ("mill", Standing.SET)
    assert failed.standing is Standing.FAILED
    assert "wheel" in failed.problem


def test_a_page_of_drafts_that_can_not_be_read_hides_no_other(stage: Tampered, journal: FileJournal) -> None:
    stage.fusebill.set_quantity(stage.fusebill.get_subscription(22).product("GB25"), 3)
    stage.server.advance_to(DAY)
    drafts = [
        {"id": draft.id, "customerId": draft.customer_id} for draft in stage.fusebill.get_draft_invoices()
    ]
    page = json.dumps([*drafts, *({"id": "?"} for _ in range(fusebill.PAGE_SIZE - len(drafts)))])
    stage.gateway.answers = {"DraftInvoices": [(200, page), (500, "")]}
    outcomes = list(
        apply(lambda it: it.set_quantity("blocks", 8), [stage.of("fusebill")], journal, now=stage.now)
    )
    assert [each.standing for each in outcomes] == [Standing.SET, Standing.SET, Standing.FAILED]
    assert "[2].id: " in outcomes[2].problem
    assert "500" in outcomes[2].problem


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_reminder_at_the_end_of_the_calendar_ends_no_audit(stage: Tampered, date: str) -> None:
    """As .NET writes a date that isn't set."""
    stage.server.advance_to(EVE)
    reminder = stage.cleverbridge.get_subscription("S1001").raw["NextBillingDateReminder"]
    stage.gateway.rewrites = {f'"{reminder}"': f'"{date}"'}
    system = Cleverbridge(stage.cleverbridge, ("S1001",), {"blocks": 2})
    standings = [
        each.standing for each in apply(lambda it: it.set_quantity("blocks", 8), [system], now=stage.now)
    ]
    assert standings == ([Standing.LATE] if date < EVE else [])


def test_a_single_subscription_is_not_read_letter_by_letter(stage: Tampered) -> None:
    with pytest.raises(TypeError, match="list of ids"):
        Cleverbridge(stage.cleverbridge, "S1001", {"blocks": 2})


@pytest.mark.parametrize(
    ("rewrites", "why"),
    [
        ({'"SubscriptionStatus":1': '"SubscriptionStatus":99'}, "status"),
        ({'"SubscriptionStatus":1': '"SubscriptionStatus":null'}, "status"),
        ({'"NextBillingDate":': '"SomeDate":'}, "next billing date"),
    ],
)
def test_a_subscription_whose_state_is_unknown_is_not_passed_over(
    stage: Tampered, rewrites: dict[str, str], why: str
) -> None:
    stage.server.advance_to(EVE)
    stage.gateway.rewrites = rewrites
    system = Cleverbridge(stage.cleverbridge, ("S1001",), {"blocks": 2})
    (failed,) = apply(lambda it: it.set_quantity("blocks", 8), [system], now=stage.now)
    assert failed.standing is Standing.FAILED
    assert "S1001: " in failed.problem
    assert why in failed.problem


@pytest.mark.parametrize("lost", ['"quantity":null', '"units":5'])
def test_a_charge_without_a_quantity_is_not_taken_for_none(
    stage: Tampered, journal: FileJournal, tmp_path: Path, lost: str
) -> None:
    stage.server.advance_to(EVE)
    assert stage.audited("chargemonk", journal, 5).is_good
    stage.gateway.rewrites = {'"quantity":5': lost}
    failed = stage.audited("chargemonk", FileJournal(tmp_path / "new.jsonl"), 5)
    assert (failed.standing, "quantity" in failed.problem) == (Standing.FAILED, True)
    assert len(stage.chargemonk.list_subscription_unbilled_charges("mill")) == 1
