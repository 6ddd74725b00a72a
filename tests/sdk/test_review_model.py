"""The proof of reviews: no state that a limited number of faults can cause is wrong.

`docs/review.md` says what is proved, and what it rests on. `TALLYHOOK_MODEL=deep` allows three faults
everywhere; `-rP` shows the numbers.
"""

import os
import sys
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.sdk.review_model import Declares, Model

from tallyhook.cheddar.models import Charge, Invoice
from tallyhook.review.apply import Application
from tallyhook.review.compare import Changes
from tallyhook.review.journal import Adding
from tallyhook.review.ownership import Ledger

DEEP = os.environ.get("TALLYHOOK_MODEL") == "deep"
FAULTS = 3 if DEEP else 2

FULL = Declares(3, ("X",))
CHARGE = Declares(None, ("X",))
TWICE = Declares(None, ("X", "X"))
NOTHING = Declares(None, ())
ALONE = {"two_workers": False, "persons": False}
RUN = Declares(3, ("X",), runs=True)


def explored(model: Model) -> Model:
    model.explore()
    numbers = f"{model.states} states, {dict(model.ends)}, {len(model.violations)} violations"
    sys.stdout.write(numbers + "\n")
    assert model.states > 1000
    assert not model.violations, "\n".join(map(str, model.violations[0]))
    assert model.ends["acknowledged"] > 0
    return model


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(Model([FULL], faults=FAULTS), id="two workers and persons"),
        pytest.param(Model([FULL], faults=FAULTS, mixes_refusals=True), id="refusals of other calls"),
        pytest.param(Model([CHARGE], faults=3, attempts=9, two_workers=False), id="three faults"),
        pytest.param(
            Model([FULL, Declares(4, ("X",)), Declares(3, ("Y",))], faults=FAULTS, two_workers=False),
            id="changing declarations",
        ),
        pytest.param(
            Model([CHARGE, NOTHING], faults=3, attempts=9, two_workers=False, persons=False), id="to and fro"
        ),
        pytest.param(Model([RUN], faults=FAULTS, attempts=8, two_workers=False), id="run when done"),
        pytest.param(Model([TWICE], faults=FAULTS, two_workers=False), id="two equal charges"),
        pytest.param(Model([CHARGE], faults=FAULTS, marks=False), id="marks switched off"),
        pytest.param(
            Model([CHARGE, NOTHING], faults=3, marks=False, two_workers=False),
            id="to and fro without marks, and a person runs it",
        ),
        pytest.param(
            Model([CHARGE, NOTHING], faults=3, keeps_marks=False, two_workers=False),
            id="to and fro, the server drops marks, and a person runs it",
        ),
        pytest.param(Model([CHARGE], faults=FAULTS, keeps_marks=False), id="marks dropped by the server"),
        pytest.param(
            Model(
                [CHARGE],
                faults=FAULTS,
                attempts=11,
                ticks=4,
                life=2,
                jumps=True,
                two_workers=False,
                persons=False,
            ),
            id="a clock that is set once",
        ),
    ],
)
def test_no_state_is_wrong(model: Model) -> None:
    explored(model)


def test_nobody_is_asked_without_need() -> None:
    """If the server keeps marks and no person interferes, two faults never end in Unresolved."""
    model = explored(Model([FULL], **ALONE))
    assert model.ends["asked"] == 0


class Guesses(Application):
    """A review that adds again although an unmarked charge may be its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reading.ledger = _Careless(args[1], args[3])


class _Careless(Ledger):
    def doubtful(self, invoice: Invoice) -> list[tuple[Adding, list[Charge]]]:
        return []


class Impatient(Application):
    """A review that doesn't wait for what may still arrive."""

    def __init__(self, *args: Any, **options: Any) -> None:
        review, entries, now, _, marks = args
        super().__init__(review, entries, now, timedelta(0), marks, **options)


class Forgetful(Application):
    """A review that treats a lost answer as a refusal. Each attempt starts with an empty journal."""

    def __init__(self, *args: Any, **options: Any) -> None:
        review, _, now, unknown_for, marks = args
        super().__init__(review, (), now, unknown_for, marks, **options)


class Trusting(Application):
    """A review that reads nothing back. It finds no remaining changes after the first comparison."""

    has_compared = False

    def _compare(self, *, awaits: bool = True) -> Changes:
        changes = super()._compare(awaits=awaits)
        is_first, self.has_compared = not self.has_compared, True
        return changes if is_first and not self.is_second_look else replace(changes, changes=())


@pytest.mark.parametrize(
    ("violation", "model"),
    [
        pytest.param(
            "doubled", Model([CHARGE], life=4, **ALONE), id="a request arrives later than unknown_for"
        ),
        pytest.param(
            "doubled",
            Model([CHARGE], attempts=11, ticks=4, life=4, jumps=True, **ALONE),
            id="a request arrives in the second half, and the clock is set",
        ),
        pytest.param(
            "wrong quantity",
            Model([Declares(3, ()), Declares(4, ())], faults=3, repeats_answered=True, **ALONE),
            id="a request that was answered is carried out again later",
        ),
        pytest.param(
            "a person's charge was taken away",
            Model([CHARGE, NOTHING], faults=3, reuses_ids=True, two_workers=False),
            id="ids are used again",
        ),
        pytest.param(
            "doubled", Model([CHARGE], reads_stale=True, **ALONE), id="a read doesn't see earlier writes"
        ),
        pytest.param("doubled", Model([CHARGE], forgets_entries=True, **ALONE), id="an entry isn't durable"),
        pytest.param("doubled", Model([CHARGE], checks_leases=False), id="a lease is never checked"),
        pytest.param(
            "doubled", Model([CHARGE], keeps_marks=False, makes=Guesses, **ALONE), id="guesses without a mark"
        ),
        pytest.param(
            "doubled",
            Model([CHARGE], marks=False, mixes_refusals=True, **ALONE),
            id="a refusal is the answer to another call, and no mark tells",
        ),
        pytest.param("doubled", Model([CHARGE], makes=Impatient, **ALONE), id="waits for nothing"),
        pytest.param("doubled", Model([CHARGE], makes=Forgetful, **ALONE), id="has no journal"),
        pytest.param("wrong quantity", Model([FULL], makes=Trusting, **ALONE), id="reads nothing back"),
    ],
)
def test_each_assumption_matters(violation: str, model: Model) -> None:
    """Without this rule, the same exploration finds a wrong state."""
    model.explore(stop_at_first=violation)
    found = [wrong for wrong, _ in model.violations]
    assert violation in found, f"{model.states} states, {found}"
