"""`python -m benchmarks.review`: reviews with a journal, compared with the same calls without a journal."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.measure import alternate, median, ratio, report
from benchmarks.review.billing import CREDIT, PRODUCT, SECRET, Announced, billing
from tallyhook import AsyncClient, InvoicePeriod
from tallyhook._call import Call
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, Receiver, State

GIGABYTES = Decimal("12.5")
AMOUNT = Decimal("1.25")
WHY = "seat added on the 16th"
CALLS = 4  # for each customer: read, set the quantity, add the credit, read back

T = TypeVar("T")

Work = Callable[[Announced], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review", description=__doc__)
    parser.add_argument("--customers", type=int, default=200, help="a round (default 200)")
    parser.add_argument("--at-once", type=int, default=16, help="reviews under way (default 16)")
    parser.add_argument("--rounds", type=int, default=10, help="that count (default 10)")
    options = parser.parse_args()
    rounds, customers = options.rounds, options.customers
    everybody = customers * (rounds + 1)
    with asyncio.Runner() as runner, ExitStack() as running:

        def side(make: Callable[[str, int], AbstractAsyncContextManager[Work]]) -> Callable[[], float]:
            url, announced = running.enter_context(billing(everybody))
            work = runner.run(stack.enter_async_context(make(url, everybody)))
            waiting = iter(announced)
            audits.append(lambda: _audit(url, announced))
            return lambda: runner.run(_rate(work, list(islice(waiting, customers)), options.at_once))

        stack, audits = AsyncExitStack(), list[Callable[[], Coroutine[Any, Any, None]]]()
        rates = alternate(rounds, review=side(_review), script=side(_script))
        runner.run(stack.aclose())
        for audit in audits:
            runner.run(audit())
    of_script = ratio(rates["review"], rates["script"])
    review, script = median(rates["review"]), median(rates["script"])
    report(
        f"Reviews of {customers} customers, {options.at_once} at a time (medians of {rounds} rounds)",
        [
            ("review, journal in SQLite", f"{review:.0f}", f"{of_script:.2f}"),
            ("script, no journal", f"{script:.0f}", "1"),
        ],
        ["", "customers/s", "ratio"],
        {"ratio_review": of_script, "reviews_per_s": review, "script_per_s": script},
    )


@asynccontextmanager
async def _review(url: str, customers: int) -> AsyncIterator[Work]:
    """Yield a function that lets a receiver handle a hook, from the signature to the acknowledgement."""
    with tempfile.TemporaryDirectory(prefix="tallyhook-review-") as directory:
        async with _Counting(url) as client:
            receiver = Receiver(Cheddar(PRODUCT, SECRET, client), inbox=Path(directory) / "inbox.sqlite")

            @receiver.review
            async def audit(review: Review) -> None:
                review.set_quantity("GB", GIGABYTES)
                review.credit(CREDIT, AMOUNT, WHY)

            async def work(hook: Announced) -> None:
                answer = await receiver.handle("POST", hook.headers, hook.body)
                if answer.status != 200:
                    raise RuntimeError(f"{hook.customer}: {answer}")

            async with receiver:
                yield work
                assert client.calls == CALLS * customers
                stats = await receiver.inbox.stats()
                # Each journal has the entries Declared, Adding, Added and Verified, which cost time.
                assert stats.hooks == {State.DONE: customers}
                assert stats.entries == 4 * customers


@asynccontextmanager
async def _script(url: str, customers: int) -> AsyncIterator[Work]:
    """Yield a function that makes the same calls without a journal: read, set, charge, read back."""
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

        yield work
        assert client.calls == CALLS * customers


class _Counting(AsyncClient):
    """A client that counts its calls, to check that both sides make the same number."""

    def __init__(self, url: str) -> None:
        super().__init__(PRODUCT, "ops@example.com", "pass", base_url=url)
        self.calls = 0

    async def send(self, call: Call[T], *, check: Callable[[], None] | None = None) -> T:
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


async def _audit(url: str, announced: Sequence[Announced]) -> None:
    """Check on every tenth invoice that the work was done exactly once."""
    async with _Counting(url) as client:
        for hook in announced[::10]:
            customer = await client.get_customer(hook.customer)
            invoice = customer.subscription.outstanding_invoice
            assert invoice is not None
            assert [charge.each_amount for charge in invoice.charges if charge.code == CREDIT] == [-AMOUNT]


if __name__ == "__main__":
    main()
