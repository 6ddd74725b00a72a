"""Tiered prices: Cheddar counts the gigabytes, the review charges what they come to.

A plan has one price per item. So here the plan includes 99999999.9 GB, which means no limit and costs
nothing, and the tiers stand below. Try it against the mock, in two terminals of a clone:

    tallyhook mock --catalog examples/metered.toml --frozen
    set -a; . examples/mock.env; set +a
    uvicorn --app-dir examples tiered_pricing:app --port 8000

Bea has used 612 GB: a month and an hour later (`tallyhook clock advance 1mo`, `… 1h`) she has paid 45.60.

Make it yours: TIERS, the plan, the item. CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the
environment, and a KeyError names the one that is missing.
"""

from decimal import ROUND_HALF_UP, Decimal
from os import environ as env

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, Receiver

PLAN, ITEM, CHARGE = "TRAFFIC", "GB", "TRAFFIC"
TIERS = (  # how many units, each at which price; the last tier has no end
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
    """What so many units cost: each tier exactly, and the sum rounded once."""
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
    used = review.quantity(ITEM)  # what Cheddar has counted; or ask your own database
    if amount := price(used):
        review.charge(CHARGE, amount, f"{used.normalize():f} {ITEM}")


app = receiver.asgi
