"""A listener in an existing FastAPI application. It bills the usage that the application records.

Only the code below "new" and the `receiver` in the lifespan were added to the existing application.

Try it against the mock, in two terminals of a clone:

    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    uvicorn --app-dir examples fastapi_app:app --port 8000

Record some usage for Ada within the month, then advance the clock by a month and an hour:

    curl -X POST 'http://127.0.0.1:8000/downloads/ada?gigabytes=15&at=2026-01-16T12:00:00Z'
    tallyhook clock advance 1mo
    tallyhook clock advance 1h

Adapt the query, the product's code and the item. CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from
the environment. A KeyError names a missing variable.
"""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from os import environ as env

from fastapi import FastAPI
from pydantic import AwareDatetime
from starlette.routing import Route

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver


def database() -> sqlite3.Connection:
    return sqlite3.connect(env.get("DATABASE", "downloads.sqlite"))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    with closing(database()) as db:
        db.execute("CREATE TABLE IF NOT EXISTS downloads (customer, gigabytes INTEGER, at REAL)")
    async with client, receiver:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/downloads/{customer}")
def download(customer: str, gigabytes: int, at: AwareDatetime | None = None) -> None:
    moment = at or datetime.now(UTC)
    with closing(database()) as db, db:
        db.execute("INSERT INTO downloads VALUES (?, ?, ?)", (customer, gigabytes, moment.timestamp()))


# -- new

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))


def gigabytes_used(customer: str, period: Period) -> int:
    query = "SELECT coalesce(sum(gigabytes), 0) FROM downloads WHERE customer = ? AND at >= ? AND at < ?"
    with closing(database()) as db:
        (used,) = db.execute(query, (customer, period.start.timestamp(), period.end.timestamp())).fetchone()
    return int(used)


@receiver.review
def audit(review: Review) -> None:  # a plain function runs in a thread, so it may wait for the database
    review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))


app.router.routes.append(Route("/hooks", receiver.asgi))  # a mount would redirect, not acknowledge
