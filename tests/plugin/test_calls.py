"""What was called, asserted in a test; a kit without fixtures; what a failing test shows; frozen clocks."""

import logging
import unittest
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import freezegun
import httpx
import pytest
import time_machine

import tallyhook_mock
from tallyhook import AsyncClient, Client
from tallyhook.errors import NotFound
from tallyhook_mock.testing import Cheddar
from tallyhook_mock.testing.session import Session

from .apps import asgi, auditing, wsgi

pytest_plugins = ["pytester"]


def subscribed(cheddar: Cheddar) -> None:
    cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00", "included": 500}})
    cheddar.customer("C1", plan="PRO")


def test_calls_are_asserted(cheddar: Cheddar, client: Client) -> None:
    subscribed(cheddar)
    assert cheddar.calls == []
    cheddar.assert_not_called("customers/add-charge")
    client.set_item_quantity("C1", "GB", 501)
    client.add_charge("C1", "SETUP", each_amount="5.00", quantity=1)
    client.add_charge("C1", "SETUP", each_amount="5.00", quantity=1)
    with pytest.raises(NotFound):
        client.get_customer("C2")
    cheddar.assert_called("customers/add-charge")
    cheddar.assert_called("customers/add-charge", "C1", times=2)
    cheddar.assert_called("customers/get", times=0)
    cheddar.assert_not_called("customers/add-charge", "C2")
    cheddar.assert_call_order("customers/set-item-quantity", "customers/add-charge")
    assert [(call.action, call.customer, call.status) for call in cheddar.calls][-1] == (
        "customers/get",
        "C2",
        404,
    )
    failures: dict[str, Callable[[], None]] = {
        "customers/add-charge of C1 was called 2 times, not once": lambda: cheddar.assert_called(
            "customers/add-charge", "C1", times=1
        ),
        "customers/get was never called": lambda: cheddar.assert_called("customers/get"),
        "customers/get was called once": lambda: cheddar.assert_not_called("customers/get"),
        "customers/set-item-quantity was not called after customers/add-charge": lambda: (
            cheddar.assert_call_order("customers/add-charge", "customers/set-item-quantity")
        ),
    }
    for first, failing in failures.items():
        with pytest.raises(AssertionError) as caught:
            failing()
        assert str(caught.value).splitlines()[0] == first
        assert "customers/get                C2  404" in str(caught.value)


def test_a_context_of_its_own() -> None:
    with tallyhook_mock.cheddar(start="2027-01-01") as cheddar, tallyhook_mock.cheddar() as other:
        subscribed(cheddar)
        cheddar.bill("C1")
        cheddar.assert_billed("C1", "50.00")
        assert (cheddar.now, other.now) == (
            datetime(2027, 2, 1, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC),
        )
    with pytest.raises(tallyhook_mock.CatalogError), tallyhook_mock.cheddar({"nix": 1}):
        pass


@tallyhook_mock.cheddar()
def test_a_decorated_function(cheddar: Cheddar) -> None:
    subscribed(cheddar)
    cheddar.bill("C1")
    cheddar.assert_billed("C1", "50.00")


class Unittest(unittest.TestCase):
    @tallyhook_mock.cheddar()
    def test_a_method(self, cheddar: Cheddar) -> None:
        subscribed(cheddar)
        assert str(cheddar.bill("C1").total) == "50.00"


@pytest.mark.parametrize("freeze", [freezegun.freeze_time, lambda at: time_machine.travel(at, tick=False)])
def test_a_frozen_clock_does_not_disturb(cheddar: Cheddar, async_client: AsyncClient, freeze: Any) -> None:
    with freeze("2020-05-05"):
        subscribed(cheddar)
        cheddar.listener(auditing(cheddar, async_client).asgi)
        cheddar.bill("C1")
        cheddar.assert_billed("C1", "56.00")
        assert cheddar.now == datetime(2026, 2, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("freeze", [freezegun.freeze_time, lambda at: time_machine.travel(at, tick=False)])
def test_a_server_that_is_started_under_a_frozen_clock_ends(freeze: Any, tmp_path: Path) -> None:
    with ExitStack() as stack, freeze("2040-05-05"):
        session = Session(lambda: tmp_path)
        stack.callback(session.close)
        assert httpx.get(session.address(tls=False).url).status_code == 503
        server = stack.enter_context(tallyhook_mock.serve(start="2026-01-01"))
        server.advance("1mo")
        assert server.now == datetime(2026, 2, 1, tzinfo=UTC)


# -- what a failing test shows


def _breaking(kind: str) -> Any:
    async def broken(hook: dict[str, Any]) -> int:
        return int({}[hook["activityType"]])

    def broken_too(hook: dict[str, Any]) -> str:
        return str({}[hook["activityType"]])

    if kind == "asgi":
        work: Callable[[dict[str, Any]], Awaitable[int]] = broken
        return asgi(work)
    return wsgi(broken_too)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_what_a_listener_raises_is_logged_once_with_its_own_frames(
    kind: str, cheddar: Cheddar, caplog: pytest.LogCaptureFixture
) -> None:
    subscribed(cheddar)
    cheddar.listener(_breaking(kind))
    cheddar.bill("C1", within="1h")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    text = record.getMessage()
    assert text.startswith(
        "POST /hooks: KeyError: 'subscriptionBillable'\nTraceback (most recent call last):\n"
    )
    assert text.endswith("KeyError: 'subscriptionBillable'")
    assert 'hook["activityType"]' in text
    assert "tallyhook_mock" not in text
    assert not [record for record in caplog.records if record.levelno == logging.DEBUG]


PROJECT = """
import pytest
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, Receiver

@pytest.fixture
def app(cheddar, cheddar_async_client):
    receiver = Receiver(Cheddar("ACME", cheddar.secret, cheddar_async_client), inbox=":memory:")

    @receiver.review
    async def audit(review: Review) -> None:
        review.set_quantity("GB", {"ada": 1}[review.customer.code])

    return receiver.asgi

def test_raises(cheddar, app):
    cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00"}})
    cheddar.customer("ben", plan="PRO")
    cheddar.listener(app)
    cheddar.bill("ben", within="1h")
    cheddar.assert_billed("ben", "51.00")

def test_wrong_plan(cheddar):
    cheddar.plan("SMALL", price="20.00")
    cheddar.customer("ada", plan="SMAL")

def test_wrong_field(cheddar):
    cheddar.plan("SMALL", price="20.00", item={})

def test_no_application(cheddar):
    cheddar.listener(3)

def test_no_customer(cheddar):
    cheddar.bill("nobody")
"""


def test_a_failing_test_shows_the_traceback_and_none_of_our_frames(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_project=PROJECT)
    pytester.makefile(".ini", pytest="[pytest]\naddopts = -p no:asyncio\n")
    run = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    run.assert_outcomes(failed=5)
    shown = "\n".join(run.outlines)
    raised, _, others = shown.partition("_ test_wrong_plan _")
    wrong = others.partition("_ test_wrong_field _")[0]
    assert "a handler raised KeyError" in raised
    assert 'review.set_quantity("GB", {"ada": 1}[review.customer.code])' in raised
    assert "KeyError: 'ben'" in raised
    assert [line for line in wrong.splitlines() if line.startswith("E")] == [
        "E       tallyhook_mock.catalog.table.CatalogError: products[0].customers[0].planCode: there is no"
        " plan 'SMAL'; did you mean SMALL?"
    ]
    for ours in ("mock_server/tallyhook_mock", "concurrent/futures"):
        assert ours not in shown
