"""Writes docs/timeline.svg: a year of one customer, played on the mock over real HTTP.

Run it with `python docs/timeline.py`. A monthly plan with usage; a listener that fails twice, and one morning
for hours; a card that is declined once; a change of plan; credits, one larger than the bill.
"""

import asyncio
import logging
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tallyhook import AsyncClient, PaymentInput
from tallyhook.review import Review
from tallyhook_mock import Mock, create_app
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.server import serving
from tallyhook_mock.systems.cheddar.picture import tell
from tallyhook_receiver import Cheddar, Receiver

SECRET, USER, PASSWORD = "docs-secret-key", "ops@example.com", "docs"


def _plan(code: str, name: str, price: str, seats: int) -> dict[str, object]:
    gigabytes = {"code": "GB", "name": "Gigabytes", "overageAmount": "2.50", "isPeriodic": True}
    desks = {"code": "SEAT", "name": "Seats", "quantityIncluded": seats, "overageAmount": "10.00"}
    return {"code": code, "name": name, "recurringChargeAmount": price, "items": [gigabytes, desks]}


CATALOG = {
    "users": [{"email": USER, "password": PASSWORD}],
    "products": [
        {
            "code": "ACME",
            "name": "Acme",
            "secret": SECRET,
            "plans": [_plan("SMALL", "Small", "20.00", 1), _plan("TEAM", "Team", "60.00", 4)],
        }
    ],
}
# What was used each month, as the app counts it on the way and as the review finds it in the end.
COUNTED = {1: 3, 2: 6, 3: 5, 4: 9, 5: 12, 6: 10, 7: 15, 8: 11, 9: 14, 10: 8, 11: 16, 12: 7}
USED = {month: count + (month % 3 == 0) * 2 for month, count in COUNTED.items()}
CREDITS = {4: ("SORRY", "5.00", "slow on the 16th"), 10: ("GOODWILL", "120.00", "a week without service")}
# How often the listener fails in a month's review.
FAILURES = {4: 2, 7: 5}


async def play() -> str:
    """The picture of the year."""
    mock = Mock(CATALOG, start=datetime(2026, 1, 1, 9, tzinfo=UTC))
    logging.getLogger("tallyhook.receiver").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="tallyhook-docs-") as directory:
        async with (
            serving(create_app(mock)) as url,
            AsyncClient("ACME", USER, PASSWORD, base_url=f"{url}/xml") as client,
            serving(_listener(client, Path(directory) / "inbox.sqlite").asgi) as listener,
        ):
            mock.listen("ACME", f"{listener}/hooks", frozenset({"subscriptionBillable"}))
            card = PaymentInput(
                cc_number="4111111111111111",
                cc_expiration="12/2030",
                cc_first_name="Ada",
                cc_last_name="Example",
                cc_zip="90210",
            )
            await client.new_customer("ada", "Ada", "Example", "ada@example.com", "SMALL", payment=card)
            for month, count in COUNTED.items():
                await _month(mock, client, month, count)
    return paint(tell(mock, mock.state.customer(mock.product(), "ada")))


async def _month(mock: Mock, client: AsyncClient, month: int, count: int) -> None:
    for day, share in ((6, 3), (13, 2), (24, 1)):
        await mock.advance(datetime(2026, month, day, 15, tzinfo=UTC))
        await client.set_item_quantity("ada", "GB", count // share)
        if (month, day) == (6, 13):
            await client.edit_subscription("ada", plan_code="TEAM")
        if (month, day) in ((3, 13), (6, 24), (9, 6)):
            await client.add_item_quantity("ada", "SEAT")
    if month == 8:
        await client.add_charge("ada", "TRAINING", 1, "45.00", "an afternoon")
    if month == 9:
        mock.decline(mock.state.customer(mock.product(), "ada"), 1)
    await mock.advance(datetime(2026 + month // 12, month % 12 + 1, 4, 12, tzinfo=UTC))


def _listener(client: AsyncClient, inbox: Path) -> Receiver:
    receiver = Receiver(Cheddar("ACME", SECRET, client), inbox=inbox)
    failed: Counter[int] = Counter()

    @receiver.review
    async def audit(review: Review) -> None:
        month = review.period.start.month
        if failed[month] < FAILURES.get(month, 0):
            failed[month] += 1
            raise ConnectionError("the usage database does not answer")
        review.set_quantity("GB", USED[month])
        if month in CREDITS:
            review.credit(*CREDITS[month])

    return receiver


def document() -> str:
    """The whole of docs/timeline.svg."""
    return asyncio.run(play())


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(document(), "utf-8")
