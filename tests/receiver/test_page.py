"""The receiver's page: who may see it, what it shows, and what it hides."""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from lxml import html
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.cheddar import KEY, FakeCheddar, signed
from tests.receiver.conftest import FileStore, Store
from tests.receiver.letters import letter
from tests.receiver.test_asgi import serving

from tallyhook import events
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, InboxUnavailable, NotYet, Receiver, SQLiteInbox, State
from tallyhook_receiver.page import Check

HOSTILE = '<script>alert("1")</script>\x1b[2J\u202e'
CARD = {"creditCard": {"creditCardType": "visa", "firstSix": "401288", "lastFour": "1881"}}


def operator(headers: Mapping[str, str]) -> bool:
    return headers.get("authorization") == "Bearer operator"


def browser(receiver: Receiver, check: Check = operator) -> httpx.AsyncClient:
    """An operator's browser, for an application that has mounted the page."""
    app = Starlette(routes=[Mount("/ops/inbox", receiver.page(check=check)), Mount("/hooks", receiver.asgi)])
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://listener",
        headers={"Authorization": "Bearer operator"},
    )


async def deliver(receiver: Receiver, body: bytes) -> int:
    return (await receiver.handle("POST", signed(body), body)).status


async def look(receiver: Receiver) -> html.HtmlElement:
    async with browser(receiver) as client:
        answer = await client.get("/ops/inbox/")
    assert answer.status_code == 200
    return html.document_fromstring(answer.text)


def rows(page: html.HtmlElement, heading: str) -> list[dict[str, str]]:
    """The rows of the table under a heading, by column."""
    section = next(it for it in page.iter("section") if it.findtext("h2") == heading)
    names = [cell.text_content() for cell in section.find(".//thead/tr")]
    return [
        dict(zip(names, (cell.text_content() for cell in row), strict=True))
        for row in section.findall(".//tbody/tr")
    ]


@pytest.fixture
async def receiver(store: Store) -> AsyncIterator[Receiver]:
    """A receiver with reviews, a handler that fails and one that raises NotYet, on every kind of inbox."""
    receiver = Receiver(Cheddar("ACME", KEY, FakeCheddar().async_client()), inbox=store.inbox())

    @receiver.review
    async def audit(review: Review) -> None:
        review.set_quantity("GB", 15)
        review.credit("SORRY", 5, "<script>alert(1)</script>")

    @receiver.on(events.SubscriptionChanged)
    async def fail(hook: events.SubscriptionChanged) -> None:
        assert hook.subscription.payment_method is not None
        raise ValueError(
            f"no usage of {hook.customer.first_name}: {hook.subscription.payment_method.credit_card}, "
            f"4012 8888-8888 1881 {HOSTILE}"
        )

    @receiver.on(events.NewSubscription)
    async def wait(hook: events.NewSubscription) -> None:
        raise NotYet(90)

    yield receiver
    await receiver.aclose()


def moved(**customer: Any) -> bytes:
    return FakeCheddar().hook(
        activityType="subscriptionChanged",
        customer={"code": "NORA", "firstName": "Nora", "email": "nora@quill.example"} | customer,
        subscription={"invoice": {"invoiceNumber": "12"}, "paymentMethod": CARD, "ccLastFour": "4242"},
    )


async def test_an_empty_inbox(receiver: Receiver) -> None:
    page = await look(receiver)
    said = [line.text for line in page.findall(".//section/p")]
    assert said == ["0 journal entries", "none", "none", "none"]


async def test_hooks_by_state(receiver: Receiver) -> None:
    for body in (
        moved(),
        FakeCheddar().hook(),
        FakeCheddar().hook(activityType="newSubscription"),
        FakeCheddar().hook(activityType="somethingNew"),
        b"[]",
    ):
        await deliver(receiver, body)
    page = await look(receiver)
    counts = {it.findtext("dt"): it.findtext("dd") for it in page.findall(".//dl/div")}
    assert counts.pop("unresolved") == "0"
    assert counts == {
        "working": "0",
        "done": "1",
        "waiting": "1",
        "failed": "1",
        "ignored": "1",
        "undecodable": "1",
    }
    said = page.findtext(".//section/p")
    assert said == "4 journal entries; the oldest hook was received 2030-03-17 17:46:40 UTC"


async def test_a_failure_with_its_reason(receiver: Receiver) -> None:
    assert await deliver(receiver, moved()) == 500
    assert await deliver(receiver, moved()) == 500
    (failed,) = rows(await look(receiver), "Failed")
    (record,) = await receiver.inbox.list()
    reason = failed.pop("why")
    assert failed == {
        "hook": record.key[:16],
        "state": "failed",
        "type": "subscriptionChanged",
        "product": "ACME",
        "invoice": "12",
        "customer": "NORA",
        "tried": "2",
        "received": "2030-03-17 17:46:40 UTC",
        "changed": "2030-03-17 17:46:40 UTC",
    }
    assert reason.startswith("ValueError: no usage of Nora: CreditCard(")


async def test_no_card_and_nothing_else_of_the_body(receiver: Receiver) -> None:
    await deliver(receiver, moved())
    async with browser(receiver) as client:
        text = (await client.get("/ops/inbox/")).text
    assert "last_four='•••'" in text
    for hidden in ("1881", "4242", "401288", "8888", "nora@quill.example", "Traceback"):
        assert hidden not in text


async def test_what_waits_with_when(receiver: Receiver) -> None:
    assert await deliver(receiver, FakeCheddar().hook(activityType="newSubscription")) == 503
    (waiting,) = rows(await look(receiver), "Waiting")
    assert (
        waiting.items()
        >= {
            "state": "waiting",
            "changed": "2030-03-17 17:46:40 UTC",
            "why": "not yet, retry in 90 s",
        }.items()
    )


async def test_a_review_with_its_diff(receiver: Receiver) -> None:
    assert await deliver(receiver, FakeCheddar().hook()) == 200
    page = await look(receiver)
    article = page.find(".//article")
    (record,) = await receiver.inbox.list()
    assert article.findtext("h3") == "invoice 11 of customer NORA"
    assert article.findtext("p") == f"{record.key[:16]} of ACME: done 2030-03-17 17:46:40 UTC, tried once"
    assert [[cell.text_content() for cell in row] for row in article.iter("tr")] == [
        ["code", "declared", "found", "applied", "description"],
        ["GB", "15", "3", "set", ""],
        ["SORRY", "1 × -5.00", "none", "added", "<script>alert(1)</script>"],
        ["total", "", "22.50", "47.50", ""],
    ]


async def test_a_review_that_shall_be_done_again_waits_without_a_reason(receiver: Receiver) -> None:
    await deliver(receiver, FakeCheddar().hook())
    (record,) = await receiver.inbox.list()
    await receiver.inbox.retry(record.key)
    page = await look(receiver)
    (waiting,) = rows(page, "Waiting")
    assert "why" not in waiting
    assert page.find(".//article") is None


async def test_hostile_hooks_are_only_texts(receiver: Receiver) -> None:
    await deliver(receiver, moved(code=HOSTILE + "x" * 10_000))
    await deliver(receiver, FakeCheddar().hook(activityType=HOSTILE))
    await receiver.inbox.keep(letter("k", type=HOSTILE, body=b"\xff"), State.UNDECODABLE, HOSTILE)
    page = await look(receiver)
    assert list(page.iter("script")) == []
    unreadable, failed = sorted(rows(page, "Failed"), key=lambda row: row["customer"])
    assert unreadable["why"] == unreadable["type"] == '<script>alert("1")</script>\ufffd[2J\ufffd'
    assert failed["customer"].startswith('<script>alert("1")</script>')
    assert len(failed["customer"]) == 300


async def test_only_the_newest_are_shown(receiver: Receiver, store: Store) -> None:
    for number in range(22):
        await deliver(receiver, moved(code=f"C{number}"))
        store.advance(seconds=1)
    page = await look(receiver)
    assert [row["customer"] for row in rows(page, "Failed")] == [f"C{number}" for number in range(21, 1, -1)]
    assert page.findtext(".//caption") == "the newest 20 of 22, by their last change"


@pytest.fixture
async def small(file_store: FileStore) -> AsyncIterator[Receiver]:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=file_store.inbox())
    yield receiver
    await receiver.aclose()


async def test_what_a_browser_is_told(small: Receiver) -> None:
    async with browser(small) as client:
        answer = await client.get("/ops/inbox/")
        page = html.document_fromstring(answer.text)
        (sheet,) = page.xpath("//link[@rel='stylesheet']/@href")
        style = await client.get(sheet)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert answer.headers["cache-control"] == "no-store"
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "prefers-color-scheme: dark" in style.text
    assert not list(page.iter("style", "script", "form", "a"))
    assert not page.xpath("//@style")


@pytest.mark.parametrize("path", ["", "/", "/page.css", "/else"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_nobody_else_sees_anything(
    small: Receiver, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with browser(small) as client:
        answer = await client.request(
            method, f"/ops/inbox{path}", headers={"Authorization": "Bearer guessed"}, follow_redirects=True
        )
    assert answer.status_code == 403
    assert "guessed" not in caplog.text


@pytest.mark.parametrize("said", [False, None, 1, "yes"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_only_true_opens(small: Receiver, said: Any, is_async: bool) -> None:
    async def later(headers: Mapping[str, str]) -> Any:
        return said

    async with browser(small, later if is_async else lambda headers: said) as client:
        assert (await client.get("/ops/inbox/")).status_code == 403


async def test_a_check_may_wait(small: Receiver) -> None:
    async def check(headers: Mapping[str, str]) -> bool:
        return operator(headers)

    async with browser(small, check) as client:
        assert (await client.get("/ops/inbox/")).status_code == 200


async def test_a_check_that_fails_opens_nothing(small: Receiver) -> None:
    def check(headers: Mapping[str, str]) -> bool:
        raise KeyError("cookie")

    async with browser(small, check) as client:
        with pytest.raises(KeyError):
            await client.get("/ops/inbox/")


async def test_it_only_reads(small: Receiver) -> None:
    async with browser(small) as client:
        answer = await client.post("/ops/inbox/")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert (await client.get("/ops/inbox/else")).status_code == 404


async def test_nothing_is_served_unless_it_is_mounted(small: Receiver) -> None:
    transport = httpx.ASGITransport(small.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://listener") as client:
        for path in ("/", "/page", "/page.css"):
            assert (await client.get(path)).status_code == 405


async def test_without_an_inbox(file_store: FileStore, caplog: pytest.LogCaptureFixture) -> None:
    class Away(SQLiteInbox):
        async def stats(self) -> Any:
            raise InboxUnavailable("the disk is full")

    receiver = Receiver(Cheddar("ACME", KEY), inbox=Away(file_store.url))
    async with browser(receiver) as client:
        answer = await client.get("/ops/inbox/")
        assert (answer.status_code, answer.text) == (503, "the inbox is unavailable\n")
        await receiver.aclose()
        assert (await client.get("/ops/inbox/")).status_code == 503
    assert "the disk is full" in caplog.text


def test_behind_a_real_server(file_store: FileStore, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=file_store.inbox())
    app = Starlette(routes=[Mount("/inbox", receiver.page(check=operator)), Mount("/hooks", receiver.asgi)])
    body = FakeCheddar().hook(activityType="subscriptionChanged")
    with (
        caplog.at_level(logging.INFO),
        serving(app) as port,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer operator"}
        ) as client,
    ):
        assert client.post("/hooks/", content=body, headers=signed(body)).json() == {"hook": "ignored"}
        page = client.get("/inbox", follow_redirects=True)
        head = client.head("/inbox/")
        assert client.get("/inbox/page.css").status_code == 200
    assert "ignored" in page.text
    assert (head.status_code, head.content) == (200, b"")
    assert json.loads(body)["customer"]["code"] not in caplog.text
