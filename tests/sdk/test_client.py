"""The clients' retries, errors and secrets."""

import logging
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.sdk.scripted import Script, Step

from tallyhook import AsyncClient, Client, Customer, Error, Id, NoAnswer, PaymentInput, calls, errors
from tallyhook._attempts import Retry
from tallyhook.cheddar.calls import Call
from tallyhook.errors import APIError, DecodeError, WrongDocument

FIXTURES = Path(__file__).parents[1] / "fixtures"
CUSTOMER = (FIXTURES / "customer.xml").read_bytes().replace(b"harbour/42+b", b"C1")
DECLINED = (FIXTURES / "declined.xml").read_bytes().replace(b'code="mole"', b'code="C1"')
NUMBER = "4111 1111 1111 1111"
REPEATABLE = calls.get_customer("C1")
ONCE = calls.add_charge("C1", "FEE", 1, 5)
NEW = calls.new_customer("C1", "Edsger", "Mole", "mole@mole.example", "SMALL")

Send = Callable[..., Any]


def error(status: int, text: str, aux_code: str = "") -> httpx.Response:
    body = f'<error id="73542" code="{status}" auxCode="{aux_code}">{text}</error>'
    return httpx.Response(status, content=body.encode(), headers={"Content-Type": "text/xml"})


@pytest.fixture(params=["Client", "AsyncClient"])
def send(request: pytest.FixtureRequest) -> Send:
    """Sends one call through a client with scripted answers."""

    async def by_client(script: Script, call: Call[Any], **options: Any) -> Any:
        with Client(
            "ACME", "u", "hush-hush", transport=httpx.MockTransport(script), **{"backoff": 0, **options}
        ) as client:
            return client.send(call)

    async def by_async_client(script: Script, call: Call[Any], **options: Any) -> Any:
        transport = httpx.MockTransport(script)
        async with AsyncClient(
            "ACME", "u", "hush-hush", transport=transport, **{"backoff": 0, **options}
        ) as client:
            return await client.send(call)

    return by_client if request.param == "Client" else by_async_client


OK = httpx.Response(200, content=CUSTOMER)
TRANSIENT: list[Step] = [
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("cut"),
    error(502, "?"),
    error(503, "?"),
]


@pytest.mark.parametrize("failure", TRANSIENT)
async def test_repeatable_calls_are_tried_again(send: Send, failure: Step) -> None:
    script = Script(failure, failure, OK)
    customer = await send(script, REPEATABLE)
    assert customer.code == "C1"
    assert len(script.requests) == 3


@pytest.mark.parametrize("failure", TRANSIENT)
async def test_but_not_for_ever(send: Send, failure: Step) -> None:
    script = Script(failure)
    with pytest.raises(Error):
        await send(script, REPEATABLE, retries=2)
    assert len(script.requests) == 3


@pytest.mark.parametrize("failure", TRANSIENT)
async def test_other_calls_are_never_tried_again(send: Send, failure: Step) -> None:
    script = Script(failure, OK)
    with pytest.raises(Error):
        await send(script, ONCE)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 412, 422, 500, 418, 504, 302])
async def test_other_refusals_are_final(send: Send, status: int) -> None:
    script = Script(error(status, "no"), OK)
    with pytest.raises(APIError) as caught:
        await send(script, REPEATABLE)
    assert len(script.requests) == 1
    assert caught.value.status == status
    assert type(caught.value) is errors.BY_STATUS.get(status, APIError)


@pytest.mark.parametrize(
    ("failure", "maybe_applied"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.WriteError("gone"), True),
        (httpx.ReadError("reset"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (httpx.DecodingError("not gzip"), True),
    ],
)
async def test_lost_answers(send: Send, failure: httpx.RequestError, maybe_applied: bool) -> None:
    with pytest.raises(NoAnswer) as caught:
        await send(Script(failure), ONCE)
    assert caught.value.maybe_applied is maybe_applied
    assert str(caught.value) == f"no answer: {type(failure).__name__} ({failure})"


async def test_one_attempt_that_may_have_arrived_is_enough(send: Send) -> None:
    script = Script(httpx.ReadTimeout("slow"), httpx.ConnectError("refused"))
    with pytest.raises(NoAnswer) as caught:
        await send(script, calls.set_item_quantity("C1", "GB", 1))
    assert caught.value.maybe_applied


async def test_retry_after_is_honoured(send: Send) -> None:
    busy = httpx.Response(503, headers={"Retry-After": "1"})
    began = time.monotonic()
    await send(Script(busy, OK), REPEATABLE)
    assert time.monotonic() - began >= 1


async def test_too_long_a_pause_is_the_callers_to_make(send: Send) -> None:
    script = Script(httpx.Response(503, headers={"Retry-After": "3600"}), OK)
    with pytest.raises(errors.ServiceUnavailable):
        await send(script, REPEATABLE)
    assert len(script.requests) == 1


def test_pauses_double_with_jitter() -> None:
    retry = Retry(retries=3, backoff=1.0)
    for attempt, most in ((0, 1.0), (1, 2.0), (2, 4.0)):
        pauses = [retry.pause(attempt) for _ in range(200)]
        assert all(pause is not None and most / 2 <= pause <= most for pause in pauses)
        assert len(set(pauses)) > 100
    assert retry.pause(3) is None


HUGE = f"Thu, 01 Jan 1970 00:00:00 +{'9' * 20}"


def test_retry_after_as_a_date_or_as_nonsense() -> None:
    retry = Retry(retries=1, backoff=0)
    soon = retry.pause(0, format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert soon is not None
    assert 25 < soon <= 30
    assert retry.pause(0, format_datetime(datetime.now(UTC) + timedelta(hours=1))) is None
    for nonsense in ("", "soon", "-5", "٣", "Wed, 99 Foo 2025", "Thu, 01 Jan 1970 00:00:00", HUGE):
        assert retry.pause(0, nonsense) == 0


async def test_error_documents(send: Send) -> None:
    with pytest.raises(errors.PreconditionFailed) as caught:
        await send(Script(error(412, "A value is required", "quantity:isEmpty")), REPEATABLE)
    refused = caught.value
    assert (refused.status, refused.field, refused.aux_code) == (412, "quantity", "quantity:isEmpty")
    assert (refused.message, refused.error_id, refused.customer) == ("A value is required", "73542", None)
    assert str(refused) == "412 A value is required (quantity:isEmpty, error 73542)"


async def test_only_a_412_has_a_field(send: Send) -> None:
    with pytest.raises(errors.UnprocessableEntity) as caught:
        await send(Script(error(422, "The transaction was declined", "6000")), ONCE)
    assert caught.value.field == ""
    assert caught.value.aux_code == "6000"


async def test_errors_embedded_in_a_customer(send: Send) -> None:
    with pytest.raises(errors.UnprocessableEntity) as caught:
        await send(Script(httpx.Response(422, content=DECLINED)), ONCE)
    assert caught.value.aux_code == "6000"
    assert caught.value.customer is not None
    assert caught.value.customer.first_name == "Edsger"


@pytest.mark.parametrize("call", [ONCE, NEW, calls.import_customers([NEW])])
async def test_an_error_with_a_good_status_is_an_error_also_within_a_customer(
    send: Send, call: Call[Any]
) -> None:
    with pytest.raises(errors.UnprocessableEntity, match="6000") as caught:
        await send(Script(httpx.Response(200, content=DECLINED)), call)
    assert caught.value.customer is not None
    assert caught.value.customer.first_name == "Edsger"


async def test_an_error_with_a_good_status_is_an_error(send: Send) -> None:
    answer = httpx.Response(200, content=error(404, "Customer not found").content)
    with pytest.raises(errors.NotFound, match="Customer not found"):
        await send(Script(answer), REPEATABLE)


async def test_pages_of_proxies(send: Send) -> None:
    page = httpx.Response(502, html="<!doctype html><title>C1 is on fire</title><br>")
    with pytest.raises(errors.BadGateway) as caught:
        await send(Script(page), REPEATABLE)
    assert "fire" not in str(caught.value)
    with pytest.raises(DecodeError):
        await send(Script(httpx.Response(200, html="<h1>Welcome to the hotel</h1><br>")), REPEATABLE)


@pytest.mark.parametrize(
    ("aux_code", "text"),
    [
        ("subscription[ccNumber]:notAllowed", f"'{NUMBER}' is not from an allowed institute"),
        ("ccNumber:notAllowed", "'4111111111111111' is not from an allowed institute"),
        ("ccNumber:notAllowed", "'1' is not from an allowed institute"),
        ("subscription[ccCardCode]:invalid", "'321' is not valid"),
        ("ccZip:invalid", f"8000 does not go with {NUMBER} and 321"),
    ],
)
async def test_card_data_never_shows(
    send: Send, caplog: pytest.LogCaptureFixture, aux_code: str, text: str
) -> None:
    payment = PaymentInput(cc_number=NUMBER, cc_card_code="321", cc_zip="8000")
    with caplog.at_level(logging.DEBUG), pytest.raises(errors.PreconditionFailed) as caught:
        await send(Script(error(412, text, aux_code)), calls.edit_subscription("C1", payment=payment))
    shown = [str(caught.value), repr(caught.value), *(record.getMessage() for record in caplog.records)]
    for secret in (NUMBER, "4111111111111111", "'1'", "321", "hush-hush"):
        assert not any(secret in line for line in shown)
    assert caught.value.__context__ is None
    assert "•••" in caught.value.message


async def test_a_lost_answer_holds_no_request(send: Send) -> None:
    with pytest.raises(NoAnswer) as caught:
        await send(Script(httpx.ReadTimeout("slow")), calls.run_outstanding("C1", cc_card_code="321"))
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


async def test_the_log_names_actions_and_statuses_only(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="tallyhook"):
        await send(Script(OK), calls.edit_customer("C1", email="grace@harbour.example"))
        with pytest.raises(NoAnswer):
            await send(Script(httpx.ReadTimeout("slow")), ONCE)
    lines = [record.getMessage() for record in caplog.records if record.name == "tallyhook"]
    assert lines == ["customers/edit-customer: 200", "customers/add-charge: no answer"]


async def test_product_and_remote_address_go_with_every_call(send: Send) -> None:
    script = Script(OK)
    await send(
        script, REPEATABLE, product_id="77", remote_address="192.0.2.7", base_url="https://h.example/x/"
    )
    (request,) = script.requests
    assert (
        str(request.url)
        == "https://h.example/x/customers/get?productCode=ACME&productId=77&remoteAddress=192.0.2.7&code=C1"
    )


def test_a_product_is_needed() -> None:
    with pytest.raises(ValueError, match="product_code or a product_id"):
        Client(None, "u", "p")
    Client(None, "u", "p", product_id="77").close()


@pytest.mark.parametrize("kind", [*errors.BY_STATUS.values(), APIError])
def test_api_errors_survive_pickling(kind: type[APIError]) -> None:
    before = kind(412, "no", "quantity:isEmpty", "7")
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is kind
    assert (str(after), after.field, after.error_id) == (str(before), before.field, before.error_id)


def test_other_errors_survive_pickling() -> None:
    lost = pickle.loads(pickle.dumps(NoAnswer("no answer", True)))
    assert (str(lost), lost.maybe_applied) == ("no answer", True)
    unread = pickle.loads(pickle.dumps(DecodeError("a number was expected", "a.b")))
    assert (str(unread), unread.path) == ("a.b: a number was expected", "a.b")


@contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """A socket that answers every connection with these bytes and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/xml"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_over_a_real_socket() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(CUSTOMER)}\r\nConnection: close\r\n\r\n"
    with raw_server(head.encode() + CUSTOMER) as url, Client("ACME", "u", "p", base_url=url) as client:
        assert client.get_customer("C1").subscription.plan.code == "QUAY"


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<customers>", b"garbage\r\n\r\n"]
)
def test_a_cut_answer_may_have_been_applied(answer: bytes) -> None:
    with (
        raw_server(answer) as url,
        Client("ACME", "u", "p", base_url=url, backoff=0) as client,
        pytest.raises(NoAnswer) as caught,
    ):
        client.add_charge("C1", "FEE", 1, 5)
    assert caught.value.maybe_applied


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/xml"
    with (
        Client("ACME", "u", "p", base_url=url, retries=1, backoff=0) as client,
        pytest.raises(NoAnswer) as caught,
    ):
        client.get_customer("C1")
    assert not caught.value.maybe_applied


def document(*codes: str, error: str = "") -> bytes:
    customers = "".join(f'<customer id="{code}-id" code="{code}"><email/></customer>' for code in codes)
    return f"<customers>{error}{customers}</customers>".encode()


OF_SOMEBODY_ELSE = {
    "another": document("C2"),
    "none": document(),
    "two": document("C1", "C2"),
    "the same twice": document("C1", "C1"),
}


@pytest.mark.parametrize("answer", OF_SOMEBODY_ELSE.values(), ids=OF_SOMEBODY_ELSE)
@pytest.mark.parametrize(
    "call",
    [
        calls.get_customer("C1"),
        calls.get_customer(Id("C1-id")),
        calls.get_customer(Customer(id="C1-id", code="renamed")),
        calls.edit_customer("C1", notes=""),
        calls.edit_customer("C1", code="C3"),
        calls.set_item_quantity("C1", "GB", 1),
        calls.add_charge("C1", "FEE", 1, 5),
        calls.run_outstanding("C1"),
    ],
    ids=str,
)
async def test_a_document_of_somebody_else(send: Send, call: Call[Customer], answer: bytes) -> None:
    with pytest.raises(WrongDocument) as caught:
        await send(Script(httpx.Response(200, content=answer)), call)
    assert isinstance(caught.value, DecodeError)
    assert caught.value.maybe_applied
    assert "C2" not in str(caught.value)


async def test_a_refusal_with_a_document_of_somebody_else(send: Send) -> None:
    note = '<errors><error id="1" code="422" auxCode="6000">Declined</error></errors>'
    refusal = httpx.Response(422, content=document("C2", error=note))
    with pytest.raises(WrongDocument):
        await send(Script(refusal), ONCE)


@pytest.mark.parametrize(
    "call", [calls.get_customer(invoice_number=7), calls.refund(7, 5), calls.void(Id("7"))], ids=str
)
async def test_a_customer_without_the_invoice(send: Send, call: Call[Customer]) -> None:
    with pytest.raises(WrongDocument):
        await send(Script(OK), call)


async def test_another_plan(send: Send) -> None:
    answer = httpx.Response(200, content=b'<plans><plan id="1" code="Q"><name/></plan></plans>')
    for call in (calls.get_plan("P"), calls.edit_plan("P", name="R")):
        with pytest.raises(WrongDocument):
            await send(Script(answer), call)


@pytest.mark.parametrize("named", ["c1", " C1 ", Id("c1-ID")])
async def test_names_are_compared_as_a_database_does(send: Send, named: str) -> None:
    answer = httpx.Response(200, content=document("C1"))
    assert (await send(Script(answer), calls.get_customer(named))).code == "C1"


async def test_a_customer_may_have_a_new_code(send: Send) -> None:
    for code in ("C1", "C2"):
        answer = httpx.Response(200, content=document(code))
        assert (await send(Script(answer), calls.edit_customer("C1", code="C2"))).code == code


@pytest.mark.parametrize("status", [400, 404, 412, 422, 500, 502])
async def test_only_the_own_document_of_the_api_is_documented(send: Send, status: int) -> None:
    with pytest.raises(APIError) as caught:
        await send(Script(error(status, "Customer not found")), ONCE)
    assert caught.value.documented
    assert pickle.loads(pickle.dumps(caught.value)).documented
    for body in (
        b"",
        b"<html><body>Customer not found</body></html>",
        b"Customer not found",
        b"<customers/>",
    ):
        with pytest.raises(APIError) as caught:
            await send(Script(httpx.Response(status, content=body)), ONCE)
        assert not caught.value.documented
        assert type(caught.value) is errors.BY_STATUS[status]
