"""Faults on calls, over real HTTP: what the client is told, and what was done."""

import http.client
import logging
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tallyhook import (
    APIError,
    BadGateway,
    Client,
    Customer,
    InternalError,
    InvoicePeriod,
    NoAnswer,
    PaymentInput,
    PreconditionFailed,
    ServiceUnavailable,
)
from tallyhook_mock import Fault, FaultKind, Mock, Server, create_app, serve

from .loopback import EMAIL, PASSWORD, Api, catalog

CHARGE = "customers/add-charge"
_TLS = ssl.create_default_context()  # made once: it takes longer than a call
NOBODY = "http://127.0.0.1:9/"  # nobody is there, so whatever is announced there stays unacknowledged


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve(catalog(), tls=request.param == "https") as running:
        yield running


@pytest.fixture
def plain() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


def connect(server: Server, **options: Any) -> Client:
    context = ssl.create_default_context(cafile=server.authority) if server.authority else _TLS
    options = {"retries": 0, "backoff": 0, "timeout": 10, **options}
    transport = httpx.HTTPTransport(verify=context)
    return Client("LANTERN", EMAIL, PASSWORD, base_url=server.xml, transport=transport, **options)


def subscribe(client: Client, code: str) -> Customer:
    card = PaymentInput(
        cc_number="4111111111111111",
        cc_expiration="12/2090",
        cc_first_name="Ida",
        cc_last_name="Lamp",
        cc_zip="90210",
    )
    return client.new_customer(code, "Ida", "Lamp", "ida@lamp.example", "GLOW", payment=card)


def charges(client: Client, code: str = "ida") -> list[str]:
    current = client.get_customer(code).subscription.current_invoice
    assert current is not None
    return [charge.code for charge in current.charges if charge.type == "custom"]


@pytest.mark.parametrize(
    ("kind", "is_applied"),
    [(FaultKind.DROP_BEFORE, False), (FaultKind.DROP_AFTER, True), (FaultKind.TRUNCATE, True)],
)
def test_a_lost_answer_is_lost_and_nobody_else_notices(
    server: Server, kind: FaultKind, is_applied: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with connect(server) as client:
        subscribe(client, "ida")
        armed = server.fault(Fault(kind, action=CHARGE))
        client.get_customer("ida")  # on a connection that is kept open and used again
        with pytest.raises(NoAnswer) as caught:
            client.add_charge("ida", "WICK", 1, "3.00")
        assert caught.value.maybe_applied
        assert charges(client) == ["WICK"] * is_applied
        assert (armed.met, armed.struck, armed.is_over) == (1, 1, True)
        client.add_charge("ida", "OIL CAN", 1, "3.00")
        assert charges(client) == [*["WICK"] * is_applied, "OIL CAN"]
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]
    assert f"{kind}: {CHARGE}" in [entry.note for entry in server.timeline("ida") if entry.kind == "fault"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FaultKind.DROP_BEFORE, "disconnected without sending a response|ReadError"),
        (FaultKind.DROP_AFTER, "disconnected without sending a response|ReadError"),
        (FaultKind.TRUNCATE, "without sending complete message body"),
    ],
)
def test_the_connection_is_really_cut(plain: Server, kind: FaultKind, said: str) -> None:
    with connect(plain) as client:
        subscribe(client, "ida")
        plain.fault(Fault(kind))
        with pytest.raises(NoAnswer, match=said):
            client.get_customer("ida")


def test_a_truncated_answer_announces_more_than_it_brings(plain: Server) -> None:
    plain.fault(Fault(FaultKind.TRUNCATE, action="plans/get", nth=2))
    path = "/xml/plans/get/productCode/LANTERN"
    whole = httpx.get(plain.url + path, auth=(EMAIL, PASSWORD)).content
    credentials = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
    with closing(http.client.HTTPConnection(plain.url.removeprefix("http://"), timeout=60)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Basic {credentials}"})
        answer = connection.getresponse()
        with pytest.raises(http.client.IncompleteRead) as caught:
            answer.read()
    assert caught.value.partial == whole[: len(whole) // 2]
    assert caught.value.expected == len(whole) - len(caught.value.partial)


def test_a_repeatable_call_gets_over_it_by_itself(plain: Server) -> None:
    with connect(plain, retries=3) as client:
        subscribe(client, "ida")
        kinds = (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.TRUNCATE)
        armed = [plain.fault(Fault(kind, action="customers/set-item-quantity")) for kind in kinds]
        customer = client.set_item_quantity("ida", "OIL", 7)
        assert [each.struck for each in armed] == [1, 1, 1]
        current = customer.subscription.current_invoice
        assert current is not None
        assert current.total == Decimal("32.50")


@pytest.mark.parametrize(
    ("status", "error", "aux_code"),
    [(500, InternalError, "1000"), (502, BadGateway, "4000"), (503, ServiceUnavailable, "")],
)
def test_an_error_is_answered_and_nothing_done(
    plain: Server, status: int, error: type[APIError], aux_code: str
) -> None:
    with connect(plain) as client:
        subscribe(client, "ida")
        plain.fault(Fault(FaultKind.ERROR, action=CHARGE, status=status))
        with pytest.raises(error) as caught:
            client.add_charge("ida", "WICK", 1, "3.00")
        assert (caught.value.status, caught.value.aux_code) == (status, aux_code)
        assert caught.value.error_id
        assert charges(client) == []


def test_downtime_says_when_to_come_back(plain: Server) -> None:
    plain.fault(Fault(FaultKind.ERROR, status=503, retry_after=7))
    plain.fault(Fault(FaultKind.ERROR, status=502))
    url = f"{plain.xml}/plans/get/productCode/LANTERN"
    answers = [httpx.get(url, auth=(EMAIL, PASSWORD)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 502, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["7", None, None]
    assert {answer.headers["content-type"] for answer in answers} == {"text/xml; charset=utf-8"}


def test_a_slow_call_is_answered_late(plain: Server) -> None:
    with connect(plain) as client:
        subscribe(client, "ida")
        plain.fault(Fault(FaultKind.LATENCY, action=CHARGE, seconds=0.3))
        started = time.monotonic()
        client.add_charge("ida", "WICK", 1, "3.00")
        assert time.monotonic() - started >= 0.3
        assert charges(client) == ["WICK"]


def test_who_does_not_wait_for_a_slow_call_finds_it_done_later(plain: Server) -> None:
    with connect(plain) as client, connect(plain, timeout=0.1) as impatient:
        subscribe(client, "ida")
        plain.fault(Fault(FaultKind.LATENCY, action=CHARGE, seconds=3.0))
        with pytest.raises(NoAnswer) as caught:
            impatient.add_charge("ida", "WICK", 1, "3.00")
        assert caught.value.maybe_applied
        assert charges(client) == []
        deadline = time.monotonic() + 60
        while not charges(client) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert charges(client) == ["WICK"]


@pytest.mark.parametrize("way", ["code", "id", "path", "invoice number", "invoice id", "in the form"])
def test_a_customer_is_known_however_they_are_named(plain: Server, way: str) -> None:
    with connect(plain) as client:
        ida, _ = subscribe(client, "ida"), subscribe(client, "eve")
    invoice = ida.subscription.invoices[-1]
    get, refund = f"{plain.xml}/customers/get", f"{plain.xml}/invoices/void"
    product = {"productCode": "LANTERN"}
    url, query, form = {
        "code": (get, {**product, "code": "ida"}, None),
        "id": (get, {**product, "id": ida.id}, None),
        "path": (f"{get}/code/ida/productCode/LANTERN", {}, None),
        "invoice number": (get, {**product, "invoiceNumber": str(invoice.number)}, None),
        "invoice id": (refund, product, {"id": invoice.id}),
        "in the form": (get, {}, {**product, "code": "ida"}),
    }[way]
    armed = plain.fault(Fault(FaultKind.ERROR, customer="ida", status=500))
    httpx.get(get, params={**product, "code": "eve"}, auth=(EMAIL, PASSWORD)).raise_for_status()
    assert armed.met == 0
    answer = httpx.post(url, params=query, data=form, auth=(EMAIL, PASSWORD))
    assert (answer.status_code, armed.struck) == (500, 1)


def test_a_customer_who_is_not_there_yet_is_known_too(plain: Server) -> None:
    with connect(plain) as client:
        plain.fault(Fault(FaultKind.DROP_BEFORE, action="customers/new", customer="ida"))
        subscribe(client, "eve")
        with pytest.raises(NoAnswer):
            subscribe(client, "ida")
        subscribe(client, "ida")


@pytest.mark.parametrize(
    "url", ["/xml/customers/get/%", "/xml/%ff/%ff", "/xml", "/xml/customers/get?a[", "/nothing"]
)
def test_a_call_that_can_not_be_read_can_be_struck(plain: Server, url: str) -> None:
    fault = plain.fault(Fault(FaultKind.ERROR, status=502, probability=1))
    plain.fault(Fault(FaultKind.ERROR, status=500, customer="ida"))
    answer = httpx.get(plain.url + url)
    assert (answer.status_code, fault.struck) == ((502, 1) if url.startswith("/xml/") else (401, 0))


def test_the_same_seed_strikes_the_same_calls(plain: Server) -> None:
    def outcomes(seed: int) -> list[int]:
        plain.reset()
        plain.fault(Fault(FaultKind.ERROR, action="plans/get", status=502, probability=0.5, seed=seed))
        url = f"{plain.xml}/plans/get/productCode/LANTERN"
        with httpx.Client(auth=(EMAIL, PASSWORD)) as client:
            return [client.get(url).status_code for _ in range(24)]

    first = outcomes(11)
    assert set(first) == {200, 502}
    assert outcomes(11) == first
    assert outcomes(12) != first


def held(server: Server, client: Client) -> None:
    """A customer `ida` with an invoice that is held for review."""
    server.listen(NOBODY, ("subscriptionBillable",))
    subscribe(client, "ida")
    server.advance("1mo")


def test_a_locked_invoice_is_refused_to_whoever_wants_it(plain: Server) -> None:
    with connect(plain) as client:
        held(plain, client)
        before = client.get_customer("ida")
        armed = plain.fault(Fault(FaultKind.LOCK, customer="ida", times=4))
        client.set_item_quantity("ida", "OIL", 1)  # the current invoice is none of its business
        outstanding = InvoicePeriod.OUTSTANDING
        for call in (
            lambda: client.set_item_quantity("ida", "OIL", 5, invoice_period=outstanding),
            lambda: client.add_charge("ida", "WICK", 1, "1.00", invoice_period=outstanding),
            lambda: client.delete_charge("ida", "x", invoice_period=outstanding),
            lambda: client.run_outstanding("ida"),
        ):
            with pytest.raises(PreconditionFailed, match="The invoice is being executed"):
                call()
        assert (armed.met, armed.struck) == (4, 4)
        held_invoice = client.get_customer("ida").subscription.outstanding_invoice
        assert held_invoice == before.subscription.outstanding_invoice
        paid = client.run_outstanding("ida").subscription.invoices[1]
        assert paid.is_paid


def test_a_locked_invoice_is_not_executed_by_the_engine_either(plain: Server) -> None:
    with connect(plain) as client:
        held(plain, client)
        (hook,) = plain.hooks("subscriptionBillable")
        plain.call(lambda: plain.mock.cancel(hook))  # which releases the invoice
        plain.fault(Fault(FaultKind.LOCK, times=2))
        plain.advance("1h")
        assert client.get_customer("ida").subscription.outstanding_invoice is not None
        plain.advance("1min")
        assert client.get_customer("ida").subscription.outstanding_invoice is not None
        plain.advance("1min")
        paid = client.get_customer("ida").subscription.invoices[1]
        (made,) = paid.transactions
        assert made.amount == Decimal("20.00")
        assert made.transacted_datetime is not None
        assert made.transacted_datetime.isoformat() == "2026-02-01T01:02:00+00:00"
    notes = [entry.note for entry in plain.timeline("ida") if entry.kind == "fault"]
    assert notes == [f"lock: execution of invoice {paid.number}"] * 2


def test_a_lock_that_nobody_runs_into_does_nothing(plain: Server) -> None:
    armed = plain.fault(Fault(FaultKind.LOCK))
    with connect(plain) as client:
        subscribe(client, "ida")
        for call in (
            lambda: client.run_outstanding("ida"),
            lambda: client.add_charge("ida", "A", 1, 1, invoice_period=InvoicePeriod.OUTSTANDING),
        ):
            with pytest.raises(APIError, match="No outstanding invoice"):
                call()
    assert armed.met == 0


def test_faults_end_with_a_reset_or_at_a_word(plain: Server) -> None:
    always = Fault(FaultKind.ERROR, status=500, probability=1)
    api = Api(plain)
    for end in (plain.clear_faults, plain.reset):
        plain.fault(always)
        api.call("plans/get", 500)
        end()
        api.call("plans/get")


def test_a_fault_on_what_there_is_not_is_refused(plain: Server) -> None:
    with pytest.raises(ValueError, match="action: 'customers/steal' is not one of plans/get, "):
        plain.fault(Fault(FaultKind.ERROR, action="customers/steal"))
    with pytest.raises(ValueError, match="type: 'party' is not one of newSubscription, "):
        plain.fault(Fault(FaultKind.TIMEOUT, type="party"))


async def test_a_server_that_can_not_drop_says_so() -> None:
    mock = Mock(catalog())
    mock.plan(Fault(FaultKind.DROP_BEFORE))
    transport = httpx.ASGITransport(create_app(mock))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        with pytest.raises(RuntimeError, match="run uvicorn with http=Connection"):
            await client.get("/xml/plans/get/productCode/LANTERN")
