"""Notifications of Cleverbridge and webhooks of Fusebill, over real HTTP on the virtual clock."""

import asyncio
import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.app import create_app
from tallyhook_mock.clock import Mode
from tallyhook_mock.core.hooks import DeliveryState
from tallyhook_mock.journal import Journal
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cleverbridge.state import State

from .command import Command
from .loopback import Listener, Received, listening

LOCAL = "http://127.0.0.1"
START = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
ITEM = {"productId": 101, "quantity": 1, "unitPrice": "50.00"}
CATALOG: dict[str, Any] = {
    "cleverbridge": {
        "users": [{"name": "api", "password": "secret"}],
        "products": [{"id": 101, "name": "Storage", "price": "50.00"}],
        "subscriptions": [
            {"id": "S1001", "customerId": 7, "customerEmail": "ida@lamp.example", "reminderDays": 7}
            | {"items": [ITEM]}
        ],
    },
    "fusebill": {
        "apiKeys": ["key"],
        "customers": [
            {"id": 11, "name": "Mill", "subscriptions": [{"id": 12, "planCode": "GRIST", "amount": "30.00"}]}
        ],
    },
}


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start=START.isoformat()) as running:
        yield running


class Operator:
    """The control calls, by real HTTP."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def listen(self, url: str, system: str, **more: object) -> dict[str, Any]:
        return self.post("/listeners", {"url": url, "system": system, **more}, 201)

    def post(self, path: str, body: object = None, status: int = 202) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def delete(self, path: str) -> None:
        assert self._http.delete(path).status_code == 204

    def refuse(self, body: object) -> str:
        answer = self._http.post("/listeners", json=body)
        assert answer.status_code == 400
        return answer.text

    def hooks(self, **wanted: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get("/hooks", params=wanted).json()["hooks"]
        return found

    def timeline(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get(path).json()["timeline"]
        return found


@pytest.fixture
def operator(server: Server) -> Iterator[Operator]:
    with httpx.Client(base_url=f"{server.url}/_mock", trust_env=False, timeout=60) as http:
        yield Operator(http)


def types(listener: Listener, name: Callable[[dict[str, Any]], str]) -> list[str]:
    return [name(json.loads(each.body)) for each in listener.received]


def meta_type(body: dict[str, Any]) -> str:
    return str(body["meta"]["type"])


def test_a_reminder_names_the_purchase_that_the_renewal_pays(server: Server, operator: Operator) -> None:
    with listening() as listener:
        operator.listen(listener.url, "cleverbridge")
        server.advance("1mo")
        assert types(listener, meta_type) == [
            "SubscriptionReminderChargeNotification",
            "PaidOrderNotification",
        ]
        reminder, paid = (json.loads(each.body) for each in listener.received)
    assert reminder["meta"]["date"] == "2026-03-25T00:00:00Z"
    assert (reminder["status"], reminder["statusId"]) == ("Hold", "HLD")
    assert reminder["purchaseId"] == paid["purchaseId"]
    assert paid["meta"] == {
        "type": "PaidOrderNotification",
        "date": "2026-04-01T00:00:00Z",
        "schemaUrl": "",
    }
    assert (paid["subscriptionId"], paid["customerId"]) == (1001, 7)
    assert (paid["customerGrossPrice"], paid["paymentInfo"]["currencyId"]) == (50, "EUR")
    found = httpx.get(
        f"{server.url}/subscription/getsubscriptionsbypurchase",
        params={"purchaseId": paid["purchaseId"]},
        headers={"Accept": "application/json"},
        auth=("api", "secret"),
        trust_env=False,
    ).json()
    assert [each["Id"] for each in found["Subscriptions"]] == [1001]


@pytest.mark.parametrize(
    ("call", "fields", "sent"),
    [
        ("updatenextbillingdate", {"NextBillingDate": "2026-03-30T00:00:00Z"}, "reminder, paid"),
        ("updatenextbillingdate", {"NextBillingDate": "2026-04-20T00:00:00Z"}, "reminder, reminder, paid"),
        ("renewsubscription", {}, "reminder, paid"),
        ("updatesubscriptionitem", {"ResetBillingInterval": True}, "reminder, paid"),
    ],
)
def test_the_purchase_of_a_reminder_is_paid_whatever_moves_its_date(
    server: Server, operator: Operator, call: str, fields: dict[str, Any], sent: str
) -> None:
    if call == "updatesubscriptionitem":
        item = {"RunningNumber": 1, "ProductId": 101, "Quantity": 2}
        fields = {**item, "AlignmentSettings": {"AlignToCurrentInterval": True}, **fields}
    with listening() as listener:
        operator.listen(listener.url, "cleverbridge")
        server.advance_to("2026-03-26T00:00:00Z")
        answer = httpx.post(
            f"{server.url}/subscription/{call}",
            json={"SubscriptionId": "S1001", **fields},
            auth=("api", "secret"),
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        server.advance_to("2026-04-21T00:00:00Z")
        bodies = [json.loads(each.body) for each in listener.received]
    names = {"SubscriptionReminderChargeNotification": "reminder", "PaidOrderNotification": "paid"}
    told = [names[meta_type(body)] for body in bodies]
    count = len(sent.split(", "))
    assert ", ".join(told[:count]) == sent
    assert len({body["purchaseId"] for body in bodies[:count]}) == 1
    assert bodies[0]["purchaseId"] not in [body["purchaseId"] for body in bodies[count:]]


def test_the_purchase_of_a_renewal_that_did_not_come_is_not_paid(server: Server, operator: Operator) -> None:
    with listening() as listener:
        operator.listen(listener.url, "cleverbridge")
        server.advance_to("2026-03-26T00:00:00Z")
        operator.post("/cleverbridge/subscriptions/S1001/deactivate", status=200)
        server.advance_to("2026-04-28T00:00:00Z")  # after the reminder date of the next interval
        answer = httpx.post(
            f"{server.url}/subscription/reinstatesubscriptionitems",
            json={"SubscriptionId": "S1001", "Items": [1]},
            auth=("api", "secret"),
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        server.advance_to("2026-05-02T00:00:00Z")
        reminder, _, paid = (json.loads(each.body) for each in listener.received)
    assert (meta_type(reminder), meta_type(paid)) == (
        "SubscriptionReminderChargeNotification",
        "PaidOrderNotification",
    )
    assert reminder["purchaseId"] != paid["purchaseId"]


def test_a_notification_is_not_signed(server: Server, operator: Operator) -> None:
    with listening() as listener:
        made = operator.listen(listener.url, "cleverbridge", events=["PaidOrderNotification"])
        assert "key" not in made
        server.advance("1mo")
        (hook,) = listener.received
    sent = {name for name in hook.headers if name not in ("host", "accept", "accept-encoding", "connection")}
    assert sent == {"content-type", "content-length", "user-agent"}


def test_a_purchase_that_is_created_by_a_reminder_is_found_before_it_is_paid(
    server: Server, operator: Operator
) -> None:
    with listening() as listener:
        operator.listen(listener.url, "cleverbridge")
        server.advance_to("2026-03-26T00:00:00Z")
        (hook,) = listener.received
    purchase = json.loads(hook.body)["purchaseId"]
    state = server.mock.systems.of(State)
    assert state.bought(purchase).id == "S1001"


def test_the_end_of_a_subscription_is_told(server: Server, operator: Operator) -> None:
    with listening() as listener:
        operator.listen(listener.url, "cleverbridge")
        operator.post("/cleverbridge/subscriptions/S1001/deactivate", status=200)
        server.settle()
        (hook,) = listener.received
    body = json.loads(hook.body)
    assert body["meta"]["type"] == "RecurringBillingCanceledNotification"
    assert (body["subscriptionId"], body["nextBillingDate"]) == (1001, None)
    assert body["items"][0]["runningNumber"] == 1
    assert body["items"][0]["status"] == "AwaitingReinstate"


@pytest.mark.parametrize(
    ("price", "percent", "told"), [("9.99", "10", 8.99), ("0.05", "50", 0.03), ("3", "33.3", 2)]
)
def test_the_prices_of_a_notification_are_in_cents(price: str, percent: str, told: float) -> None:
    section = {
        **CATALOG["cleverbridge"],
        "coupons": [{"code": "LESS", "percent": percent}],
        "subscriptions": [{"id": "S1001", "items": [{**ITEM, "unitPrice": price, "couponCode": "LESS"}]}],
    }
    with (
        serve({"cleverbridge": section}, start=START.isoformat()) as server,
        httpx.Client(base_url=f"{server.url}/_mock", trust_env=False, timeout=60) as http,
        listening() as listener,
    ):
        operator = Operator(http)
        operator.listen(listener.url, "cleverbridge")
        operator.post("/cleverbridge/subscriptions/S1001/deactivate", status=200)
        server.settle()
        (item,) = json.loads(listener.received[0].body)["items"]
    assert (item["yourRenewalPrice"], item["customerRenewalPrice"]) == (told, told)


def test_a_notification_is_tried_24_times_within_48_hours(server: Server, operator: Operator) -> None:
    with listening(lambda _: 503) as listener:
        operator.listen(listener.url, "cleverbridge", events=["PaidOrderNotification"])
        server.advance("1mo")
        server.advance("20d")
        bodies = [each.body for each in listener.received]
    assert len(bodies) == 24
    assert len(set(bodies)) == 1
    (hook,) = operator.hooks(system="cleverbridge")
    (delivery,) = hook["deliveries"]
    assert delivery["state"] == "failed"
    assert hook["isSettled"]
    at = [datetime.fromisoformat(attempt["at"]) for attempt in delivery["attempts"]]
    assert [each - at[0] for each in at] == [timedelta(hours=2 * number) for number in range(24)]
    kinds = [each["kind"] for each in operator.timeline("/cleverbridge/subscriptions/S1001/timeline")]
    assert kinds.count("hookNotDelivered") == 24


def test_the_key_goes_along_in_base64(server: Server, operator: Operator) -> None:
    with listening() as one, listening() as other:
        given = operator.listen(one.url, "fusebill", header="X-Own-Key", key="wick and oil")
        made = operator.listen(other.url, "fusebill", events=["InvoicePosted"])
        server.advance("1mo")
        (own,), (ours,) = one.received, other.received
    assert (given["header"], given["key"]) == ("X-Own-Key", "wick and oil")
    assert base64.b64decode(own.headers["x-own-key"]) == b"wick and oil"
    assert base64.b64decode(ours.headers["x-webhook-key"]).decode() == made["key"]
    body = json.loads(ours.body)
    assert (body["eventType"], body["customerId"]) == ("InvoicePosted", 11)
    assert body["invoice"]["id"] == body["invoiceId"]


def test_a_webhook_is_tried_1_2_and_3_minutes_after_the_first_failure(
    server: Server, operator: Operator
) -> None:
    with listening(lambda _: 500) as listener:
        operator.listen(listener.url, "fusebill")
        server.advance("1mo")
        server.advance("1d")
        assert len(listener.received) == 4
        (hook,) = operator.hooks(state="failed")
        at = [datetime.fromisoformat(each["at"]) for each in hook["deliveries"][0]["attempts"]]
        assert [each - at[0] for each in at] == [timedelta(minutes=number) for number in range(4)]
        # By hand it goes on: retried where it failed, replayed where it was taken.
        listener.answer = lambda _: 204
        operator.post(f"/hooks/{hook['id']}/retry")
        server.settle()
        assert operator.hooks()[0]["deliveries"][0]["state"] == "delivered"
        operator.post(f"/hooks/{hook['id']}/replay")
        server.settle()
        assert len({each.body for each in listener.received}) == 1
        assert len(listener.received) == 6


def test_a_webhook_waits_two_seconds_for_its_answer(server: Server, operator: Operator) -> None:
    over = threading.Event()

    def slow(_: Received) -> int:
        over.wait(60)
        return 200

    with listening(slow) as listener:
        operator.listen(listener.url, "fusebill")
        server.advance("1mo")
        over.set()
        server.advance("1mo")
    first = operator.hooks()[0]["deliveries"][0]
    assert first["attempts"][0]["status"] is None
    assert first["attempts"][0]["answer"] == "no answer within 2 s"
    assert first["state"] == "delivered"


def test_a_draft_that_waits_is_told_and_still_there(server: Server, operator: Operator) -> None:
    """The hold of Fusebill: who is told of a draft can change it before it is posted."""
    headers = {"Authorization": "Basic key"}
    with (
        httpx.Client(base_url=f"{server.url}/v1", headers=headers, trust_env=False, timeout=60) as fusebill,
        listening() as listener,
    ):
        fusebill.put("/customers", json={"id": 11, "autoPost": False}).raise_for_status()
        operator.listen(listener.url, "fusebill")
        server.advance("1mo")
        told = json.loads(listener.received[-1].body)
        assert told["eventType"] == "DraftInvoiceReady"
        charge = told["draftInvoice"]["draftCharges"][0]
        edit = {"id": charge["id"], "operation": "Update", "unitPrice": 31}
        draft = {"id": told["draftInvoiceId"], "draftCharges": [edit]}
        fusebill.request("PATCH", "/draftInvoices", json=draft).raise_for_status()
        fusebill.post("/invoices", params={"draftInvoiceId": told["draftInvoiceId"]}).raise_for_status()
        server.settle()
        later = [json.loads(each.body) for each in listener.received[1:]]
    assert [each["eventType"] for each in later] == ["DraftInvoiceChanged", "InvoicePosted"]
    assert later[-1]["invoice"]["draftInvoiceId"] == told["draftInvoiceId"]


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"system": "chargemonk"}, "chargemonk"),
        ({"system": "cleverbridge", "key": "k"}, "not signed"),
        ({"system": "cleverbridge", "events": ["InvoicePosted"]}, "PaidOrderNotification"),
        ({"system": "fusebill", "events": ["subscriptionBillable"]}, "DraftInvoiceReady"),
        ({"system": "fusebill", "header": "two words"}, "header"),
        ({"system": "fusebill", "product": "LANTERN"}, "product"),
        ({"system": "fusebill", "url": "http://192.0.2.1/"}, "this machine"),
        ({"key": "k"}, "secret"),
    ],
)
def test_a_listener_that_can_not_be_had(operator: Operator, wish: dict[str, Any], why: str) -> None:
    """Chargemonk among them: no hooks of it are known, so none are invented."""
    assert why in operator.refuse({"url": "http://127.0.0.1:9/", **wish})


def test_listeners_stand_in_the_catalogue() -> None:
    with listening() as one, listening() as other:
        catalog = {
            "cleverbridge": {
                **CATALOG["cleverbridge"],
                "listeners": [{"url": one.url, "events": ["PaidOrderNotification"]}],
            },
            "fusebill": {
                **CATALOG["fusebill"],
                "listeners": [{"url": other.url, "header": "Key", "key": "k"}],
            },
        }
        with serve(catalog, start=START.isoformat()) as server:
            server.settle()
            assert not one.received
            assert not other.received  # what a catalogue brings has been there
            dumped = httpx.get(f"{server.url}/_mock/catalog", trust_env=False).json()
            assert dumped["fusebill"]["listeners"] == [
                {"url": other.url, "events": [], "header": "Key", "key": "k"}
            ]
            server.advance("1mo")
        assert len(one.received) == 1
        assert base64.b64decode(other.received[0].headers["key"]) == b"k"


def test_a_forgotten_listener_gets_nothing_more(server: Server, operator: Operator) -> None:
    with listening(lambda _: 500) as listener:
        made = operator.listen(listener.url, "fusebill")
        server.advance("1mo")
        operator.delete(f"/listeners/{made['id']}")
        before = len(listener.received)
        server.advance("1d")
        assert len(listener.received) == before
    (hook,) = operator.hooks()
    assert hook["deliveries"][0]["state"] == DeliveryState.CANCELED


async def test_a_hook_on_its_way_survives_a_snapshot() -> None:
    mock, again = Mock(CATALOG, start=START), Mock(CATALOG, start=START)
    mock.listen("", "http://127.0.0.1:9/", frozenset(), system="fusebill", key="k")
    async with mock.running():
        await mock.advance(START + timedelta(days=31))
    await again.restore(mock.save())
    async with again.running():
        await again.advance(START + timedelta(days=32))
    (hook,) = again.state.hooks.log.values()
    assert len(hook.deliveries[0].attempts) == 4
    assert hook.deliveries[0].state is DeliveryState.FAILED


def test_the_console_shows_them(server: Server, operator: Operator) -> None:
    with listening() as listener:
        operator.listen(listener.url, "fusebill", key="wick")
        operator.listen(listener.url, "cleverbridge")
        server.advance("1mo")
    pages = {}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as browser:
        for path in ("/", "/console/listeners", "/console/hooks", "/console/fusebill/11"):
            pages[path] = browser.get(path).raise_for_status().text
        shown = [
            browser.get(f"/console/hooks/{hook['id']}").raise_for_status().text for hook in operator.hooks()
        ]
    assert '<a href="/console/hooks"' in pages["/"]
    assert "X-Webhook-Key" in pages["/console/listeners"]
    assert "not signed" in pages["/console/listeners"]
    assert '<a href="/console/cleverbridge/S1001">' in pages["/console/hooks"]
    assert "InvoicePosted" in pages["/console/fusebill/11"]
    assert sum("is sent in a header" in each for each in shown) == 1
    assert sum("Read back what it is about" in each for each in shown) == 2


def test_a_listener_is_added_and_looked_at_from_the_command_line(server: Server) -> None:
    command = Command(server.url)
    with listening() as listener:
        added = command.says("listeners", "add", listener.url, "--system", "fusebill", "--header", "X-Key")
        assert "in X-Key" in added
        server.advance("1mo")
        assert "fusebill" in command.says("listeners", "list")
        (hook,) = command.gives("hooks", "list", "--type", "InvoicePosted")
        assert "InvoicePosted of fusebill" in command.says("hooks", "show", hook["id"])
        assert "→ 200 in" in command.says("hooks", "replay", hook["id"])
        server.settle()
        assert len(listener.received) == 2


async def test_a_world_that_was_cut_has_sent_the_same_hooks(tmp_path: Path) -> None:
    """What a call found due is noted, though the call itself only looks."""
    journal = Journal(tmp_path / "world")
    mock = Mock(CATALOG, start=START, journal=journal)
    app = create_app(mock)
    async with mock.running(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOCAL) as api:
        for system in ("cleverbridge", "fusebill"):
            wish = {"url": "http://127.0.0.1:9/", "system": system}
            (await api.post("/_mock/listeners", json=wish)).raise_for_status()
        await mock.advance(START + timedelta(days=20))
        mock.clock.set(START + timedelta(days=32), None)  # as if it had run by itself
        headers = {"Accept": "application/json", "Authorization": "Basic key"}
        (await api.get("/v1/subscriptions/12", headers=headers)).raise_for_status()
        await mock.advance(START + timedelta(days=33))
        await journal.durable()
        found = hooks_of(mock)
        shutil.copytree(tmp_path, tmp_path / "cut", ignore=shutil.ignore_patterns("cut"))
    assert len(found) == 3
    again = Mock(CATALOG, start=START, journal=Journal(tmp_path / "cut" / "world"))
    create_app(again)
    async with again.running():
        assert hooks_of(again) == found


def hooks_of(mock: Mock) -> list[tuple[int, str, bytes, list[tuple[datetime, int | None]]]]:
    return [
        (hook.id, hook.type, hook.body, [(each.at, each.status) for each in hook.deliveries[0].attempts])
        for hook in mock.state.hooks.log.values()
    ]


async def test_a_running_clock_renews_at_the_moment_that_was_due() -> None:
    """Real time is always a little past what is due; a machine that slept is far past it."""
    mock = Mock(CATALOG, start=START)
    mock.listen("", "http://127.0.0.1:9/", frozenset(), system="cleverbridge")
    async with mock.running():
        mock.clock.set(START + timedelta(days=62, seconds=1), None)
        mock.switch(Mode.REAL)
        subscription = mock.systems.of(State).subscription("S1001")
        async with asyncio.timeout(60):
            while len(subscription.bills) < 3:
                await asyncio.sleep(0.01)
    assert [bill.at.isoformat() for bill in subscription.bills] == [
        "2026-03-01T00:00:00+00:00",
        "2026-04-01T00:00:00+00:00",
        "2026-05-01T00:00:00+00:00",
    ]
    assert [hook.type for hook in mock.state.hooks.log.values()] == [
        "SubscriptionReminderChargeNotification",
        "PaidOrderNotification",
    ] * 2
