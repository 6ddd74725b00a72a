"""The console over HTTP: what it shows, who may act in it, and that nothing of others becomes markup."""

import asyncio
import html
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
from lxml import html as markup

from tallyhook_mock import Mock, Server, serve
from tallyhook_mock.app import create_app
from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import DeliveryState
from tallyhook_mock.systems import hook_types
from tallyhook_mock.systems.cheddar.model import InvoiceState
from tallyhook_mock.systems.cheddar.settings import SETTINGS

from .loopback import Api, catalog, listening

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
PAGES = (
    "/",
    "/console/customers",
    "/console/rules",
    "/console/hooks",
    "/console/listeners",
    "/console/faults",
)


def seeded(**customer: Any) -> dict[str, Any]:
    return catalog(customers=[{"code": "ida", "planCode": "GLOW", **customer}])


@contextmanager
def visiting(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, follow_redirects=True, timeout=60) as client:
        yield client


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(seeded()) as server:
        yield server


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with visiting(server) as client:
        yield client


def token(browser: httpx.Client) -> str:
    found = re.search(r'name="token" value="([^"]+)"', browser.get("/").text)
    assert found is not None
    return found[1]


def act(browser: httpx.Client, action: str, /, **form: str) -> httpx.Response:
    return browser.post(f"/console/{action}", data={"token": token(browser), **form})


def told(answer: httpx.Response) -> str:
    """What the page says about the form before it."""
    found = re.search(r'<p class="notice[^>]*>(.*?)</p>', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])


def shown(answer: httpx.Response, part: str) -> str:
    (found,) = markup.fromstring(answer.text).xpath("//*[@id=$id]", id=part)
    return " ".join(found.text_content().split())


# -- pages


@pytest.mark.parametrize("path", [*PAGES, "/console/customer?product=LANTERN&code=ida"])
def test_pages_are_strict(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    document = markup.fromstring(answer.text)
    assert not document.xpath("//script[not(@src)] | //style | //@style | //@*[starts-with(name(), 'on')]")
    for address in document.xpath("//link/@href | //script/@src | //img/@src"):
        assert address.startswith("/console/")
        assert browser.get(address).status_code == 200
    identities = document.xpath("//@id")
    assert len(identities) == len(set(identities))
    named = set(document.xpath("//label/@for"))
    for field in document.xpath("//input[not(@type='hidden' or @type='checkbox')] | //select"):
        assert field.get("id") in named


def test_rules_that_are_not_at_their_defaults_stand_out() -> None:
    rules = {"month_end": "last-day", "dunning": ["2d", "36h"]}
    with serve({**seeded(), "rules": rules}) as server, visiting(server) as browser:
        page = markup.fromstring(browser.get("/console/rules").text)
        assert page.xpath("//td/strong/text()") == ["last-day", "2d 36h"]
        rows = page.xpath("//tbody/tr")
    assert len(rows) == len(SETTINGS)
    assert "The day of sign-up is kept" in rows[0].text_content()


@pytest.mark.parametrize(
    "path", ["/console", "/console/nothing", "/console/hooks/1", "/console/customer?code=eve"]
)
def test_what_is_not_there_is_a_page_too(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text


def test_only_forms_act(browser: httpx.Client) -> None:
    assert browser.get("/console/clock/advance?to=1d").status_code == 405
    assert browser.post("/", data={}).status_code == 405


def test_the_api_and_control_are_where_they_were(server: Server, browser: httpx.Client) -> None:
    assert browser.get("/_mock/clock").json()["mode"] == "frozen"
    assert browser.get("/xml/plans/get/productCode/LANTERN").status_code == 401
    Api(server).call("plans/get")


# -- a review by forms alone


def test_a_hook_is_seen_to_fail_retried_and_its_invoice_paid(server: Server, browser: httpx.Client) -> None:
    with listening(lambda _: 200 if is_working else 500) as listener:
        is_working = False
        assert "gets subscriptionBillable of LANTERN" in told(
            act(
                browser,
                "listeners/add",
                url=listener.url,
                events="subscriptionBillable",
                back="/console/listeners",
            )
        )
        happened = act(browser, "clock/advance", to="1mo")
        assert told(happened).startswith("It is 2026-02-01 00:00:00. On the way: ")
        assert "1 × hook not delivered" in told(happened)
        assert "held" in shown(happened, "waiting")
        (hook,) = server.hooks()
        page = f"/console/hooks/{ids.text(hook.id)}"
        assert "500" in shown(browser.get(page), "deliveries")
        assert "right" in shown(browser.get(page), "signed")

        is_working = True
        answer = act(browser, "hooks/retry", id=ids.text(hook.id), back=page)
        assert answer.url.path == page
        assert told(answer) == "The hook is being sent."
        server.settle()
        assert "delivered" in shown(browser.get(page), "deliveries")
        assert "every listener has acknowledged it" in told(act(browser, "hooks/retry", id=ids.text(hook.id)))
        assert "No invoices are waiting" in shown(act(browser, "clock/advance", to="1h"), "waiting")
        assert "being sent again" in told(act(browser, "hooks/replay", id=ids.text(hook.id)))
        server.settle()
        assert "replay" in shown(browser.get(page), "deliveries")
    assert [received.type for received in listener.received] == ["subscriptionBillable"] * 3


def test_a_canceled_hook_releases_its_invoice(server: Server, browser: httpx.Client) -> None:
    listener = server.listen("http://127.0.0.1:9/closed")
    server.advance("1mo")
    hook = server.hooks("subscriptionBillable")[0]
    assert "canceled" in told(act(browser, "hooks/cancel", id=ids.text(hook.id)))
    assert "in 1 h" in shown(browser.get("/"), "waiting")
    given_up = browser.get(f"/console/hooks/{ids.text(hook.id)}").text
    assert ("Retry now" in given_up, ">Replay<" in given_up, ">Cancel<" in given_up) == (True, False, False)
    assert "wait" in told(act(browser, "listeners/pause", id=ids.text(listener.id)))
    assert "paused" in shown(browser.get("/console/listeners"), "listeners")
    assert "waiting hooks" in told(act(browser, "listeners/resume", id=ids.text(listener.id)))
    assert "no more hooks" in told(act(browser, "listeners/remove", id=ids.text(listener.id)))
    assert "listener no longer exists" in told(act(browser, "listeners/remove", id=ids.text(listener.id)))


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 held invoice is released"), (3, "3 held invoices are released")]
)
def test_a_removed_listener_says_which_invoices_it_releases(
    server: Server, browser: httpx.Client, count: int, said: str
) -> None:
    for number in range(1, count):
        Api(server).subscribe(f"c{number}")
    listener = server.listen("http://127.0.0.1:9/closed")
    server.advance("1mo")
    assert said in told(act(browser, "listeners/remove", id=ids.text(listener.id)))


@pytest.mark.parametrize(
    ("first", "second", "is_twice"),
    [
        ("", "", True),
        ("transaction", "", True),
        ("transaction", "transaction newSubscription", True),
        ("transaction", "newSubscription", False),
    ],
)
def test_a_second_listener_with_the_same_url_is_pointed_out(
    browser: httpx.Client, first: str, second: str, is_twice: bool
) -> None:
    for events, is_second in ((first, False), (second, True)):
        answer = act(browser, "listeners/add", url="http://127.0.0.1:9/closed", events=events)
        assert ("twice" in told(answer)) == (is_second and is_twice)


def test_hooks_are_narrowed(server: Server, browser: httpx.Client) -> None:
    with listening() as listener:
        server.listen(listener.url)
        server.advance("1mo")
        server.advance("1h")
        rows = {
            query: browser.get(f"/console/hooks?{query}").text.count("data-row href=")
            for query in (
                "",
                "type=transaction",
                "customer=eve",
                "state=canceled",
                "state=delivered&customer=ida",
            )
        }
    assert rows == {
        "": 2,
        "type=transaction": 1,
        "customer=eve": 0,
        "state=canceled": 0,
        "state=delivered&customer=ida": 2,
    }


def test_the_clock_runs_stands_and_starts_over(server: Server, browser: httpx.Client) -> None:
    assert told(act(browser, "clock/mode", mode="real")) == "The clock runs in real time."
    assert told(act(browser, "clock/mode", mode="frozen")) == "The clock is frozen."
    assert "is in the past" in told(act(browser, "clock/advance", to="2025-01-01"))
    assert "neither a duration, such as 1h or 1mo, nor a date" in told(
        act(browser, "clock/advance", to="soon")
    )
    act(browser, "clock/advance", to="2026-03-05")
    assert server.now.isoformat() == "2026-03-05T00:00:00+00:00"
    assert "Started over" in told(act(browser, "reset"))
    assert server.now.isoformat() == "2026-01-01T00:00:00+00:00"


def test_declines_and_triggers(server: Server, browser: httpx.Client) -> None:
    of_ida = {"product": "LANTERN", "code": "ida", "back": "/console/customer?product=LANTERN&code=ida"}
    answer = act(browser, "customer/decline", count="2", **of_ida)
    assert told(answer) == "The gateway will refuse ida the next 2 charges."
    assert "next 2 declined" in shown(answer, "head")
    assert "whole number" in told(act(browser, "customer/decline", count="many", **of_ida))
    assert "no listener" in told(act(browser, "customer/trigger", type="billReminder", **of_ida))
    assert "not waiting for PayPal" in told(act(browser, "customer/approve", **of_ida))
    server.advance("1mo")
    assert "declined" in shown(browser.get(of_ida["back"]), "history")


def test_faults_are_planned_in_the_words_of_the_control_api(server: Server, browser: httpx.Client) -> None:
    told_of = told(act(browser, "faults/add", kind="latency", action="plans/get", seconds="0.5", times="2"))
    assert told_of == "latency is planned."
    (planned,) = httpx.get(f"{server.url}/_mock/faults").json()["faults"]
    assert (planned["kind"], planned["action"], planned["seconds"], planned["times"]) == (
        "latency",
        "plans/get",
        0.5,
        2,
    )
    assert "by: unknown" in told(act(browser, "faults/add", kind="latency", by="1min"))
    assert "whole number" in told(act(browser, "faults/add", kind="error", nth="first"))
    assert "armed" in shown(browser.get("/console/faults"), "faults")
    (choice,) = markup.fromstring(browser.get("/console/faults").text).xpath("//select[@name='type']")
    assert choice.value_options == ["", *hook_types()]
    assert told(act(browser, "faults/clear")) == "All faults are cleared."


@pytest.mark.parametrize("state", sorted({*InvoiceState, *DeliveryState} - {InvoiceState.OPEN}))
def test_every_state_has_a_mark_of_its_own(browser: httpx.Client, state: str) -> None:
    assert re.search(rf"\.is-{state}::before", browser.get("/console/static/console.css").text)


def test_a_deleted_customer_keeps_its_story(server: Server, browser: httpx.Client) -> None:
    Api(server).call("customers/delete", code="ida")
    answer = browser.get("/console/customer?product=LANTERN&code=ida")
    assert answer.status_code == 200
    assert "customer deleted" in shown(answer, "timeline")


# -- who may


def test_a_form_of_another_page_is_refused(server: Server, browser: httpx.Client) -> None:
    for form in ({}, {"token": "guessed"}):
        assert browser.post("/console/reset", data=form).status_code == 403
    known = {"token": token(browser), "to": "1d"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert browser.post("/console/clock/advance", data=known, headers=headers).status_code == 403
    assert server.now.isoformat() == "2026-01-01T00:00:00+00:00"
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/console/clock/advance", data=known, headers=own).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, "/console/live", "/console/static/console.js"])
def test_a_name_that_has_come_to_point_here_gets_nothing(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert "token" not in answer.text


async def test_other_machines_need_the_token() -> None:
    mock = Mock(seeded())
    remote = httpx.ASGITransport(create_app(mock, console_token="an open secret"), client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(
        transport=remote, base_url="http://mock.example", follow_redirects=True
    ) as away:
        closed = await away.get("/")
        assert closed.status_code == 403
        assert "The token that the mock was started with" in closed.text
        assert 'name="token"' not in closed.text
        assert (await away.get("/console/hooks")).status_code == 403
        assert (await away.post("/console/door", data={"pass": "a guess"})).status_code == 403
        entered = await away.post("/console/door", data={"pass": "an open secret"})
        assert entered.status_code == 200
        assert "an open secret" not in str(away.cookies)
        assert (await away.get("/console/hooks")).status_code == 200
        assert (await away.get("/_mock/clock")).status_code == 403
        other = {"Origin": "https://evil.example"}
        assert (await away.post("/console/reset", headers=other)).status_code == 403


async def test_without_a_token_there_is_no_door() -> None:
    remote = httpx.ASGITransport(create_app(Mock(seeded())), client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=remote, base_url="http://mock.example") as away:
        for path in ("/", "/console/door", "/console/static/console.css"):
            assert (await away.get(path)).status_code == 403
        assert (await away.post("/console/door", data={"pass": ""})).status_code == 403


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "/xml", ""])
def test_no_form_leads_to_another_site(browser: httpx.Client, back: str) -> None:
    form = {"token": token(browser), "back": back, "theme": "dark"}
    answer = browser.post("/console/theme", data=form, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_forms_that_can_not_be_read(browser: httpx.Client) -> None:
    assert browser.post("/console/reset", content=b"a" * 100_000).status_code == 413
    assert browser.post("/console/reset", content=b"\xff=%ff").status_code == 400
    assert browser.post("/console/reset", content=b"&".join([b"a=b"] * 200)).status_code == 400
    assert browser.post("/console/reset", content=b"token=%C3%A4").status_code == 403


def test_the_colours_are_kept(browser: httpx.Client) -> None:
    assert 'data-theme="auto"' in browser.get("/").text
    assert 'data-theme="dark"' in act(browser, "theme", theme="dark", back="/console/hooks").text
    assert 'data-theme="dark"' in act(browser, "theme", theme="pink").text


def test_a_notice_is_told_once_and_not_to_the_script(browser: httpx.Client) -> None:
    form = {"token": token(browser), "to": "1d"}
    assert browser.post("/console/clock/advance", data=form, follow_redirects=False).status_code == 303
    assert "It is 2026-01-02" not in browser.get("/", headers={"X-Tallyhook-Look": "1"}).text
    assert "It is 2026-01-02" in browser.get("/").text
    assert "It is 2026-01-02" not in browser.get("/").text


# -- what others wrote


def test_hostile_names_stay_text() -> None:
    hostile = seeded(
        code=f"../{EVIL}", firstName="<b>Ida", lastName=EVIL[:40], company=EVIL, metaData={EVIL: EVIL}
    )
    with listening() as listener, serve(hostile) as server, visiting(server) as browser:
        server.listen(f"{listener.url}?{EVIL}")
        server.advance("1mo")
        (hook,) = server.hooks("subscriptionBillable")
        (row,) = markup.fromstring(browser.get("/console/customers").text).xpath("//a[@data-row]")
        for path in (
            *PAGES,
            row.get("href"),
            f"/console/hooks/{ids.text(hook.id)}",
            f"/console/customers?q={EVIL}",
        ):
            answer = browser.get(path)
            assert answer.status_code == 200, path
            document = markup.fromstring(answer.text)
            assert not document.xpath("//script[not(@src)] | //img[@src='x'] | //b | //@onerror"), path
        assert (
            f"../{EVIL}"
            in markup.fromstring(browser.get(row.get("href")).text).xpath("//h1")[0].text_content()
        )
        assert "<script>alert(1)" not in act(browser, "clock/advance", to=EVIL).text
        assert EVIL in told(act(browser, "clock/advance", to=EVIL))


def test_the_payload_is_shown_as_it_was_sent(server: Server, browser: httpx.Client) -> None:
    with listening() as listener:
        server.listen(listener.url)
        server.advance("1mo")
        (hook,) = server.hooks("subscriptionBillable")
        page = markup.fromstring(browser.get(f"/console/hooks/{ids.text(hook.id)}").text)
    text = page.xpath("//pre")[0].text_content()
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", hook.body.decode())


def test_a_wrong_signature_is_seen(server: Server, browser: httpx.Client) -> None:
    server.listen("http://127.0.0.1:9/closed")
    server.advance("1mo")
    (hook,) = server.hooks("subscriptionBillable")

    def change_secret() -> None:
        server.mock.state.products["LANTERN"].secret = "another"

    server.call(change_secret)
    assert "wrong" in shown(browser.get(f"/console/hooks/{ids.text(hook.id)}"), "signed")


def test_signatures_that_cover_a_time_are_checked_too() -> None:
    secret = "whsec_" + "QUJD" * 10
    with serve(
        {**seeded(), "products": [{**seeded()["products"][0], "signature": "standard-v1", "secret": secret}]}
    ) as server:
        server.listen("http://127.0.0.1:9/closed")
        server.advance("1mo")
        (hook,) = server.hooks("subscriptionBillable")
        with visiting(server) as browser:
            assert "Signatureright" in shown(browser.get(f"/console/hooks/{ids.text(hook.id)}"), "signed")


# -- news


def test_news_come_as_they_happen_and_end_with_the_server() -> None:
    with serve(seeded()) as server, httpx.stream("GET", f"{server.url}/console/live", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines() if line.startswith("data:"))
        assert next(lines) == "data: changed"
        server.advance("1d")
        assert next(lines) == "data: changed"
        server.stop()
        assert list(lines) in ([], ["data: changed"])


def test_a_browser_that_leaves_is_forgotten(server: Server) -> None:
    def tasks() -> int:
        return server.call(lambda: len(asyncio.all_tasks()))

    host, port = server.url.removeprefix("http://").split(":")
    before = tasks()
    with closing(socket.create_connection((host, int(port)))) as connection:
        connection.sendall(f"GET /console/live HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        assert b"200 OK" in connection.recv(1000)
        assert tasks() > before
    end = time.monotonic() + 60
    while tasks() > before:
        assert time.monotonic() < end
        server.advance("1s")
