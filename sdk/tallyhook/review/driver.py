"""Run an attempt: send its calls with a blocking or async client, and write its entries to the journal."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tallyhook.cheddar.calls import Call
from tallyhook.cheddar.models import Customer, canonical
from tallyhook.errors import Error
from tallyhook.review.apply import Application
from tallyhook.review.journal import Entry, Journal
from tallyhook.review.outcome import Outcome
from tallyhook.review.reading import Steps

if TYPE_CHECKING:
    from tallyhook.cheddar.client import AsyncClient, Client
    from tallyhook.review.review import Review


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def drive(review: "Review", client: "Client", *, unknown_for: timedelta, marks: bool) -> Outcome:
    """Apply a review with a blocking client, without a journal, and return the outcome."""
    _require_product(review, client)
    _require_longer(unknown_for, client)
    steps = Application(review, None, utc_now, unknown_for, marks).steps()
    answer: Customer | Error | None = None
    while not isinstance(step := _next(steps, answer), Outcome):
        answer = None
        if isinstance(step, Call):
            try:
                answer = client.send(step)
            except Error as error:
                answer = error
    return step


async def adrive(
    review: "Review",
    client: "AsyncClient",
    journal: Journal | None,
    *,
    now: Callable[[], datetime],
    unknown_for: timedelta,
    marks: bool,
    gone_after: timedelta,
    is_second_look: bool = False,
) -> Outcome:
    """Apply a review with an async client, and return the outcome.

    `journal` is None for a review without a journal. An exception from the journal ends the attempt.
    """
    _require_product(review, client)
    _require_longer(unknown_for, client)
    entries = None if journal is None else await journal.entries()
    application = Application(
        review, entries, now, unknown_for, marks, gone_after=gone_after, is_second_look=is_second_look
    )

    def check() -> None:
        if journal is not None:
            journal.check()
        application.check()

    steps = application.steps()
    answer: Customer | Error | None = None
    while not isinstance(step := _next(steps, answer), Outcome):
        answer = None
        if isinstance(step, Call):
            try:
                answer = await client.send(step, check=check)
            except Error as error:
                answer = error
        elif journal is not None:
            await journal.append(step)
    return step


def _next(steps: Steps[Outcome], answer: Customer | Error | None) -> Call[Customer] | Entry | Outcome:
    """Resume an attempt with an answer. Return its next step or, if it has ended, its outcome."""
    try:
        return steps.throw(answer) if isinstance(answer, Error) else steps.send(answer)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


def _require_longer(unknown_for: timedelta, client: "Client | AsyncClient") -> None:
    timeout = min(client.timeout, client.deadline or client.timeout)
    if unknown_for.total_seconds() <= timeout < math.inf:
        raise ValueError(f"unknown_for must be longer than the client's timeout of {timeout:g} s")


def _require_product(review: "Review", client: "Client | AsyncClient") -> None:
    product = review.product
    if product is None:
        return
    pairs = (
        (product.code.strip(), client.product_code.strip()),
        (canonical(product.id), canonical(client.product_id)),
    )
    compared = [meant == used for meant, used in pairs if meant and used]
    if not compared:
        raise ValueError("One of client and hook has a product code, the other an id: give the client both")
    if not all(compared):
        raise ValueError("The client is for a different product than the hook")
