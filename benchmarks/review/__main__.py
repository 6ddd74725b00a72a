"""`python -m benchmarks.review`: reviews with a journal, beside the same calls without one."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.measure import alternate, median, report
from benchmarks.review.billing import CREDIT, PRODUCT, SECRET, Announced, billing
from tallyhook import AsyncClient, InvoicePeriod
from tallyhook.review import Review
from tallyhook.sending import Sendable
from tallyhook_receiver import Product, Receiver, State

GIGABYTES = Decimal("12.5")
AMOUNT = Decimal("1.25")
WHY = "seat added on the 16th"
CALLS = 4  # for each customer: read, set the quantity, add the credit, read back

T = TypeVar("T")

Play = Callable[[str, Sequence[Announced], int], Coroutine[Any, Any, float]]
Work = Callable[[Announced], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review", description=__doc__)
    parser.add_argument("--customers", type=int, default=1000, help="a round (default 1000)")
    parser.add_argument("--at-once", type=int, default=16, help="reviews under way (default 16)")
    parser.add_argument("--rounds", type=int, default=3, help="that count (default 3)")
    options = parser.parse_args()

    def side(play: Play) -> Callable[[], float]:
        def run() -> float:
            with billing(options.customers) as (url, announced):
                return asyncio.run(play(url, announced, options.at_once))

        return run

    rates = alternate(options.rounds, review=side(_review), script=side(_script))
    review, script = median(rates["review"]), median(rates["script"])
    report(
        f"Reviews of {options.customers} customers, {options.at_once} at a time",
        [
            ("review, journal in SQLite", f"{review:.0f}", f"{review / script:.2f}"),
            ("script, no journal", f"{script:.0f}", "1"),
        ],
        ["", "customers/s", "ratio"],
        {"ratio_review": review / script, "reviews_per_s": review, "script_per_s": script},
    )


async def _review(url: str, announced: Sequence[Announced], at_once: int) -> float:
    """Reviews a second: each hook goes through a receiver, from its signature to its acknowledgement."""
    with tempfile.TemporaryDirectory(prefix="tallyhook-review-") as directory:
        async with _Counting(url) as client:
            receiver = Receiver(Product(PRODUCT, SECRET, client), inbox=Path(directory) / "inbox.sqlite")

            @receiver.review
            async def audit(review: Review) -> None:
                review.set_quantity("GB", GIGABYTES)
                review.credit(CREDIT, AMOUNT, WHY)

            async def work(hook: Announced) -> None:
                answer = await receiver.handle("POST", hook.headers, hook.body)
                if answer.status != 200:
                    raise RuntimeError(f"{hook.customer}: {answer}")

            async with receiver:
                rate = await _rate(work, announced, at_once)
                assert client.calls == CALLS * len(announced)
                stats = await receiver.inbox.stats()
                # Declared, adding and added: that is what is paid for.
                assert stats.hooks == {State.DONE: len(announced)}
                assert stats.entries == 3 * len(announced)
            await _audit(client, announced)
    return rate


async def _script(url: str, announced: Sequence[Announced], at_once: int) -> float:
    """The same customers by a script that trusts its luck: read, set, charge, read back."""
    async with _Counting(url) as client:

        async def work(hook: Announced) -> None:
            await client.get_customer(hook.customer)
            await client.set_item_quantity(
                hook.customer, "GB", GIGABYTES, invoice_period=InvoicePeriod.OUTSTANDING
            )
            await client.add_charge(
                hook.customer, CREDIT, 1, -AMOUNT, WHY, invoice_period=InvoicePeriod.OUTSTANDING
            )
            await client.get_customer(hook.customer)

        rate = await _rate(work, announced, at_once)
        assert client.calls == CALLS * len(announced)
        await _audit(client, announced)
    return rate


class _Counting(AsyncClient):
    """Counts its calls: both sides have to make the same."""

    def __init__(self, url: str) -> None:
        super().__init__(PRODUCT, "ops@example.com", "pass", base_url=url)
        self.calls = 0

    async def send(self, call: Sendable[T], *, check: Callable[[], None] | None = None) -> T:
        self.calls += 1
        return await super().send(call, check=check)


async def _rate(work: Work, announced: Sequence[Announced], at_once: int) -> float:
    waiting = iter(announced)

    async def worker() -> None:
        for hook in waiting:
            await work(hook)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return len(announced) / (time.perf_counter() - started)


async def _audit(client: AsyncClient, announced: Sequence[Announced]) -> None:
    """Both sides have done the work, and once: looked at on every tenth invoice."""
    for hook in announced[::10]:
        customer = await client.get_customer(hook.customer)
        invoice = customer.subscription.outstanding_invoice
        assert invoice is not None
        assert [charge.each_amount for charge in invoice.charges if charge.code == CREDIT] == [-AMOUNT]


if __name__ == "__main__":
    main()
