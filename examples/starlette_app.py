"""A Starlette application that is a listener, with a health check and a page that shows the receiver's work.

Try it against the mock, in two terminals of a clone:

    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    uvicorn --app-dir examples starlette_app:app --port 8000

Then advance the clock by a month and an hour: `tallyhook clock advance 1mo`, `tallyhook clock advance 1h`.

Adapt `gigabytes_used`, the product's code, and the check of who may see the page. CHEDDAR_USER,
CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the environment. A KeyError names a missing variable.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from os import environ as env

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))


async def gigabytes_used(customer: str, period: Period) -> int:
    return 15  # ask your own database here, from period.start to period.end (excluded)


@receiver.review
async def audit(review: Review) -> None:
    review.set_quantity("GB", await gigabytes_used(review.customer.code, review.period))


def is_operator(headers: Mapping[str, str]) -> bool:
    return False  # check your own sessions here


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    async with client, receiver:  # at the end, waits until running work is done, then closes both
        yield


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/hooks", receiver.asgi),
        Route("/healthz", receiver.asgi),
        Mount("/ops/inbox", receiver.page(check=is_operator)),
    ],
)
