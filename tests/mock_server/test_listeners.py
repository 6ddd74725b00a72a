"""Listeners that are paused, hooks that are replayed or made on request, and the schedule of retries."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest

from tallyhook_mock import CatalogError, Mock, Server, serve
from tallyhook_mock.core.hooks import DeliveryState
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

from .loopback import Api, catalog, listening

BILLABLE = ("subscriptionBillable",)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


def is_paid(server: Server) -> bool:
    return bool(Api(server).invoices("ida")[1].findtext("paidTransactionId"))


def test_a_paused_listener_gets_nothing_and_holds_on(server: Server) -> None:
    with listening() as listener:
        registered = server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.call(lambda: server.mock.pause(registered))
        server.advance("45d")
        assert not listener.received
        assert not is_paid(server)
        server.call(lambda: server.mock.resume(registered))
        server.settle()
        assert len(listener.received) == 1
        server.advance("3599s")
        assert not is_paid(server)
        server.advance("1s")
        assert is_paid(server)


def test_a_retry_waits_for_the_resumption_and_for_its_moment(server: Server) -> None:
    with listening(lambda _: 500) as listener:
        registered = server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.call(lambda: server.mock.pause(registered))
        (hook,) = server.hooks("subscriptionBillable")
        server.call(lambda: server.mock.retry(hook))
        server.advance("30s")
        assert len(listener.received) == 1
        server.call(lambda: server.mock.resume(registered))
        server.settle()
        assert len(listener.received) == 2  # the one that was asked for meanwhile
        server.call(lambda: server.mock.pause(registered))
        server.call(lambda: server.mock.resume(registered))
        server.advance("4min59s")
        assert len(listener.received) == 2  # the next is not due before its pause is over
        server.advance("1s")
        assert len(listener.received) == 3


def test_a_paused_listener_that_is_removed_lets_go(server: Server) -> None:
    with listening() as listener:
        registered = server.listen(listener.url, BILLABLE)
        server.call(lambda: server.mock.pause(registered))
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.call(lambda: server.mock.forget(registered))
        server.advance("1h")
        assert is_paid(server)
        assert not listener.received


def test_a_pause_catches_what_waits_behind_a_delivery(server: Server) -> None:
    def answer(_: object) -> int:
        server.call(lambda: server.mock.pause(registered))
        return 200

    with listening(answer) as listener:
        registered = server.listen(listener.url, ("newSubscription", "subscriptionCanceled"))
        server.call(lambda: server.mock.pause(registered))
        Api(server).subscribe("ida")
        Api(server).call("customers/cancel", code="ida")
        server.call(lambda: server.mock.resume(registered))  # both are due, one after the other
        server.settle()
        assert [hook.type for hook in listener.received] == ["newSubscription"]
        server.call(lambda: server.mock.resume(registered))
        server.settle()
        assert [hook.type for hook in listener.received][1:] == ["subscriptionCanceled"]


def test_a_replay_that_fails_holds_nothing(server: Server) -> None:
    status = 200
    with listening(lambda _: status) as listener:
        server.listen(listener.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("1mo")
        (hook,) = server.hooks("subscriptionBillable")
        status = 500
        server.call(lambda: server.mock.replay(hook))
        server.advance("1h")
        assert is_paid(server)
        assert hook.is_settled
        first, replay = hook.deliveries
        assert (first.state, replay.state) == (DeliveryState.DELIVERED, DeliveryState.PENDING)
        assert len({received.body for received in listener.received}) == 1
        assert len(replay.attempts) > 2  # it is tried again as any other


def test_a_replay_to_one_listener_does_not_release_what_waits_for_another(server: Server) -> None:
    with listening() as quick, listening(lambda _: 500) as slow:
        server.listen(quick.url, BILLABLE)
        server.listen(slow.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("1mo")
        (hook,) = server.hooks("subscriptionBillable")
        server.call(lambda: server.mock.replay(hook))
        server.advance("5h")
        assert len(quick.received) == 2
        assert not is_paid(server)


def test_an_attempt_keeps_what_it_was_sent_with(server: Server) -> None:
    with listening() as listener:
        server.listen(listener.url, ("newSubscription",))
        Api(server).subscribe("ida")
        server.settle()
        (attempt,) = server.hooks()[0].deliveries[0].attempts
        sent = {name.lower(): value for name, value in attempt.headers.items()}
        assert {"x-cg-signature", "x-cg-token", "content-type"} <= sent.keys()
        assert sent.items() <= listener.received[0].headers.items()


@pytest.mark.parametrize("type", HOOK_TYPES)
def test_every_type_is_sent_on_request_and_changes_nothing(server: Server, type: str) -> None:
    Api(server).subscribe("ida")
    with listening() as listener:
        server.listen(listener.url, (type,))
        before = Api(server).call("customers/get", code="ida")
        hook = server.call(
            lambda: server.mock.trigger(server.mock.state.customer(server.mock.product(), "ida"), type)
        )
        server.settle()
        (received,) = listener.received
        assert received.type == type
        assert hook.is_settled
        after = Api(server).call("customers/get", code="ida")
        assert [e.text for e in before.iter()] == [e.text for e in after.iter()]
    content = json.loads(received.body)
    assert ("previousSubscription" in content) is (type == "subscriptionChanged")
    assert ("subscription" in content) is (type != "customerDeleted")
    assert any(entry.kind == "triggered" and type in entry.note for entry in server.timeline("ida"))


def test_a_billable_hook_on_request_releases_no_invoice_that_is_held(server: Server) -> None:
    with listening(lambda _: 500) as slow, listening() as quick:
        first = server.listen(slow.url, BILLABLE)
        Api(server).subscribe("ida")
        server.advance("1mo")
        server.call(lambda: server.mock.pause(first))
        server.listen(quick.url, BILLABLE)
        customer = server.customer("ida")
        server.call(lambda: server.mock.trigger(customer, "subscriptionBillable"))
        server.advance("5h")
        assert json.loads(quick.received[0].body)["subscription"]["invoice"]["invoiceNumber"] == "2"
        assert not is_paid(server)


def test_the_schedule_of_retries_is_configured() -> None:
    wanted = {"hookRetryPauses": ["90s", "1h", "2d"], **catalog()}
    with serve(wanted) as server, listening(lambda _: 500) as listener:
        server.listen(listener.url, ("newSubscription",))
        Api(server).subscribe("ida")
        server.advance("10d")
        moments = [attempt.at for attempt in server.hooks()[0].deliveries[0].attempts]
        pauses = [later - earlier for earlier, later in pairwise(moments)]
        days = timedelta(days=2)
        assert pauses[:4] == [timedelta(seconds=90), timedelta(hours=1), days, days]
        server.call(lambda: server.mock.add_catalog({"hookRetryPauses": ["1min"]}))
        assert server.mock.state.hooks.pauses == (timedelta(minutes=1),)
        server.reset()
        assert server.mock.state.hooks.pauses[0] == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("pauses", "complaint"),
    [
        ([], "hookRetryPauses: at least one is needed"),
        (["soon"], "hookRetryPauses: 'soon' is not a duration"),
        (["0s"], "hookRetryPauses: '0s': at least a second"),
        (["1mo"], "hookRetryPauses: '1mo': at least a second, and no months"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(pauses: list[str], complaint: str) -> None:
    with pytest.raises(CatalogError, match=complaint):
        Mock({"hookRetryPauses": pauses, **catalog()})
