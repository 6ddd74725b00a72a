"""Hooks over real HTTP: signed, retried, in order, and the hold that hangs on their acknowledgement."""

import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.core.hooks import RETRY_PAUSES
from tallyhook_mock.sender import Sender, why

from .loopback import SECRET, Api, Received, catalog, listening

BILLABLE = ("subscriptionBillable",)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog(), sender=Sender(timeout=60)) as running:
        yield running


def test_a_hook_goes_out_by_itself_signed_by_the_documented_rule(server: Server) -> None:
    with listening() as listener:
        server.listen(listener.url)
        Api(server).subscribe("ida")
        server.settle()
        hook = next(hook for hook in listener.received if hook.type == "newSubscription")
    token = hashlib.md5(hook.body).hexdigest()
    assert hook.headers["x-cg-token"] == token
    assert (
        hook.headers["x-cg-signature"]
        == hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    )
    assert hook.headers["content-type"] == "application/json"
    assert hook.customer == "ida"


def test_nobody_has_to_ask_for_a_hook(server: Server) -> None:
    came = threading.Event()

    def answer(_: Received) -> int:
        came.set()
        return 200

    with listening(answer) as listener:
        server.listen(listener.url, ("newSubscription",))
        Api(server).subscribe("ida")
        assert came.wait(60)


def test_a_listener_gets_the_hooks_it_asked_for(server: Server) -> None:
    with listening() as one, listening() as all_of_them:
        server.listen(one.url, ("subscriptionCanceled",))
        server.listen(all_of_them.url)
        Api(server).subscribe("ida")
        Api(server).call("customers/cancel", code="ida")
        server.settle()
    assert [hook.type for hook in one.received] == ["subscriptionCanceled"]
    assert {"newSubscription", "subscriptionCanceled"} <= {hook.type for hook in all_of_them.received}


def test_without_a_listener_the_invoice_is_executed_at_once(server: Server) -> None:
    Api(server).subscribe("ida")
    server.advance("1mo")
    assert Api(server).invoices("ida")[1].findtext("paidTransactionId")


def test_an_invoice_is_held_however_far_the_clock_runs_while_the_listener_fails(server: Server) -> None:
    with listening(lambda _: 500) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.advance("25d")
        assert len(listener.received) > len(RETRY_PAUSES)
        assert len({hook.body for hook in listener.received}) == 1  # a retry carries the same body
        assert not Api(server).invoices("ida")[1].findtext("paidTransactionId")


def test_it_runs_one_hour_after_the_first_success_and_not_before(server: Server) -> None:
    status = 500
    with listening(lambda _: status) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.advance("59s")
        status = 204
        server.advance("1s")
        assert len(listener.received) == 2
        server.advance("3599s")
        assert not Api(server).invoices("ida")[1].findtext("paidTransactionId")
        server.advance("1s")
        invoice = Api(server).invoices("ida")[1]
        assert invoice.findtext("paidTransactionId")
        assert invoice.findtext(".//transaction/transactedDatetime") == "2026-02-01T01:01:00+00:00"


def test_with_two_listeners_the_hour_begins_at_the_later_success(server: Server) -> None:
    slow = 500
    with listening() as quick_one, listening(lambda _: slow) as slow_one:
        server.listen(quick_one.url, BILLABLE)
        server.listen(slow_one.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("1mo")
        slow = 200
        server.advance("1h")
        assert (len(quick_one.received), len(slow_one.received)) == (1, 2)
        assert not Api(server).invoices("ida")[1].findtext("paidTransactionId")
        server.advance("1min")
        assert Api(server).invoices("ida")[1].findtext("paidTransactionId")


def test_retries_keep_the_schedule_on_the_virtual_clock(server: Server) -> None:
    with listening(lambda _: 503) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("40d")
    (hook,) = server.hooks("subscriptionBillable")
    (delivery,) = hook.deliveries
    moments = [attempt.at for attempt in delivery.attempts]
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert moments[0] == datetime.fromisoformat("2026-02-01T00:00:00Z")
    assert tuple(pauses[: len(RETRY_PAUSES)]) == RETRY_PAUSES
    assert set(pauses[len(RETRY_PAUSES) :]) == {RETRY_PAUSES[-1]}


def test_the_clock_stands_still_while_a_listener_works(server: Server) -> None:
    seen = []

    def audit(hook: Received) -> int:
        before = server.now
        Api(server).call(
            "customers/set-item-quantity",
            code="ida",
            itemCode="OIL",
            quantity="15",
            invoicePeriod="outstanding",
        )
        time.sleep(0.05)
        seen.append((before, server.now))
        return 200

    with listening(audit) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("45d")
    moment = datetime.fromisoformat("2026-02-01T00:00:00Z")
    assert seen == [(moment, moment)]
    assert Api(server).invoices("ida")[1].findtext(".//transaction/amount") == "52.50"


def test_a_listener_that_runs_the_invoice_itself_is_not_charged_twice(server: Server) -> None:
    def run(_: Received) -> int:
        Api(server).call("customers/run-outstanding", code="ida")
        return 200

    with listening(run) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("31d")
        assert Api(server).invoices("ida")[1].findtext("paidTransactionId")
        server.advance("2h")
    (transaction,) = Api(server).invoices("ida")[1].findall(".//transaction")
    assert transaction.findtext("amount") == "20.00"


def test_hooks_of_one_customer_follow_each_other_and_others_do_not_wait(server: Server) -> None:
    both = threading.Barrier(2, timeout=60)
    order = []

    def answer(hook: Received) -> int:
        if hook.type == "newSubscription":
            both.wait()  # passes only if two customers are served side by side
        order.append((hook.customer, hook.type))
        return 200

    with listening(answer) as listener:
        server.listen(listener.url, ("newSubscription", "subscriptionCanceled"))
        api = Api(server)
        api.subscribe("ida")
        api.call("customers/cancel", code="ida")
        api.subscribe("eve")
        server.settle()
    assert [kind for customer, kind in order if customer == "ida"] == [
        "newSubscription",
        "subscriptionCanceled",
    ]
    assert len(order) == 3


def test_no_more_than_eight_listeners_are_waited_for_at_a_time(server: Server) -> None:
    guard, busy, most = threading.Lock(), 0, 0
    eight = threading.Barrier(8, timeout=60)

    def answer(_: Received) -> int:
        nonlocal busy, most
        with guard:
            busy += 1
            most = max(most, busy)
        eight.wait()  # passes only if eight are served side by side
        with guard:
            busy -= 1
        return 200

    with listening(answer) as listener:
        server.listen(listener.url, ("subscriptionBillable",))
        for number in range(16):
            Api(server).subscribe(f"customer {number}")
        server.advance("1mo")
        assert len(listener.received) == 16
    assert most == 8


def test_no_answer_is_no_acknowledgement() -> None:
    release = threading.Event()

    def answer(_: Received) -> int:
        release.wait(60)
        return 200

    with serve(catalog(), sender=Sender(timeout=0.2)) as server, listening(answer) as listener:
        server.listen(listener.url, ("newSubscription",))
        Api(server).subscribe("ida")
        server.settle()
        release.set()
        (attempt,) = server.hooks()[0].deliveries[0].attempts
    assert attempt.status is None
    assert attempt.answer == "no answer within 0.2 s"
    assert 0.2 <= attempt.seconds < 60


def test_what_a_listener_does_wrong_is_written_down(server: Server) -> None:
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        with listening(lambda _: 500) as failing, listening(lambda _: 302) as elsewhere:
            for url in (f"http://127.0.0.1:{nobody.getsockname()[1]}/", failing.url, elsewhere.url):
                server.listen(url, ("newSubscription",))
            Api(server).subscribe("ida")
            server.settle()
    gone, failed, redirected = (delivery.attempts[0] for delivery in server.hooks()[0].deliveries)
    assert (gone.status, failed.status, redirected.status) == (None, 500, 302)
    assert gone.answer
    assert failed.answer == "x" * 2048
    assert len(elsewhere.received) == 1  # the redirect was not followed


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://localhost/hooks", "localhost:80"),
        ("https://localhost/hooks", "localhost:443"),
        ("http://localhost:8000/hooks", "localhost:8000"),
        ("http://localhost:0/hooks", "localhost:0"),
    ],
)
def test_a_refused_connection_is_told_with_its_port(url: str, place: str) -> None:
    assert why(ConnectionRefusedError(), url) == f"connection refused by {place}"


def test_hooks_do_not_leave_the_machine_unless_allowed() -> None:
    with serve(catalog()) as server, pytest.raises(ValueError, match="is not on this machine"):
        server.listen("http://192.0.2.1/hooks")
    with serve(catalog(), sender=Sender(allow_remote=True)) as server:
        server.listen("http://192.0.2.1/hooks")


@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        ("http://localhost:1/", True),
        ("http://LOCALHOST./", True),
        ("https://127.8.9.1/", True),
        ("http://[::1]:80/", True),
        ("http://127.0.0.1.example.com/", False),
        ("http://localhost.example.com/", False),
        ("http://0.0.0.0/", False),
        ("http://127.0.0.1@example.com/", False),
        ("http://2130706433/", False),
        ("ftp://127.0.0.1/", False),
        ("http:///hooks", False),
        ("http://127.0.0.1:99999/", False),
        ("http://127.0.0.1:-1/", False),
    ],
)
def test_what_counts_as_this_machine(url: str, is_fine: bool) -> None:
    if is_fine:
        Sender().check(url)
    else:
        with pytest.raises(ValueError, match="is not"):
            Sender().check(url)


def test_moving_the_clock_is_for_one_at_a_time(server: Server) -> None:
    entered, release = threading.Event(), threading.Event()

    def answer(_: Received) -> int:
        entered.set()
        release.wait(60)
        return 200

    with listening(answer) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        first = threading.Thread(target=server.advance, args=("1mo",))
        first.start()
        assert entered.wait(60)
        for action in ({"advance": "1d"}, {"mode": "real"}):
            answered = httpx.post(f"{server.url}/_mock/clock", json=action)
            assert answered.status_code == 409
            assert "moving the clock" in answered.json()["error"]
        assert httpx.post(f"{server.url}/_mock/reset").status_code == 409
        release.set()
        first.join(5)
        assert not first.is_alive()
    assert server.now == datetime.fromisoformat("2026-02-01T00:00:00Z")


def test_an_advance_says_what_happened(server: Server) -> None:
    with listening() as listener:
        server.listen(listener.url, BILLABLE)
        for code in ("ida", "eve"):
            Api(server).subscribe(code)
        happened = server.advance("32d")
    assert happened["subscriptionBillable"] == 2
    assert happened["hookDelivered"] == 2
    assert happened["released"] == 2
    assert happened["transaction"] == 2


def test_a_long_advance_lets_others_have_their_turn() -> None:
    plans = [{"code": "GLOW", "billingFrequency": "daily", "recurringChargeAmount": "0.01"}]
    with serve(catalog(plans=plans)) as server:
        for number in range(10):
            Api(server).subscribe(f"customer {number}")
        advancing = threading.Thread(target=server.advance, args=("2y",))
        advancing.start()
        moments = set()
        while advancing.is_alive():
            moments.add(server.now)
        advancing.join()
        assert len(moments) > 2
        assert len(Api(server).invoices("customer 3")) == 732


def test_with_a_running_clock_retries_come_by_themselves() -> None:
    again = threading.Event()

    def answer(_: Received) -> int:
        if len(listener.received) > 2:  # the second answer has been written down
            again.set()
        return 500

    with serve(catalog()) as server, listening(answer) as listener:
        server.mock.state.hooks.pauses = (timedelta(seconds=0.2),)
        server.listen(listener.url, ("newSubscription",))
        assert httpx.post(f"{server.url}/_mock/clock", json={"mode": "real"}).json()["mode"] == "real"
        Api(server).subscribe("ida")
        assert again.wait(60)
        (delivery,) = server.hooks()[0].deliveries
        assert delivery.attempts[1].at - delivery.attempts[0].at >= timedelta(seconds=0.2)


def test_with_a_running_clock_bills_come_by_themselves() -> None:
    plans = [{"code": "GLOW", "billingFrequency": "daily", "recurringChargeAmount": "1.00"}]
    billed = threading.Event()

    def answer(_: Received) -> int:
        billed.set()
        return 200

    with serve(catalog(plans=plans)) as server, listening(answer) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("86399s")
        httpx.post(f"{server.url}/_mock/clock", json={"mode": "real"})
        assert billed.wait(60)
        server.advance("1h")  # a running clock can be moved as well
        server.settle()
        assert Api(server).invoices("ida")[1].findtext("paidTransactionId")
