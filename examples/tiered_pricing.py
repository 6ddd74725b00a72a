"""Tiered prices: Cheddar counts the gigabytes, and the review adds a charge for them.

A plan can have only one price per item. So this plan includes 99999999.9 GB, which makes the item unlimited
and free, and the tiers are in this file. Try it against the mock, in two terminals of a clone:

    tallyhook mock --catalog examples/metered.toml --frozen
    set -a; . examples/mock.env; set +a
    uvicorn --app-dir examples tiered_pricing:app --port 8000

Bea has used 612 GB. Advance the clock by a month and an hour (`tallyhook clock advance 1mo`, `… 1h`), and she
has paid 45.60.

Adapt TIERS, the plan and the item. CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the
environment. A KeyError names a missing variable.
"""

from decimal import ROUND_HALF_UP, Decimal
from os import environ as env

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, Receiver

PLAN, ITEM, CHARGE = "TRAFFIC", "GB", "TRAFFIC"
TIERS = (  # the number of units and the price of each; the last tier has no limit
    (Decimal(100), Decimal("0.00")),
    (Decimal(400), Decimal("0.10")),
    (Decimal("Infinity"), Decimal("0.05")),
)

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))


def price(used: Decimal) -> Decimal:
    """Return the price of this many units. The tiers' exact prices are added, and the sum is rounded once."""
    amount = Decimal(0)
    for size, each in TIERS:
        units = min(used, size)
        amount += units * each
        used -= units
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


@receiver.review
async def audit(review: Review) -> None:
    if review.plan.code != PLAN:
        return
    used = review.quantity(ITEM)  # as counted by Cheddar; or ask your own database
    if amount := price(used):
        review.charge(CHARGE, amount, f"{used.normalize():f} {ITEM}")


app = receiver.asgi
