"""Several customers due at the same time are reviewed concurrently, each with its own numbers."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from tests.end_to_end.stage import BILLED, stage

from tallyhook.review import Review


async def test_customers_are_reviewed_side_by_side(tmp_path: Path) -> None:
    together = asyncio.Barrier(5)
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")

        @receiver.review
        async def audit(review: Review) -> None:
            async with asyncio.timeout(20):
                await together.wait()  # waits until all are here
            review.set_quantity("GB", 2 + int(review.customer.code[1:]))

        codes = [f"C{number}" for number in range(5)]
        for code in codes:
            await on.subscribe(code, "TWO")
        async with on.listening(receiver):
            await on.advance(BILLED)
            await on.advance(timedelta(hours=1))
        for number, code in enumerate(codes):
            taken = [amount for when, amount in await on.collected(code) if when >= BILLED]
            assert taken == [Decimal("20.00") + number * Decimal("2.50")]
