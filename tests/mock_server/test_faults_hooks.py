"""Faults on hooks, with real listeners: what they get, and what the sender makes of it."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tallyhook_mock import Fault, FaultKind, Server, serve
from tallyhook_mock.core.hooks import Delivery

from .loopback import Api, Received, catalog, listening

BILLABLE = ("subscriptionBillable",)
BILLED = datetime.fromisoformat("2026-02-01T00:00:00Z")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


def delivery(server: Server, type: str = "subscriptionBillable") -> Delivery:
    (found,) = server.hooks(type)[0].deliveries
    return found


def paid_at(server: Server) -> str | None:
    return Api(server).invoices("ida")[1].findtext(".//transaction/transactedDatetime")


def test_a_duplicate_is_delivered_twice_side_by_side(server: Server) -> None:
    both = threading.Barrier(2, timeout=60)

    def answer(_: Received) -> int:
        both.wait()  # passes only if two are there at the same time
        return 200

    with listening(answer) as listener:
        server.listen(listener.url, BILLABLE)
        armed = server.fault(Fault(FaultKind.DUPLICATE))
        Api(server).subscribe("ida")
        happened = server.advance("1mo")
        one, other = listener.received
    assert (one.body, one.headers["x-cg-signature"]) == (other.body, other.headers["x-cg-signature"])
    assert [(a.at, a.status, a.fault) for a in delivery(server).attempts] == [(BILLED, 200, "duplicate")] * 2
    assert armed.struck == 1
    assert (happened["hookDelivered"], happened["fault"], happened["released"]) == (2, 1, 1)


@pytest.mark.parametrize("first", [200, 500])
def test_one_acknowledged_copy_is_enough(server: Server, first: int) -> None:
    both, answers = threading.Barrier(2, timeout=60), [700 - first, first]

    def answer(_: Received) -> int:
        both.wait()
        return answers.pop()

    with listening(answer) as listener:
        server.listen(listener.url, BILLABLE)
        server.fault(Fault(FaultKind.DUPLICATE))
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.advance("2h")
        assert len(listener.received) == 2
    assert sorted(attempt.status or 0 for attempt in delivery(server).attempts) == [200, 500]
    assert delivery(server).state == "delivered"
    assert paid_at(server) == "2026-02-01T01:00:00+00:00"


def test_a_duplicate_that_nobody_acknowledges_comes_again(server: Server) -> None:
    with listening(lambda _: 500 if len(listener.received) <= 2 else 200) as listener:
        server.listen(listener.url, BILLABLE)
        server.fault(Fault(FaultKind.DUPLICATE))
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.advance("1d")
    attempts = delivery(server).attempts
    assert [(attempt.status, attempt.fault) for attempt in attempts] == [
        (500, "duplicate"),
        (500, "duplicate"),
        (200, ""),
    ]


def test_a_later_hook_overtakes(server: Server) -> None:
    with listening() as listener:
        server.listen(listener.url, ("newSubscription", "subscriptionCanceled"))
        server.fault(Fault(FaultKind.REORDER, type="newSubscription"))
        api = Api(server)
        api.subscribe("ida")
        server.settle()
        assert listener.received == []
        waiting = delivery(server, "newSubscription")
        assert (waiting.state, waiting.is_postponed, waiting.attempts) == ("pending", True, [])
        api.call("customers/cancel", code="ida")
        server.advance("59s")
        assert [hook.type for hook in listener.received] == ["subscriptionCanceled"]
        server.advance("1s")
        assert [hook.type for hook in listener.received] == ["subscriptionCanceled", "newSubscription"]
    (attempt,) = waiting.attempts
    assert (attempt.status, attempt.fault) == (200, "reorder")
    assert not waiting.is_postponed
    notes = [(entry.kind, entry.note) for entry in server.timeline("ida")]
    assert ("fault", f"reorder: newSubscription to {listener.url}") in notes
    assert ("hookDelivered", f"newSubscription to {listener.url}: 200 (reorder)") in notes


def test_the_next_periods_hook_may_overtake_too(server: Server) -> None:
    with listening() as listener:
        server.listen(listener.url, BILLABLE)
        server.fault(Fault(FaultKind.REORDER, type="subscriptionBillable", by=timedelta(days=30)))
        Api(server).subscribe("ida")
        server.advance("3mo")
    february, march, april = (hook.deliveries[0].attempts[0].at for hook in server.hooks())
    assert march < february == BILLED + timedelta(days=30) < april


def test_a_reordered_hook_keeps_the_schedule_of_retries(server: Server) -> None:
    with listening(lambda _: 500) as listener:
        server.listen(listener.url, BILLABLE)
        server.fault(Fault(FaultKind.REORDER))
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.advance("7min")
    moments = [attempt.at - BILLED for attempt in delivery(server).attempts]
    assert moments == [MINUTE, 2 * MINUTE, 7 * MINUTE]


def test_after_a_timeout_the_listener_works_on_while_the_hook_comes_again(server: Server) -> None:
    again, done = threading.Event(), []

    def answer(_: Received) -> int:
        if len(listener.received) == 1:
            again.wait(60)
            done.append("first")
        else:
            again.set()
        return 200

    with listening(answer) as listener:
        server.listen(listener.url, BILLABLE)
        server.fault(Fault(FaultKind.TIMEOUT, type="subscriptionBillable", seconds=0.2))
        Api(server).subscribe("ida")
        server.advance("1mo")
        assert (len(listener.received), done) == (1, [])  # it has the hook, and is still at it
        assert paid_at(server) is None
        server.advance("1min")
        (first, second) = delivery(server).attempts
        assert (first.status, first.answer, first.fault) == (None, "no answer within 0.2 s", "timeout")
        assert 0.2 <= first.seconds < 2
        assert (second.status, second.fault, second.at) == (200, "", BILLED + MINUTE)
        server.advance("1h")
    assert done == ["first"]
    assert paid_at(server) == "2026-02-01T01:01:00+00:00"


@pytest.mark.parametrize("kind", [FaultKind.TIMEOUT, FaultKind.LOSE_ANSWER])
def test_an_acknowledgement_that_is_lost_is_none(server: Server, kind: FaultKind) -> None:
    with listening() as listener:
        server.listen(listener.url, BILLABLE)
        server.fault(Fault(kind))
        Api(server).subscribe("ida")
        server.advance("1mo")
        assert len(listener.received) == 1
        (attempt,) = delivery(server).attempts
        assert (attempt.status, attempt.fault) == (None, kind)
        server.advance("59min")
        assert len(listener.received) == 2
        assert paid_at(server) is None
        server.advance("2min")
    assert paid_at(server) == "2026-02-01T01:01:00+00:00"
    (note,) = [entry.note for entry in server.timeline("ida") if entry.kind == "hookNotDelivered"]
    assert note == f"subscriptionBillable to {listener.url}: {attempt.answer} ({kind})"


def test_who_is_not_there_at_all_is_written_down_as_that(server: Server) -> None:
    server.listen("http://127.0.0.1:9/", BILLABLE)
    server.fault(Fault(FaultKind.LOSE_ANSWER))
    Api(server).subscribe("ida")
    server.advance("1mo")
    (attempt,) = delivery(server).attempts
    assert attempt.status is None
    assert "lost" not in attempt.answer


def test_only_the_hooks_of_the_customer_named_are_struck(server: Server) -> None:
    with listening() as listener:
        server.listen(listener.url, BILLABLE)
        server.fault(Fault(FaultKind.LOSE_ANSWER, customer="eve", probability=1))
        for code in ("ida", "eve"):
            Api(server).subscribe(code)
        server.advance("1mo")
        server.advance("1h")
    attempts = {code: server.hooks(customer=code)[0].deliveries[0].attempts for code in ("ida", "eve")}
    assert [attempt.fault for attempt in attempts["ida"]] == [""]
    assert [attempt.fault for attempt in attempts["eve"]] == ["loseAnswer"] * 4


def test_the_same_seed_strikes_the_same_deliveries(server: Server) -> None:
    def attempts(seed: int) -> list[int]:
        server.reset()
        with listening() as listener:
            server.listen(listener.url, BILLABLE)
            server.fault(Fault(FaultKind.LOSE_ANSWER, probability=0.5, seed=seed))
            Api(server).subscribe("ida")
            server.advance("1y")
            server.advance("1d")
        return [len(hook.deliveries[0].attempts) for hook in server.hooks()]

    first = attempts(3)
    assert len(first) == 12
    assert len(set(first)) > 1
    assert attempts(3) == first
    assert attempts(4) != first
