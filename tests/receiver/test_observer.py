"""What logs and observers are told about the work, and that a broken observer does no harm."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cheddar import KEY, FakeCheddar, signed

from tallyhook import events
from tallyhook.review import Outcome, Review
from tallyhook.review.journal import Entry
from tallyhook_receiver import Cheddar, Letter, NotYet, Observer, Receiver, Response, State
from tallyhook_receiver.logs import JSONFormatter


class Notes(Observer):
    """Notes each report, in order. `>` and `<` mark the start and the end of a context."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def refused(self, answer: Response) -> None:
        self.told.append(f"refused {answer.status}")

    def request(self, headers: Any) -> AbstractContextManager[object]:
        return self._around("request")

    def answered(self, answer: Response, seconds: float) -> None:
        assert 0 < seconds < 10
        self.told.append(f"answered {answer.status}")

    def repeated(self, product: str) -> None:
        self.told.append(f"repeated {product}")

    def attempt(self, letter: Letter) -> AbstractContextManager[object]:
        return self._around(f"attempt {letter.type}")

    def step(self, name: str) -> AbstractContextManager[object]:
        return self._around(name)

    def wrote(self, entry: Entry) -> None:
        self.told.append(type(entry).__name__)

    def reviewed(self, letter: Letter, outcome: Outcome) -> None:
        self.told.append(f"reviewed {outcome.standing}")

    def finished(self, letter: Letter, state: State, seconds: float) -> None:
        assert 0 < seconds < 10
        self.told.append(f"settled {state}")

    @contextmanager
    def _around(self, what: str) -> Iterator[None]:
        self.told.append(f"> {what}")
        try:
            yield
        finally:
            self.told.append(f"< {what}")


class Broken(Observer):
    """Raises in every method."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("broken")


class Failing(Observer):
    """Raises when a context ends."""

    @contextmanager
    def _around(self, *_: object) -> Iterator[None]:
        try:
            yield
        finally:
            raise RuntimeError("broken")

    request = attempt = step = _around


async def deliver(receiver: Receiver, body: bytes, key: str = KEY) -> int:
    return (await receiver.handle("POST", signed(body, key), body)).status


@pytest.mark.parametrize("others", [[], [Broken()], [Failing()]], ids=["alone", "broken", "failing"])
async def test_a_review_from_request_to_answer(others: list[Observer]) -> None:
    notes, cheddar = Notes(), FakeCheddar()
    async with cheddar.async_client() as client:
        product = Cheddar("ACME", KEY, client)
        async with Receiver(product, inbox=":memory:", observers=[*others, notes]) as receiver:

            @receiver.review
            async def audit(review: Review) -> None:
                review.set_quantity("GB", 15)
                review.charge("A", 5)

            assert await deliver(receiver, cheddar.hook()) == 200
            told, notes.told = notes.told, []
            assert await deliver(receiver, cheddar.hook()) == 200
            assert await deliver(receiver, cheddar.hook(), "wrong") == 401
    parts = ["> request", "> attempt subscriptionBillable", "> handle", "< handle", "> apply"]
    parts += ["Declared", "Adding", "Added", "Verified", "< apply", "reviewed outstanding", "settled done"]
    parts += ["< attempt subscriptionBillable", "answered 200", "< request"]
    assert told == parts
    assert notes.told == [
        "> request",
        "> attempt subscriptionBillable",
        "repeated ACME",
        "< attempt subscriptionBillable",
        "answered 200",
        "< request",
        "refused 401",
    ]
    assert len(cheddar.billed_charges) == 1


@pytest.mark.parametrize(
    ("error", "status", "state"), [(NotYet(5), 503, "waiting"), (ValueError("of NORA"), 500, "failed")]
)
async def test_what_a_handler_raises_is_what_it_was(
    error: Exception, status: int, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    notes = Notes()
    watches = [Failing(), notes]
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:", observers=watches) as receiver:

        @receiver.on(events.SubscriptionChanged)
        async def moved(hook: events.SubscriptionChanged) -> None:
            raise error

        assert await deliver(receiver, FakeCheddar().hook(activityType="subscriptionChanged")) == status
    assert notes.told[2:5] == ["> handle", "< handle", f"settled {state}"]
    assert "RuntimeError: broken" in caplog.text
    assert "of NORA" not in caplog.text


Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """All JSON logged so far, by the receiver and by an application."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    loggers = [logging.getLogger(name) for name in ("tallyhook.receiver", "app")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("is_coroutine", [True, False])
async def test_log_lines_carry_the_hook_and_the_attempt(lines: Lines, is_coroutine: bool) -> None:
    body = FakeCheddar().hook(activityType="subscriptionChanged")
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:") as receiver:

        def work(hook: events.Hook) -> None:
            logging.getLogger("app").info("counting")

        async def awaited(hook: events.Hook) -> None:
            work(hook)

        receiver.on("subscriptionChanged")(awaited if is_coroutine else work)
        assert await deliver(receiver, body) == 200
        (record,) = await receiver.inbox.list()
        assert await deliver(receiver, body, "wrong") == 401
    counting, done, refused = lines()
    assert (counting["logger"], counting["message"], counting["level"]) == ("app", "counting", "INFO")
    about = {"hook": record.key[:16], "product": "ACME", "type": "subscriptionChanged"}
    assert about.items() <= counting.items()
    assert about.items() <= done.items()
    assert counting["attempt"] == done["attempt"]
    assert done["state"] == "done"
    assert datetime.fromisoformat(done["time"]).utcoffset() == timedelta(0)
    assert (refused["status"], refused["level"], "hook" in refused) == (401, "WARNING", False)


async def test_every_attempt_has_its_name(lines: Lines) -> None:
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:") as receiver:

        @receiver.on(events.SubscriptionChanged)
        async def moved(hook: events.SubscriptionChanged) -> None:
            raise NotYet

        for _ in range(2):
            assert await deliver(receiver, FakeCheddar().hook(activityType="subscriptionChanged")) == 503
    first, second = lines()
    assert first["hook"] == second["hook"]
    assert first["attempt"] != second["attempt"]
    assert first["state"] == "waiting"


def test_an_exception_is_in_the_line(lines: Lines) -> None:
    try:
        raise ValueError("of the application")
    except ValueError:
        logging.getLogger("app").exception("in two\nlines: %s", "é")
    (line,) = lines()
    assert line["message"] == "in two\nlines: é"
    assert "ValueError: of the application" in line["error"]


async def test_nothing_private_in_the_lines(lines: Lines, tmp_path: Path) -> None:
    cheddar = FakeCheddar()
    async with (
        cheddar.async_client() as client,
        Receiver(Cheddar("ACME", KEY, client), inbox=tmp_path / "inbox.sqlite") as receiver,
    ):

        @receiver.review
        def audit(review: Review) -> None:
            raise ValueError(repr(review.customer.raw))

        assert await deliver(receiver, cheddar.hook()) == 500
        assert await deliver(receiver, cheddar.hook()[:-1]) == 400
    said = json.dumps(lines())
    assert '"state": "failed"' in said
    for private in ("Nora", "NORA", "nora", "quill", "4242", "cust-1", KEY):
        assert private not in said
