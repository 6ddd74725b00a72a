"""Senders that don't sign: a key in a header, or a notification that the API must confirm."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.cheddar import KEY, FakeCheddar, signed
from tests.receiver.test_asgi import serving as asgi_server
from tests.receiver.test_wsgi import wsgi_server

from tallyhook.cleverbridge import AsyncClient
from tallyhook_mock import Server, serve
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.server import serving
from tallyhook_receiver import (
    Cheddar,
    Cleverbridge,
    Event,
    Fusebill,
    Notification,
    NotYet,
    Receiver,
    SharedKey,
    State,
    Unconfirmed,
    WrongSource,
)

HERE = ["127.0.0.0/8"]
CATALOG = {
    "cleverbridge": {
        "users": [{"name": "ledger", "password": "quill"}],
        "products": [{"id": 101, "name": "Base", "price": "50.00"}],
        "subscriptions": [{"id": "S1", "items": [{"productId": 101, "billingMode": "ADVANCE"}]}],
    }
}


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[Callable[..., Any]]:
    """Serve a receiver, and yield a function that posts JSON to it."""
    async with serving(receiver.asgi) as url, httpx.AsyncClient(timeout=60) as http:

        async def post(content: object, **headers: str) -> httpx.Response:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await http.post(f"{url}/hooks", content=body, headers=named)

        yield post


# A key in a header.


@pytest.mark.parametrize("key", ["abc ", b"abc\n", "\tabc", "a\nb"])
def test_a_key_that_no_header_keeps_is_refused(key: str | bytes) -> None:
    with pytest.raises(ValueError, match="source meter needs another key") as caught:
        SharedKey("meter", ["fine", key])
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize(
    "source", [SharedKey("crm", "h\u00f6lzern"), Fusebill("crm", "h\u00f6lzern", header="X-Api-Key")]
)
def test_a_key_may_contain_letters_beyond_ascii(source: SharedKey, encoding: str) -> None:
    one, other = Receiver(source, inbox=":memory:"), Receiver(source, inbox=":memory:")
    with wsgi_server(one.wsgi) as wsgi, asgi_server(other.asgi) as port:
        for url in (wsgi, f"http://127.0.0.1:{port}"):
            for key, status in (("h\u00f6lzern", 200), ("h\u00f3lzern", 401), ("h?lzern", 401), ("", 401)):
                answer = httpx.post(
                    f"{url}/hooks",
                    content=b'{"type": "paid", "eventType": "paid", "id": 1}',
                    headers=[(b"X-Api-Key", key.encode(encoding))],
                )
                assert answer.status_code == status, (url, key)


# Fusebill: a key in a header.


async def test_the_key_may_be_encoded_or_not() -> None:
    source = Fusebill("fusebill", ["new key", "old key"], header="X-Fusebill-Key")
    receiver = Receiver(source, inbox=":memory:")
    seen: list[Event[Any]] = []
    receiver.on("InvoicePosted")(seen.append)
    bodies = iter([{"eventType": "InvoicePosted", "invoice": {"id": n}} for n in range(9)])
    async with listening(receiver) as post:
        for key, status in (
            (b64encode(b"new key").decode(), 200),
            (b64encode(b"old key").decode(), 200),
            ("new key", 200),
            (b64encode(b"another").decode(), 401),
            ("bmV3IGtleQ", 401),
            ("", 401),
        ):
            assert (await post(next(bodies), x_fusebill_key=key)).status_code == status
        assert (await post(next(bodies))).status_code == 401
        for unreadable in (
            {"event": "InvoicePosted"},
            {"eventType": ""},
            {"eventType": " \n"},
            {"eventType": 7},
        ):
            assert (await post(unreadable, x_fusebill_key="new key")).status_code == 400
        assert (await post({"eventType": "Else"}, x_fusebill_key="new key")).json() == {"hook": "ignored"}
    assert [event.payload["invoice"]["id"] for event in seen] == [0, 1, 2]
    assert "key" not in repr(source)


@pytest.mark.parametrize("key", ["clé", "ключ", "voilà", "鍵 🗝", "успех"])
@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_a_key_may_have_any_letters(key: str, prefix: str) -> None:
    """Servers decode headers as Latin-1, whatever the sender meant. Some letters then look like spaces."""
    receiver = Receiver(SharedKey("own", prefix + key), inbox=":memory:")
    receiver.on("paid")(lambda event: None)
    body = b'{"type": "paid", "id": 1}'
    wrong = "é" + key

    async def over_http() -> None:
        async with serving(receiver.asgi) as url, httpx.AsyncClient() as http:
            for sent, status in ((key, 200), (wrong, 401), ("????", 401)):
                headers = {b"X-Api-Key": (prefix + sent).encode()}
                assert (await http.post(url, content=body, headers=headers)).status_code == status

    asyncio.run(over_http())
    for sent, status in ((key, 200), (key.encode().decode("latin-1"), 200), (wrong, 401)):
        assert receiver.answer("POST", {"x-api-key": prefix + sent}, body).status == status
    receiver.close()


async def test_a_repetition_is_handled_once_by_its_bytes_or_its_id() -> None:
    by_bytes = Fusebill("bytes", "one", header="X-Key")
    by_id = Fusebill("id", "two", header="X-Key", type_field="kind", id_field="messageId")
    receiver = Receiver(by_bytes, by_id, inbox=":memory:")
    seen: list[str] = []
    receiver.on("Paid")(lambda event: seen.append(event.source))
    async with listening(receiver) as post:
        for content in ({"eventType": "Paid", "n": 1}, {"eventType": "Paid", "n": 1}, {"eventType": "Paid"}):
            assert (await post(content, x_key="one")).status_code == 200
        for content in ({"kind": "Paid", "messageId": 7}, {"kind": "Paid", "messageId": 7}):
            assert (await post(content, x_key="two")).status_code == 200
    assert seen == ["bytes", "bytes", "id"]


def test_a_key_is_needed() -> None:
    with pytest.raises(ValueError, match="source fusebill needs a key"):
        Fusebill("fusebill", "", header="X-Key")


# Cleverbridge: the network, and the API's confirmation.


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start="2026-03-17T00:00:00Z") as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncClient]:
    async with AsyncClient("ledger", "quill", base_url=server.url, retries=0) as client:
        yield client


def paid(**fields: object) -> dict[str, object]:
    meta = {"type": "PaidOrderNotification", "date": "2026-03-17T09:00:00Z", "schemaUrl": "https://example"}
    return {"meta": meta, **fields}


async def record_of(receiver: Receiver) -> Any:
    (record,) = await receiver.inbox.list(limit=1)
    return record


async def test_what_the_api_confirms_is_handled_once(client: AsyncClient) -> None:
    receiver = Receiver(Cleverbridge("cleverbridge", client, networks=HERE), inbox=":memory:")
    seen: list[Event[Notification]] = []
    receiver.on("PaidOrderNotification", source="cleverbridge")(seen.append)
    customer = int((await client.get_subscription("S1")).customer_id)
    async with listening(receiver) as post:
        for content in (
            paid(subscriptionId=1, customerId=customer),
            paid(subscriptionId=1, customerId=customer),
            paid(subscriptionId="S1"),
            paid(customerId=customer),
        ):
            assert (await post(content)).status_code == 200
        assert (await post({"meta": {"type": "RefundNotification"}})).json() == {"hook": "ignored"}
    assert [each.payload.subscriptions[0].id for each in seen] == ["1", "1", "1"]
    assert seen[0].payload.subscriptions[0].items[0].product_id == 101
    assert seen[0].payload.body["customerId"] == customer
    assert seen[0].at is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"subscriptionId": 999},
        {"subscriptionId": 1, "customerId": 1},
        {"subscriptionId": ["S1"]},
        {"customerId": 1},
        {"purchaseId": 424242},
        {"purchaseId": True},
        {},
    ],
)
async def test_what_the_api_does_not_know_is_refused(client: AsyncClient, fields: dict[str, object]) -> None:
    receiver = Receiver(Cleverbridge("cleverbridge", client, networks=HERE), inbox=":memory:")
    seen: list[Event[Notification]] = []
    receiver.on("PaidOrderNotification")(seen.append)
    async with listening(receiver) as post:
        answer = await post(paid(**fields))
        assert (answer.status_code, answer.json()) == (401, {"hook": "not confirmed"})
        record = await record_of(receiver)
        assert record.state is State.FAILED
        assert "does not know" in record.note
    assert seen == []


async def test_subscriptions_are_compared_as_the_client_compares_them() -> None:
    subscription = {"Id": " s1 ", "CustomerId": "7"}
    answer = {"ResultMessage": "OK", "Subscription": subscription}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    async with httpx.AsyncClient(transport=transport) as http:
        client = AsyncClient("ledger", "quill", http=http)
        receiver = Receiver(Cleverbridge("cleverbridge", client, networks=HERE), inbox=":memory:")
        receiver.on("PaidOrderNotification")(lambda event: None)
        async with listening(receiver) as post:
            for content in (paid(subscriptionId="S1"), paid(subscriptionId=1, customerId=7)):
                assert (await post(content)).status_code == 200
            assert (await post(paid(subscriptionId="S1", customerId="8"))).status_code == 401


@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.DROP_AFTER])
async def test_while_the_api_gives_no_answer_the_sender_comes_again(
    server: Server, client: AsyncClient, kind: FaultKind
) -> None:
    receiver = Receiver(Cleverbridge("cleverbridge", client, networks=HERE), inbox=":memory:")
    seen: list[Event[Notification]] = []
    receiver.on("PaidOrderNotification")(seen.append)
    server.fault(Fault(kind, times=1))
    async with listening(receiver) as post:
        first = await post(paid(subscriptionId="S1"))
        assert (first.status_code, first.json()) == (503, {"hook": "not yet"})
        assert (await post(paid(subscriptionId="S1"))).status_code == 200
    assert len(seen) == 1


async def test_wrong_credentials_are_a_failure_of_ours(server: Server) -> None:
    async with AsyncClient("ledger", "wrong", base_url=server.url) as client:
        receiver = Receiver(Cleverbridge("cleverbridge", client, networks=HERE), inbox=":memory:")
        receiver.on("PaidOrderNotification")(lambda event: None)
        async with listening(receiver) as post:
            assert (await post(paid(subscriptionId="S1"))).status_code == 500


async def test_strangers_are_refused_wherever_they_say_they_are(client: AsyncClient) -> None:
    source = Cleverbridge("cleverbridge", client, networks=["198.51.100.0/24"])
    direct = Receiver(source, inbox=":memory:")
    proxied = Receiver(source, inbox=":memory:", trusted_proxies=HERE)
    for receiver, forwarded, status in (
        (direct, "", 401),
        (direct, "198.51.100.7", 401),
        (proxied, "198.51.100.7", 200),
        (proxied, "203.0.113.9", 401),
        (proxied, "198.51.100.7, 203.0.113.9", 401),
    ):
        receiver.on(f"Paid {forwarded}")(lambda event: None)
        body = {"meta": {"type": f"Paid {forwarded}"}, "subscriptionId": "S1"}
        async with listening(receiver) as post:
            assert (await post(body, x_forwarded_for=forwarded)).status_code == status, forwarded


async def test_what_another_source_has_signed_is_no_notification(client: AsyncClient) -> None:
    receiver = Receiver(
        Cleverbridge("cleverbridge", client, networks=HERE), Cheddar("ACME", KEY), inbox=":memory:"
    )
    seen: list[object] = []
    receiver.on("subscriptionChanged", source="ACME")(seen.append)
    hook = FakeCheddar().hook(activityType="subscriptionChanged")
    async with listening(receiver) as post:
        assert (await post(hook, **signed(hook))).status_code == 200
        # Unsigned, it is from an allowed network, but it isn't a notification.
        assert (await post(hook)).status_code == 400
        assert (await post(b"<notification/>")).status_code == 400
    assert len(seen) == 1


async def test_a_closed_client_is_told_at_the_start_and_by_the_health_check(client: AsyncClient) -> None:
    receiver = Receiver(Cleverbridge("cleverbridge", client, networks=HERE), inbox=":memory:")
    async with serving(receiver.asgi) as url, httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(f"{url}/healthz")).status_code == 200
    await client.aclose()
    with pytest.raises(ValueError, match="the client of cleverbridge is closed"):
        await receiver.open()


@pytest.mark.parametrize("networks", [[], ["cleverbridge"], "127.0.0.1/32"])
def test_networks_are_checked_at_once(networks: Any) -> None:
    with pytest.raises(ValueError, match="network"):
        Cleverbridge("cleverbridge", AsyncClient("ledger", "quill"), networks=networks)


# Both systems, sent by the mock.


async def test_what_the_mock_sends_is_taken_and_confirmed() -> None:
    customer = {"id": 11, "name": "Mill"}
    plan = {"id": 12, "planCode": "GRIST", "amount": "30.00"}
    fusebill = {"apiKeys": ["key"], "customers": [{**customer, "subscriptions": [plan]}]}
    with serve({**CATALOG, "fusebill": fusebill}, start="2026-03-17T00:00:00Z") as server:
        async with AsyncClient("ledger", "quill", base_url=server.url) as client:
            receiver = Receiver(
                Fusebill("fusebill", "wick and oil", header="X-Own-Key"),
                Cleverbridge("cleverbridge", client, networks=HERE),
                inbox=":memory:",
            )
            paid: list[Event[Notification]] = []
            posted: list[Event[Any]] = []
            receiver.on("PaidOrderNotification")(paid.append)
            receiver.on("InvoicePosted")(posted.append)
            async with (
                serving(receiver.asgi) as url,
                httpx.AsyncClient(base_url=f"{server.url}/_mock", timeout=60) as mock,
            ):
                for listener in (
                    {"url": url, "system": "cleverbridge"},
                    {"url": url, "system": "fusebill", "header": "X-Own-Key", "key": "wick and oil"},
                ):
                    assert (await mock.post("/listeners", json=listener)).status_code == 201
                await asyncio.to_thread(server.advance, "1mo")
                records = await receiver.inbox.list()
    assert [each.payload.subscriptions[0].id for each in paid] == ["1"]
    assert [each.source for each in posted] == ["fusebill"]
    assert {record.state for record in records} <= {State.DONE, State.IGNORED}


# A custom source.


class Neighbour:
    """An unsigned source. It confirms only events that say please."""

    name = "neighbour"
    networks = ("127.0.0.1",)

    def verify(self, headers: Any, body: bytes) -> bool:
        return True

    def read(self, headers: Any, body: bytes) -> Event[str]:
        return Event(key=body.decode(), type="greeting", payload=body.decode())

    async def confirm(self, event: Event[Any]) -> Event[object]:
        match event.payload:
            case "later":
                raise NotYet(5)
            case "please":
                return event
            case _:
                raise Unconfirmed("no manners")


async def test_an_unsigned_source_of_ones_own() -> None:
    receiver = Receiver(Neighbour(), inbox=":memory:")
    seen: list[str] = []
    receiver.on("greeting")(lambda event: seen.append(event.payload))
    async with listening(receiver) as post:
        for body, status in ((b"please", 200), (b"now", 401), (b"later", 503)):
            assert (await post(body)).status_code == status
    assert seen == ["please"]


class Tenant:
    """A source that shares its key with others, and reads only bodies that name it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def verify(self, headers: Any, body: bytes) -> bool:
        return True

    def read(self, headers: Any, body: bytes) -> Event[str]:
        if body.decode() != self.name:
            raise WrongSource(f"the body isn't for {self.name}")
        return Event(key=self.name, type="greeting", payload=self.name)


async def test_a_body_of_another_source_with_the_same_key() -> None:
    receiver = Receiver(Tenant("one"), Tenant("two"), inbox=":memory:")
    seen: list[Event[str]] = []
    receiver.on("greeting")(seen.append)
    async with listening(receiver) as post:
        for body, status in ((b"two", 200), (b"one", 200), (b"three", 401)):
            assert (await post(body)).status_code == status
    assert [event.source for event in seen] == ["two", "one"]
