"""The plan of faults: whom they strike, when, and what can't be planned."""

from datetime import timedelta
from typing import Any

import pytest

from tallyhook_mock.faults import Armed, Fault, FaultKind, Faults


def struck(*fault: Fault, calls: int = 12, customer: str = "ida") -> str:
    """Which of some calls are struck: the kind's first letter, or a dot."""
    faults = Faults()
    for each in fault:
        faults.add(each)
    found = [faults.for_call("customers/get", customer, on_outstanding=False) for _ in range(calls)]
    return "".join(each.kind[0] if each else "." for each in found)


@pytest.mark.parametrize(
    ("when", "calls"),
    [
        ({}, "t..........."),
        ({"times": 3}, "ttt........."),
        ({"nth": 4}, "...t........"),
        ({"nth": 4, "times": 2}, "...tt......."),
        ({"probability": 0.0}, "............"),
        ({"probability": 1.0}, "tttttttttttt"),
        ({"probability": 1.0, "times": 2}, "tt.........."),
        ({"probability": 1.0, "nth": 10}, ".........ttt"),
    ],
)
def test_when_it_strikes(when: dict[str, Any], calls: str) -> None:
    assert struck(Fault(FaultKind.TRUNCATE, **when)) == calls


def test_a_seed_strikes_the_same_calls_again_and_another_seed_others() -> None:
    def drawn(seed: int, **options: Any) -> str:
        return struck(Fault(FaultKind.TRUNCATE, probability=0.3, seed=seed, **options), calls=400)

    assert drawn(1) == drawn(1) != drawn(2)
    assert 80 < drawn(1).count("t") < 160
    assert "t" in drawn(1)[:4]  # so that the next line says something
    assert drawn(1, nth=5) == "...." + drawn(1)[4:]  # a draw belongs to its place in the row


def test_kinds_with_the_same_seed_do_not_strike_the_same_calls() -> None:
    drawn = [
        struck(Fault(kind, probability=0.3, seed=1), calls=200).replace(kind[0], "x")
        for kind in (FaultKind.TRUNCATE, FaultKind.LATENCY)
    ]
    assert drawn[0] != drawn[1]


def test_one_fault_strikes_a_call_the_first_that_was_planned() -> None:
    once, always = Fault(FaultKind.TRUNCATE, nth=2), Fault(FaultKind.LATENCY, probability=1)
    assert struck(once, always, calls=4) == "ltll"
    assert struck(always, once, calls=4) == "llll"
    # Who had to stand back is not used up.
    assert struck(once, Fault(FaultKind.LATENCY, nth=2), calls=4) == ".tl."


def test_others_do_not_disturb_the_draws() -> None:
    drawn = Fault(FaultKind.TRUNCATE, probability=0.5, seed=3)
    alone = struck(drawn, calls=50)
    between = struck(drawn, Fault(FaultKind.LATENCY, probability=0.5, seed=3), calls=50)
    assert between.replace("l", ".") == alone


def test_whom_it_strikes() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.ERROR, action="customers/add-charge", customer="ida", probability=1))
    faults.add(Fault(FaultKind.TIMEOUT, type="subscriptionBillable", customer="ida", probability=1))
    faults.add(Fault(FaultKind.LOCK, customer="ida", probability=1))

    def kind(fault: Fault | None) -> str:
        return fault.kind if fault else ""

    for action, customer, on_outstanding, expected in [
        ("customers/add-charge", "ida", False, "error"),
        ("customers/add-charge", "ida", True, "error"),
        ("customers/add-charge", "eve", True, ""),
        ("customers/get", "ida", False, ""),
        ("customers/get", "ida", True, "lock"),
        ("plans/get", "", False, ""),
    ]:
        assert kind(faults.for_call(action, customer, on_outstanding=on_outstanding)) == expected
    assert kind(faults.for_delivery("subscriptionBillable", "ida")) == "timeout"
    assert faults.for_delivery("subscriptionBillable", "eve") is None
    assert faults.for_delivery("transaction", "ida") is None
    assert kind(faults.for_execution("ida")) == "lock"
    assert faults.for_execution("eve") is None


def test_it_counts_what_it_met_and_struck_and_says_when_it_is_over() -> None:
    faults = Faults()
    armed = faults.add(Fault(FaultKind.TRUNCATE, nth=2))
    counts = []
    for _ in range(3):
        counts.append((armed.met, armed.struck, armed.is_over, faults.are_over))
        faults.for_call("plans/get", "", on_outstanding=False)
    assert counts == [(0, 0, False, False), (1, 0, False, False), (2, 1, True, True)]
    endless = faults.add(Fault(FaultKind.DROP_AFTER, probability=0))
    assert not endless.is_over
    faults.clear()
    assert list(faults) == []
    assert faults.are_over
    assert isinstance(endless, Armed)


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        (FaultKind.LATENCY, {"status": 500}, "status: not for latency"),
        (FaultKind.LATENCY, {"type": "transaction"}, "type: not for latency"),
        (FaultKind.LATENCY, {"seconds": 0}, "seconds: more than 0"),
        (FaultKind.LATENCY, {"seconds": float("inf")}, "seconds: more than 0"),
        (FaultKind.LATENCY, {"seconds": float("nan")}, "seconds: more than 0"),
        (FaultKind.ERROR, {"status": 404}, "status: 500, 502 or 503"),
        (FaultKind.ERROR, {"status": 500, "retry_after": 5}, "only with status 503"),
        (FaultKind.ERROR, {"retry_after": -1}, "retry_after: from 0"),
        (FaultKind.LOCK, {"action": "customers/get"}, "action: not for lock"),
        (FaultKind.TIMEOUT, {"action": "customers/get"}, "action: not for timeout"),
        (FaultKind.DUPLICATE, {"by": timedelta(hours=1)}, "by: not for duplicate"),
        (FaultKind.REORDER, {"by": timedelta(0)}, "by: more than 0"),
        (FaultKind.REORDER, {"by": timedelta(days=1001)}, "at most 1000 days"),
        (FaultKind.REORDER, {"nth": 0}, "nth: at least 1, which is the next"),
        (FaultKind.REORDER, {"times": 0}, "times: at least 1"),
        (FaultKind.REORDER, {"probability": 1.01}, "probability: from 0 to 1"),
        (FaultKind.REORDER, {"probability": float("nan")}, "probability: from 0 to 1"),
    ],
)
def test_nonsense_is_refused(kind: FaultKind, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Fault(kind, **options)
