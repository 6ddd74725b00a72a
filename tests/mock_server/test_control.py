"""The control API over real HTTP."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve

from .loopback import SECRET, Api, catalog, listening


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


@pytest.fixture
def control(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/_mock", trust_env=False) as client:
        yield client


def error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])


# -- clock


def test_the_clock_is_read_and_moved(control: httpx.Client) -> None:
    assert control.get("/clock").json() == {"now": "2026-01-01T00:00:00+00:00", "mode": "frozen"}
    for wish, now in [
        ({"advance": "1mo"}, "2026-02-01T00:00:00+00:00"),
        ({"advance": "P1M"}, "2026-03-01T00:00:00+00:00"),
        ({"advance": "36d"}, "2026-04-06T00:00:00+00:00"),
        ({"advance": "90s"}, "2026-04-06T00:01:30+00:00"),
        ({"to": "2026-05-01T02:00:00+02:00"}, "2026-05-01T00:00:00+00:00"),
    ]:
        assert control.post("/clock", json=wish).json() == {"now": now, "mode": "frozen", "events": {}}


def test_the_clock_is_switched(control: httpx.Client) -> None:
    assert control.post("/clock", json={"mode": "real"}).json()["mode"] == "real"
    first = control.get("/clock").json()["now"]
    assert control.get("/clock").json()["now"] > first > "2026-01-01"
    assert control.post("/clock", json={"mode": "frozen"}).json()["mode"] == "frozen"
    assert control.get("/clock").json() == control.get("/clock").json()


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({}, "exactly one of advance, to, mode"),
        ({"advance": "1d", "to": "2027-01-01"}, "exactly one of advance, to, mode"),
        ({"forward": "1d"}, "forward: unknown; known here: advance, to, mode"),
        ({"advance": 5}, "advance: 5 is not a string"),
        ({"advance": "5"}, "'5' is not a duration"),
        ({"advance": "9000y"}, "9999"),
        ({"advance": "6000y"}, "the mock's clock knows the years from 1000 to 7999"),
        ({"to": "9999-12-31T23:59:59Z"}, "the mock's clock knows the years from 1000 to 7999"),
        ({"to": "soon"}, "'soon' is not an ISO 8601 moment"),
        ({"to": "2025-12-31T23:59:59Z"}, "is in the past"),
        ({"mode": "fast"}, "mode: 'fast' is not one of frozen, real"),
        ([], "not a JSON object"),
    ],
)
def test_a_wrong_wish_to_the_clock_is_explained(control: httpx.Client, wish: Any, complaint: str) -> None:
    before = control.get("/clock").json()
    assert complaint in error(control.post("/clock", json=wish), 400)
    assert control.get("/clock").json() == before


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(control: httpx.Client, body: bytes) -> None:
    assert "not JSON" in error(control.post("/clock", content=body), 400)


def test_a_body_without_end_is_refused(control: httpx.Client) -> None:
    assert "longer than" in error(control.put("/catalog", content=b" " * 4_000_001), 413)


# -- catalogue


def test_the_catalogue_is_shown_without_passwords(control: httpx.Client) -> None:
    shown = control.get("/catalog").json()
    assert [user["password"] for user in shown["users"]] == ["********"]
    assert shown["products"][0]["secret"] == SECRET
    assert shown["products"][0]["plans"][0]["recurringChargeAmount"] == "20.00"


def test_another_catalogue_starts_everything_over_but_the_clock(
    server: Server, control: httpx.Client
) -> None:
    Api(server).subscribe("ida")
    control.post("/clock", json={"advance": "1d"})
    other = catalog(code="TORCH")
    assert [product["code"] for product in control.put("/catalog", json=other).json()["products"]] == [
        "TORCH"
    ]
    assert control.get("/clock").json()["now"] == "2026-01-02T00:00:00+00:00"
    Api(server, "TORCH").call("customers/get", 404, code="ida")
    control.post("/reset")
    assert control.get("/catalog").json()["products"][0]["code"] == "TORCH"


def test_a_catalogue_that_is_wrong_changes_nothing(server: Server, control: httpx.Client) -> None:
    Api(server).subscribe("ida")
    for method in ("PUT", "POST"):
        answer = control.request(method, "/catalog", json={"products": [{"code": "X", "secrets": "s"}]})
        complaint = "products[0].secrets: unknown; did you mean 'secret'?"
        assert error(answer, 400) == complaint
    Api(server).call("customers/get", code="ida")


def test_additions_last_until_the_reset(server: Server, control: httpx.Client) -> None:
    Api(server).subscribe("ida")
    addition = {
        "products": [{"code": "LANTERN", "plans": [{"code": "BLAZE", "recurringChargeAmount": 30.5}]}]
    }
    plans = control.post("/catalog", json=addition).json()["products"][0]["plans"]
    assert [(plan["code"], plan["recurringChargeAmount"]) for plan in plans][1:] == [("BLAZE", "30.50")]
    Api(server).subscribe("eve", "BLAZE")
    with listening() as listener:
        brought = [{"code": "bob", "planCode": "BLAZE"}]
        addition = {"code": "LANTERN", "customers": brought, "listeners": [{"url": listener.url}]}
        control.post("/catalog", json={"products": [addition]})
        control.post("/clock", json={"advance": "0s"})
        assert listener.received == []  # no hook tells of a customer that a catalogue brings
    Api(server).call("customers/get", code="bob")
    Api(server).call("customers/get", code="ida")
    control.post("/reset")
    Api(server).call("plans/get", 404, code="BLAZE")


def test_reset_goes_back_to_the_start(server: Server, control: httpx.Client) -> None:
    Api(server).subscribe("ida")
    first = Api(server).call("customers/get", code="ida").find("customer")
    control.post("/clock", json={"advance": "1mo"})
    assert control.post("/reset").json() == {"now": "2026-01-01T00:00:00+00:00", "mode": "frozen"}
    Api(server).call("customers/get", 404, code="ida")
    assert control.get("/hooks").json() == {"hooks": []}
    Api(server).subscribe("ida")
    again = Api(server).call("customers/get", code="ida").find("customer")
    assert first is not None
    assert again is not None
    assert again.get("id") == first.get("id")  # a test that is run again sees the same ids


# -- listeners


def test_listeners_are_made_shown_and_removed(control: httpx.Client) -> None:
    wish = {"url": "http://127.0.0.1:9/hooks", "events": ["transaction", "billReminder"]}
    made = control.post("/listeners", json=wish)
    assert made.status_code == 201
    assert made.json() == {
        **wish,
        "events": sorted(wish["events"]),
        "system": "cheddar",
        "product": "LANTERN",
        "id": made.json()["id"],
        "isPaused": False,
    }
    assert control.get("/listeners").json() == {"listeners": [made.json()]}
    assert control.delete(f"/listeners/{made.json()['id']}").status_code == 204
    assert control.get("/listeners").json() == {"listeners": []}
    assert error(control.delete(f"/listeners/{made.json()['id']}"), 404) == "there is no such listener"


@pytest.mark.parametrize(
    ("wish", "status", "complaint"),
    [
        ({}, 400, "url: a value is required"),
        ({"url": "http://hooks.example/"}, 400, "is not on this machine"),
        ({"url": "http://localhost:0/"}, 400, "'http://localhost:0/' is not a URL: its port is invalid"),
        ({"url": "http://localhost/", "events": ["signup"]}, 400, "signup: not one of newSubscription, "),
        ({"url": "http://localhost/", "events": [["x"]]}, 400, "is not a string"),
        ({"url": "http://localhost/", "product": "NO"}, 404, "product: one of LANTERN is required"),
        ({"url": "http://localhost/", "event": []}, 400, "event: unknown"),
    ],
)
def test_a_wrong_listener_is_explained(control: httpx.Client, wish: Any, status: int, complaint: str) -> None:
    assert complaint in error(control.post("/listeners", json=wish), status)


def test_a_listener_that_is_removed_holds_nothing_up(server: Server, control: httpx.Client) -> None:
    with listening(lambda _: 500) as listener:
        made = control.post(
            "/listeners", json={"url": listener.url, "events": ["subscriptionBillable"]}
        ).json()
        Api(server).subscribe("ida")
        control.post("/clock", json={"advance": "1mo"})
        control.delete(f"/listeners/{made['id']}")
        control.post("/clock", json={"advance": "1h"})
        assert len(listener.received) == 1
    assert Api(server).invoices("ida")[1].findtext("paidTransactionId")


def test_with_several_products_one_must_be_named() -> None:
    content = catalog()
    content["products"].append({"code": "TORCH", "secret": "pitch"})
    with serve(content) as server:
        answer = httpx.post(f"{server.url}/_mock/listeners", json={"url": "http://localhost/"})
        assert error(answer, 400) == "product: one of LANTERN, TORCH is required"
        wish = {"url": "http://localhost/", "product": "TORCH"}
        assert httpx.post(f"{server.url}/_mock/listeners", json=wish).json()["product"] == "TORCH"
        assert error(httpx.get(f"{server.url}/_mock/customers/ida/timeline"), 400).startswith("product:")


# -- hooks


def test_hooks_are_listed_narrowed_and_shown(server: Server, control: httpx.Client) -> None:
    with listening(lambda hook: 500 if hook.customer == "eve" else 200) as listener:
        control.post("/listeners", json={"url": listener.url, "events": ["newSubscription"]})
        Api(server).subscribe("ida")
        Api(server).subscribe("eve")
        control.post("/clock", json={"advance": "0s"})
        hooks = control.get("/hooks").json()["hooks"]
        assert [(hook["customer"], hook["isSettled"]) for hook in hooks] == [("ida", True), ("eve", False)]
        (waiting,) = control.get("/hooks", params={"state": "pending"}).json()["hooks"]
        assert waiting == hooks[1]
        assert control.get("/hooks", params={"customer": "ida"}).json()["hooks"] == hooks[:1]
        assert control.get("/hooks", params={"type": "transaction"}).json() == {"hooks": []}
        assert "state: one of pending" in error(control.get("/hooks", params={"state": "lost"}), 400)
        assert "kind: unknown" in error(control.get("/hooks", params={"kind": "transaction"}), 400)

        shown = control.get(f"/hooks/{waiting['id']}").json()
        sent = next(hook for hook in listener.received if hook.customer == "eve")
        assert shown["body"].encode() == sent.body
        assert shown["json"] == json.loads(sent.body)
        assert shown["headers"]["X-CG-SIGNATURE"] == sent.headers["x-cg-signature"]
        (delivery,) = shown["deliveries"]
        assert (delivery["state"], delivery["nextAt"]) == ("pending", "2026-01-01T00:01:00+00:00")
        (attempt,) = delivery["attempts"]
        assert (attempt["at"], attempt["status"]) == ("2026-01-01T00:00:00+00:00", 500)
    for unknown in (waiting["id"].replace("7a11", "0000"), "nix", "00000000-7a11-11f0-8a5e-0eff7a117a11"):
        assert error(control.get(f"/hooks/{unknown}"), 404) == "there is no such hook"


def test_an_operator_retries_what_failed_and_repeats_what_did_not(
    server: Server, control: httpx.Client
) -> None:
    status = 500
    with listening() as fine, listening(lambda _: status) as failing:
        for listener in (fine, failing):
            control.post("/listeners", json={"url": listener.url, "events": ["newSubscription"]})
        Api(server).subscribe("ida")
        control.post("/clock", json={"advance": "0s"})
        (hook,) = control.get("/hooks").json()["hooks"]
        status = 200
        for action, expected in (("replay", (2, 1)), ("retry", (2, 2)), ("replay", (3, 3))):
            assert control.post(f"/hooks/{hook['id']}/{action}").status_code == 202
            control.post("/clock", json={"advance": "0s"})
            assert (len(fine.received), len(failing.received)) == expected
        complaint = error(control.post(f"/hooks/{hook['id']}/retry"), 409)
        assert complaint == "every listener has acknowledged it; replay it instead"
        assert control.get(f"/hooks/{hook['id']}").json()["isSettled"]


def test_canceling_a_hook_releases_its_invoice(server: Server, control: httpx.Client) -> None:
    with listening(lambda _: 500) as listener:
        control.post("/listeners", json={"url": listener.url, "events": ["subscriptionBillable"]})
        Api(server).subscribe("ida")
        control.post("/clock", json={"advance": "1mo"})
        (hook,) = control.get("/hooks").json()["hooks"]
        canceled = control.post(f"/hooks/{hook['id']}/cancel").json()
        assert [delivery["state"] for delivery in canceled["deliveries"]] == ["canceled"]
        control.post("/clock", json={"advance": "3599s"})
        assert not Api(server).invoices("ida")[1].findtext("paidTransactionId")
        control.post("/clock", json={"advance": "1s"})
        assert Api(server).invoices("ida")[1].findtext("paidTransactionId")
        assert len(listener.received) == 1


# -- customers


def test_the_timeline_tells_the_story(server: Server, control: httpx.Client) -> None:
    with listening() as listener:
        control.post("/listeners", json={"url": listener.url, "events": ["subscriptionBillable"]})
        Api(server).subscribe("ida/lamp & co")
        control.post("/clock", json={"advance": "32d"})
        told = control.get("/customers/ida%2Flamp%20%26%20co/timeline").json()
    assert told["customer"] == "ida/lamp & co"
    kinds = [(entry["at"][:16], entry["kind"]) for entry in told["timeline"]]
    story = [
        ("2026-01-01T00:00", "newSubscription"),
        ("2026-02-01T00:00", "subscriptionBillable"),
        ("2026-02-01T00:00", "hookDelivered"),
        ("2026-02-01T00:00", "released"),
        ("2026-02-01T01:00", "transaction"),
    ]
    remaining = iter(kinds)
    assert all(chapter in remaining for chapter in story), kinds
    last = told["timeline"][-1]
    assert (last["kind"], last["amount"], last["invoice"]) == ("transaction", "20.00", 2)
    assert error(control.get("/customers/nobody/timeline"), 404) == "there is no customer 'nobody'"


def test_declines_are_planned(server: Server, control: httpx.Client) -> None:
    Api(server).subscribe("ida")
    wish = {"customer": "ida", "count": 1}
    assert control.post("/declines", json=wish).json() == wish
    control.post("/clock", json={"advance": "1mo"})
    assert Api(server).invoices("ida")[1].findtext(".//transaction/response") == "declined"
    control.post("/clock", json={"advance": "2d"})
    assert Api(server).invoices("ida")[1].findtext("paidTransactionId")
    assert error(control.post("/declines", json={"customer": "eve"}), 404) == "Customer not found"
    for count in (-1, "one", True, 1.5):
        assert "count:" in error(control.post("/declines", json={"customer": "ida", "count": count}), 400)


# -- who may


def test_unknown_paths_and_methods_are_errors(control: httpx.Client) -> None:
    assert error(control.get("/nix"), 404)
    assert error(control.delete("/clock"), 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "[::1]:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "rebound.example:{port}"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Forwarded-For": "192.0.2.1"}, 403),
    ],
)
def test_pages_of_other_sites_and_other_machines_control_nothing(
    server: Server, headers: dict[str, str], status: int
) -> None:
    port = int(server.url.rpartition(":")[2])
    sent = {name: value.format(port=port) for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", "/_mock/clock", b'{"advance": "1s"}', sent)
        assert connection.getresponse().status == status
    assert (server.now.second == 1) is (status == 200)
