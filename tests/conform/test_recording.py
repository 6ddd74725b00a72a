"""What an application says to a service is recorded without anybody's data, and played on a mock."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.conform.account import Unusable
from tallyhook_mock.conform.compare import Comparison, catalog_of, compare
from tallyhook_mock.conform.pseudonyms import Pseudonyms
from tallyhook_mock.conform.record import Recorder, read_recording
from tallyhook_mock.testing.session import Session

ITEM = {"code": "GB", "name": "Gigabytes", "quantityIncluded": 1, "overageAmount": "0.50", "isPeriodic": True}
CATALOG: dict[str, Any] = {
    "users": [{"email": "ops@acme.test", "password": "hush-hush"}],
    "products": [
        {
            "code": "ACME",
            "secret": "s",
            "plans": [
                {"code": "FREE", "name": "Free", "isFree": True, "items": [ITEM]},
                {"code": "PAID", "name": "Paid", "recurringChargeAmount": "20.00", "items": [ITEM]},
            ],
            "promotions": [
                {"name": "Spring", "percentage": 20, "months": 3, "coupons": [{"code": "SPRING"}]}
            ],
            "customers": [{"code": "older", "planCode": "FREE"}],
        }
    ],
}
CARD = {
    "subscription[ccNumber]": "4012-8888-8888-1881",
    "subscription[ccExpiration]": "12/2035",
    "subscription[ccCardCode]": "987",
    "subscription[ccFirstName]": "Rosalind",
    "subscription[ccLastName]": "Hallowell",
    "subscription[ccZip]": "W1A 1AA",
}
NEW = {
    "code": "rosalind@hallowell.test",
    "firstName": "Rosalind",
    "lastName": "Hallowell",
    "company": "Hallowell & Sons",
    "email": "rosalind@hallowell.test",
    "notes": "prefers tea",
    "referer": "https://friends.hallowell.test/page?of=Rosalind",
    "remoteAddress": "203.0.113.77",
    "metaData[nickname]": "Rosie",
    "subscription[planCode]": "PAID",
    "subscription[couponCode]": "SPRING",
    **CARD,
}
SECRETS = (
    *("rosalind", "hallowell", "prefers tea", "Rosie", "203.0.113.77", "W1A"),
    *("4012", "8888", "1881", "987", "hush-hush", "b3BzQ", "friends"),
)

Call = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    made = Session(lambda: tmp_path_factory.mktemp("session"))
    yield made
    made.close()


class Recording:
    """A second mock as the service, and what an application says to it through the proxy."""

    def __init__(self, server: Server, file: Path) -> None:
        self.server, self.file = server, file
        self._runner = asyncio.Runner()
        self._http, self._client = self._runner.run(self._begin())

    async def _begin(self) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
        http = httpx.AsyncClient()
        recorder = Recorder(http, f"{self.server.url}/xml", self.file, moment=lambda _: self.server.now)
        transport = httpx.ASGITransport(recorder.app)
        return http, httpx.AsyncClient(transport=transport, base_url="http://proxy/xml/")

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.run(self._http.aclose())
        self._runner.close()

    def call(
        self, path: str, form: dict[str, str] | None = None, *, key: str = "hush-hush"
    ) -> httpx.Response:
        auth = ("ops@acme.test", key)
        method = "GET" if form is None else "POST"
        return self._runner.run(self._client.request(method, path, data=form, auth=auth))

    def send(self, path: str, body: bytes, content_type: str | None) -> httpx.Response:
        headers = {} if content_type is None else {"Content-Type": content_type}
        sent = self._client.post(path, content=body, headers=headers, auth=("ops@acme.test", "hush-hush"))
        return self._runner.run(sent)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Callable[..., Recording]]:
    with contextlib.ExitStack() as stack:

        def begin(rules: dict[str, Any] | None = None) -> Recording:
            server = stack.enter_context(serve({**CATALOG, "rules": rules or {}}))
            recording = Recording(server, tmp_path / "recording.jsonl")
            stack.callback(recording.close)
            return recording

        yield begin


def story(recording: Recording) -> None:
    """A customer who is billed, changes, is refused something, and is invoiced once."""
    call = recording.call
    where = "productCode/ACME/code/rosalind%40hallowell.test"
    assert call("promotions/get/productCode/ACME").status_code == 200
    assert call("customers/new/productCode/ACME", NEW).status_code == 200
    assert (
        call(f"customers/set-item-quantity/{where}", {"itemCode": "GB", "quantity": "3.5"}).status_code == 200
    )
    charge = {"chargeCode": "X", "quantity": "1", "eachAmount": "5.00", "description": "for Rosalind"}
    assert call(f"customers/add-charge/{where}", charge).status_code == 200
    recording.server.advance("40d")
    assert call(f"customers/get/{where}").status_code == 200
    lines = {
        **{f"charges[{place}][chargeCode]": "ONCE" for place in range(3)},
        **{f"charges[{place}][quantity]": "1" for place in range(3)},
        **{f"charges[{place}][eachAmount]": "0.06" for place in range(3)},
    }
    assert call(f"customers/edit-customer/{where}", {"taxRate": "0.1"}).status_code == 200
    assert call(f"invoices/new/{where}", lines).status_code == 200
    assert call(f"customers/cancel/{where}", {"bogus": "1"}).status_code == 200
    assert call(f"customers/cancel/{where}").status_code in (200, 412)
    assert call("customers/get?productCode=ACME&code=nobody").status_code == 404


def differences(compared: list[Comparison]) -> dict[str, set[str]]:
    return {
        each.call: {difference.path for difference in each.differences}
        for each in compared
        if each.differences
    }


def test_the_same_rules_give_the_same_documents(record: Callable[..., Recording], session: Session) -> None:
    recording = record()
    story(recording)
    exchanges = read_recording(recording.file)
    compared = compare(exchanges, session)
    assert len(compared) == 10
    assert differences(compared) == {}
    assert [each.left_out for each in compared if each.left_out] == []


def test_other_rules_show_where_documents_differ(record: Callable[..., Recording], session: Session) -> None:
    rules = {"tax_rounding": "line", "promotion_credit_code": "coupon", "canceled_again": "refused"}
    recording = record(rules)
    story(recording)
    exchanges = read_recording(recording.file)
    assert differences(compare(exchanges, session, rules=rules)) == {}
    found = differences(compare(exchanges, session))
    assert "HTTP status" in found["customers/cancel"]
    invoice = "customers/customer/subscriptions/subscription/invoices/invoice"
    assert any(path.endswith("/@code") for path in found["customers/new"])
    amounts = f"{invoice}[2]/transactions/transaction/amount"
    assert amounts in found["invoices/new"], found["invoices/new"]


def test_a_recording_holds_nobodys_data(record: Callable[..., Recording], session: Session) -> None:
    recording = record()
    story(recording)
    text = recording.file.read_text()
    assert [secret for secret in SECRETS if secret.casefold() in text.casefold()] == []
    assert "authorization" not in text.casefold()
    # What is the same stays the same: in parameters, documents and free text.
    first, *_ = [each for each in read_recording(recording.file) if each.call == "customers/new"]
    given = dict(first.form)
    assert given["code"] == given["email"]
    assert f"<email>{given['email']}</email>" in first.document
    assert given["firstName"] == given["subscription[ccFirstName]"]
    assert f"<ccLastFour>{given['subscription[ccNumber]'][-4:]}</ccLastFour>" in first.document
    added = next(each for each in read_recording(recording.file) if each.call == "customers/add-charge")
    assert dict(added.form)["description"] == f"for {given['firstName']}"
    assert dict(added.path)["code"] == given["code"]


def test_what_an_application_gets_is_what_the_service_answered(record: Callable[..., Recording]) -> None:
    recording = record()
    refused = recording.call("customers/get/productCode/ACME/code/older", key="wrong")
    assert refused.status_code == 401
    there = recording.call("customers/get/productCode/ACME/code/older")
    assert (there.status_code, there.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert 'code="older"' in there.text


def test_customers_of_before_are_left_out(record: Callable[..., Recording], session: Session) -> None:
    recording = record()
    recording.call("customers/get/productCode/ACME/code/older")
    recording.call("customers/get/productCode/ACME")
    code = "productCode/ACME/code/older"
    for path, form in (
        (f"customers/add-charge/{code}", {"chargeCode": "", "quantity": "1", "eachAmount": "1.00"}),
        (f"customers/set-item-quantity/{code}/itemCode/GB", {"quantity": "1.23456"}),
        (f"customers/run-outstanding/{code}", {}),
        (f"customers/set-item-quantity/{code}/itemCode/DESK", {"quantity": "1"}),
    ):
        assert recording.call(path, form).status_code in (404, 412)
    compared = compare(read_recording(recording.file), session)
    assert len(compared) == 6
    for each in compared:
        assert each.left_out.endswith(", which existed before the recording")


def test_customers_who_never_existed_are_compared(record: Callable[..., Recording], session: Session) -> None:
    recording = record()
    assert recording.call("customers/get/productCode/ACME/code/nobody").status_code == 404
    (compared,) = compare(read_recording(recording.file), session)
    assert not compared.left_out
    assert not compared.differences


def test_the_plans_are_those_that_the_recording_shows(record: Callable[..., Recording]) -> None:
    recording = record()
    recording.call("plans/get/productCode/ACME")
    product = catalog_of(read_recording(recording.file))["products"][0]
    assert [plan["code"] for plan in product["plans"]] == ["FREE", "PAID"]
    assert product["plans"][1]["items"][0]["overageAmount"] == "0.50"


def test_the_service_does_not_answer(tmp_path: Path) -> None:
    async def called() -> httpx.Response:
        async with httpx.AsyncClient() as http:
            recorder = Recorder(http, "http://127.0.0.1:1/xml", tmp_path / "recording.jsonl")
            transport = httpx.ASGITransport(recorder.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as client:
                return await client.get("/xml/plans/get")

    answer = asyncio.run(called())
    assert answer.status_code == 502
    assert answer.text.startswith("http://127.0.0.1:1/xml: ")
    assert not (tmp_path / "recording.jsonl").exists()


def test_a_recording_that_can_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    with pytest.raises(Unusable, match="can't be read: No such file"):
        read_recording(file)
    file.write_text("{}\n")
    with pytest.raises(Unusable, match="line 1: not a recorded call"):
        read_recording(file)
    assert compare([], Session(lambda: tmp_path)) == []


@pytest.mark.parametrize(
    "number", ["4012888888881881", "371449635398431", "5555555555554444", "6011111111111117"]
)
def test_a_card_becomes_another_one_that_passes_the_checks(number: str) -> None:
    pseudonyms = Pseudonyms()
    other = pseudonyms.value("ccNumber", number)
    assert (len(other), other[0], other == number) == (len(number), number[0], False)
    digits = [int(digit) for digit in reversed(other)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    assert (sum(digits[::2]) + sum(doubled)) % 10 == 0
    assert pseudonyms.value("ccNumber", number) == other
    assert pseudonyms.value("ccLastFour", number[-4:]) == other[-4:]
    assert pseudonyms.text(f"the card {number[:4]} {number[4:]}") == f"the card {other}"
