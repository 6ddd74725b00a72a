"""Audits usage before Cheddar bills it. Serve it with: uvicorn listener:app --port 8000"""

import os

from tallyhook import AsyncClient
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver

env = os.environ  # the defaults are those of `tallyhook mock`
url = env.get("CHEDDAR_URL", "http://127.0.0.1:8421/xml")
user, password = env.get("CHEDDAR_USER", "ops@example.com"), env.get("CHEDDAR_PASSWORD", "cheddar")
client = AsyncClient("ACME", user, password, base_url=url)
product = Cheddar("ACME", env.get("CHEDDAR_SECRET", "acme-secret-key"), client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))


async def gigabytes_used(customer: str, period: Period) -> int:
    return 15  # ask your own database here


@receiver.review
async def audit(review: Review) -> None:
    review.set_quantity("GB", await gigabytes_used(review.customer.code, review.period))
    review.credit("SORRY", "5.00", "slow on the 16th")


app = receiver.asgi
