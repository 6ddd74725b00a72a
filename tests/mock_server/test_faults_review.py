"""An invoice review through the real receiver and client, with one thing going wrong at a time."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tallyhook import AsyncClient
from tallyhook.review import Review
from tallyhook_mock import Fault, FaultKind
from tallyhook_receiver import Cheddar, Receiver

from ..end_to_end.stage import BILLED, HOUR, PASSWORD, SECRET, USER, Stage, stage

READ, SET, ADD = "customers/get", "customers/set-item-quantity", "customers/add-charge"
RUN = "customers/run-outstanding"
LOST = (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.TRUNCATE)
# 20.00 a month, 13 units above the two included, and a charge.
TOTAL = Decimal("59.50")

IN_CALLS = [
    *[Fault(kind, action=action) for kind in LOST for action in (READ, SET, ADD, RUN)],
    *[Fault(FaultKind.ERROR, action=action, retry_after=0) for action in (READ, SET, ADD, RUN)],
    *[Fault(FaultKind.ERROR, action=ADD, status=status) for status in (500, 502)],
    Fault(FaultKind.LATENCY, action=ADD),
    # The reading that verifies, and more failures in a row than the client bears.
    Fault(FaultKind.DROP_AFTER, action=READ, nth=2),
    Fault(FaultKind.DROP_BEFORE, times=5),
    Fault(FaultKind.DROP_AFTER, times=5),
]
IN_BETWEEN = [
    # Each of the three times that the held invoice is wanted, and all of them.
    *[Fault(FaultKind.LOCK, nth=nth) for nth in (1, 2, 3)],
    Fault(FaultKind.LOCK, times=3),
    Fault(FaultKind.DUPLICATE),
    Fault(FaultKind.REORDER),
    Fault(FaultKind.TIMEOUT, seconds=0.05),
    Fault(FaultKind.LOSE_ANSWER),
    Fault(FaultKind.LOSE_ANSWER, times=3),
]


def named(fault: Fault) -> str:
    where = fault.action.rpartition("/")[2]
    status = str(fault.status) if fault.kind is FaultKind.ERROR else ""
    return " ".join(filter(None, (fault.kind, status, where, f"{fault.nth}x{fault.times or 1}")))


def audited(receiver: Receiver, *, runs: bool) -> None:
    """Have the receiver review invoices."""

    @receiver.review
    async def audit(review: Review) -> None:
        review.set_quantity("GB", 15)
        review.charge("SUPPORT", "7.00")
        if runs:
            review.run_when_done()


async def amounts(on: Stage) -> list[Decimal]:
    return [amount for _, amount in await on.collected("C1")]


async def billed_under(fault: Fault, inbox: Path, *, runs: bool) -> list[Decimal]:
    """What a customer has paid when everything has come to rest."""
    async with stage() as on:
        receiver = on.receiver(inbox)
        audited(receiver, runs=runs)
        async with on.listening(receiver):
            await on.subscribe("C1", "TWO")
            armed = on.mock.plan(fault)
            await on.advance(BILLED + 24 * HOUR)
        assert armed.is_over
        return await amounts(on)


@pytest.mark.parametrize("fault", IN_CALLS + IN_BETWEEN, ids=named)
async def test_an_invoice_that_is_run_at_once_is_charged_once_and_in_full(
    tmp_path: Path, fault: Fault
) -> None:
    assert await billed_under(fault, tmp_path / "inbox.sqlite", runs=True) == [Decimal("20.00"), TOTAL]


@pytest.mark.parametrize("fault", IN_BETWEEN, ids=named)
async def test_so_is_one_that_the_engine_runs(tmp_path: Path, fault: Fault) -> None:
    assert await billed_under(fault, tmp_path / "inbox.sqlite", runs=False) == [Decimal("20.00"), TOTAL]


async def test_a_charge_that_arrives_after_its_client_gave_up_is_not_added_again(tmp_path: Path) -> None:
    async with (
        stage() as on,
        AsyncClient("ACME", USER, PASSWORD, base_url=f"{on.url}/xml", backoff=0, timeout=1) as impatient,
    ):
        receiver = Receiver(Cheddar("ACME", SECRET, impatient), inbox=tmp_path / "inbox.sqlite")
        late: list[bool] = []

        def has_arrived() -> bool:
            invoice = on.mock.state.customer(on.mock.product(), "C1").subscription.outstanding
            return invoice is not None and "SUPPORT" in [charge.code for charge in invoice.charges]

        @receiver.review
        async def audit(review: Review) -> None:
            late.append(armed.struck == 1 and not has_arrived())
            while armed.struck and not has_arrived():
                await asyncio.sleep(0.01)
            review.charge("SUPPORT", "7.00")

        async with on.listening(receiver):
            await on.subscribe("C1", "FLAT")
            armed = on.mock.plan(Fault(FaultKind.LATENCY, action=ADD, seconds=3))
            await on.advance(BILLED + 24 * HOUR)
        assert late == [False, True]
        assert await amounts(on) == [Decimal("20.00"), Decimal("27.00")]


@pytest.mark.parametrize("seed", range(4))
async def test_nor_when_much_goes_wrong_at_once(tmp_path: Path, seed: int) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")
        audited(receiver, runs=seed % 2 == 0)
        async with on.listening(receiver):
            await on.subscribe("C1", "TWO")
            for kind in FaultKind:
                often = 0.2 if kind is not FaultKind.LATENCY else 0.05
                options = {"retry_after": 0} if kind is FaultKind.ERROR else {}
                on.mock.plan(Fault(kind, probability=often, seed=seed, customer="C1", **options))
            await on.advance(BILLED + timedelta(days=20))
            on.mock.faults.clear()
            await on.advance(timedelta(days=5))
        assert await amounts(on) == [Decimal("20.00"), TOTAL]
