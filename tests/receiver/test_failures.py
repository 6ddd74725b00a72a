"""What is logged about a failed handler: the exception's type and place, but not its text."""

import inspect
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.cheddar import KEY, FakeCheddar, signed

from tallyhook import events
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, Receiver
from tallyhook_receiver.logs import JSONFormatter

Handler = Callable[[events.Hook], Any]


class UnknownCustomer(LookupError):
    """An exception of an application."""


def looked_up(hook: events.Hook) -> None:
    raise UnknownCustomer(f"no idea who {hook.customer.email} is")


def plain(hook: events.Hook) -> None:
    looked_up(hook)


async def awaited(hook: events.Hook) -> None:
    json.loads(hook.customer.email)


class Called:
    def __call__(self, hook: events.Hook) -> None:
        looked_up(hook)


def place(function: Callable[..., Any]) -> str:
    """The place of a function's last line."""
    lines, first = inspect.getsourcelines(function)
    return f"{__file__}:{first + len(lines) - 1} in {function.__qualname__}"


@pytest.mark.parametrize(
    ("handler", "exception", "where"),
    [
        (plain, f"{__name__}.UnknownCustomer", looked_up),
        (Called(), f"{__name__}.UnknownCustomer", looked_up),
        (awaited, "json.decoder.JSONDecodeError", awaited),
    ],
    ids=["function", "object", "coroutine"],
)
async def test_a_failed_handler_is_named_and_not_quoted(
    handler: Handler, exception: str, where: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    cheddar = FakeCheddar()
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:") as receiver:
        receiver.on(events.SubscriptionChanged)(handler)
        body = cheddar.hook(activityType="subscriptionChanged")
        assert (await receiver.handle("POST", signed(body), body)).status == 500
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    line = json.loads(JSONFormatter().format(record))
    assert (line["state"], line["exception"], line["place"]) == ("failed", exception, place(where))
    told = f"failed: {exception} at {place(where)} (tallyhook inbox show {line['hook']})"
    assert line["message"].endswith(f", subscriptionChanged: {told}")
    assert "nora" not in str(line).lower()


async def test_a_charge_that_is_refused_when_the_handler_is_through(caplog: pytest.LogCaptureFixture) -> None:
    cheddar = FakeCheddar()
    async with (
        cheddar.async_client() as client,
        Receiver(Cheddar("ACME", KEY, client), inbox=":memory:") as receiver,
    ):

        @receiver.review
        def audit(review: Review) -> None:
            review.charge("REFUSED", "5.00")

        assert (await receiver.handle("POST", signed(cheddar.hook()), cheddar.hook())).status == 500
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    line = json.loads(JSONFormatter().format(record))
    assert line["message"].partition(" (")[0].endswith(": failed: tallyhook.errors.PreconditionFailed")
    assert not {"place", "reason"} & line.keys()


async def test_why_a_review_could_not_be_applied(caplog: pytest.LogCaptureFixture) -> None:
    cheddar = FakeCheddar(pushed_out=True)
    early = cheddar.document().replace("2030-04-15", "2030-03-01")
    cheddar.faults[1] = lambda request, apply: httpx.Response(200, text=early)
    async with (
        cheddar.async_client() as client,
        Receiver(Cheddar("ACME", KEY, client), inbox=":memory:") as receiver,
    ):
        receiver.review(lambda review: None)
        assert (await receiver.handle("POST", signed(cheddar.hook()), cheddar.hook())).status == 500
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    line = json.loads(JSONFormatter().format(record))
    assert line["reason"] == "the invoice is due, but not outstanding (yet)"
    assert line["message"].partition(" (tallyhook")[0].endswith(f"ReviewFailed: {line['reason']}")
    assert "place" not in line


async def test_a_hook_that_is_done_names_no_cause(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tallyhook.receiver")
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:") as receiver:
        receiver.on(events.SubscriptionChanged)(lambda hook: None)
        body = FakeCheddar().hook(activityType="subscriptionChanged")
        assert (await receiver.handle("POST", signed(body), body)).status == 200
    (record,) = caplog.records
    line = json.loads(JSONFormatter().format(record))
    assert line["message"].endswith(", subscriptionChanged: done")
    assert not {"exception", "place"} & line.keys()


@pytest.mark.parametrize("sign", ["\n", "\r", "\x0b", "\x1b[2J", "\x85", "\u2028", "\u202e"])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_type_forges_no_line_of_the_log(
    caplog: pytest.LogCaptureFixture, sign: str, begun: bool
) -> None:
    forged = f"else{sign}ERROR hook 1234: done"
    cheddar = FakeCheddar()
    async with Receiver(
        Cheddar("ACME", KEY), inbox=":memory:", max_age=None if begun else timedelta(1)
    ) as receiver:

        @receiver.on(forged)
        async def fail(hook: events.Hook) -> None:
            raise ValueError("no")

        body = cheddar.hook(activityType=forged, activityDatetime="2020-03-01T01:00:00+00:00")
        response = await receiver.handle("POST", signed(body), body)
        assert response.status == (500 if begun else 401)
    assert len(caplog.records) >= 1
    for record in caplog.records:
        assert sign not in record.getMessage()
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert json.loads(JSONFormatter().format(record))["type"] == forged
