"""Approval by a person: a large invoice is announced in a chat, and held until somebody approves it.

`NotYet` refuses the hook, so Cheddar holds the invoice and sends the hook again. People approve a total: if
the usage changes after the approval, the application asks the chat again. Anybody who has the link in the
message can approve the invoice, so use a chat in which everybody is allowed to. Opening the link changes
nothing, because chats open links to preview them.

    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    export CHAT_URL=https://hooks.slack.com/services/…    # any address that takes {"text": "…"}
    uvicorn --app-dir examples approval:app --port 8000

To get the message, advance the clock by a month (`tallyhook clock advance 1mo`). Open the link, press the
button, and advance the clock by a day.

Adapt LIMIT, `gigabytes_used`, the product's code, and PUBLIC_URL, the public address of this application.
CHAT_URL, CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the environment. A KeyError names a
missing variable.
"""

import secrets
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from html import escape
from os import environ as env

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tallyhook import AsyncClient, Id
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Changes, Period, Review
from tallyhook_receiver import Cheddar, NotYet, Receiver

LIMIT = Decimal("75.00")  # smaller invoices need no approval
PUBLIC_URL = env.get("PUBLIC_URL", "http://127.0.0.1:8000")
CHAT_URL = env["CHAT_URL"]

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))


def database() -> sqlite3.Connection:
    return sqlite3.connect(env.get("DATABASE", "approvals.sqlite"))


def gigabytes_used(customer: str, period: Period) -> int:
    return 15  # ask your own database here


@receiver.review
async def audit(review: Review) -> None:
    review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))
    changes = review.compare(await client.get_customer(Id(review.customer.id)))
    if changes.total_after >= LIMIT and not await is_agreed(review, changes):
        raise NotYet(retry_after=600)


async def is_agreed(review: Review, changes: Changes) -> bool:
    """Return whether somebody has approved this total. Ask the chat if it hasn't been asked yet."""
    key = (review.invoice.id, str(changes.total_after))
    with closing(database()) as db:
        with db:
            row = (*key, secrets.token_urlsafe(), f"{review.customer.code}\n{changes}")
            db.execute("INSERT OR IGNORE INTO approvals VALUES (?, ?, ?, ?, 0, 0)", row)
        query = "SELECT token, summary, asked, agreed FROM approvals WHERE invoice = ? AND total = ?"
        token, summary, asked, agreed = db.execute(query, key).fetchone()
        if not asked:
            async with httpx.AsyncClient() as chat:
                text = f"{summary}\nAgree: {PUBLIC_URL}/approvals/{token}"
                (await chat.post(CHAT_URL, json={"text": text})).raise_for_status()
            with db:  # only after posting, because it's better to ask twice than never
                db.execute("UPDATE approvals SET asked = 1 WHERE token = ?", (token,))
    return bool(agreed)


def approval(request: Request) -> HTMLResponse:
    """Show the waiting invoice (GET) or approve it (POST)."""
    token = (request.path_params["token"],)
    with closing(database()) as db, db:
        if request.method == "POST":
            db.execute("UPDATE approvals SET agreed = 1 WHERE token = ?", token)
        found = db.execute("SELECT summary, agreed FROM approvals WHERE token = ?", token).fetchone()
    if found is None:
        return HTMLResponse("There is no such invoice.", 404)
    summary, agreed = found
    button = "Agreed." if agreed else "<form method=post><button>Bill this</button></form>"
    return HTMLResponse(f"<!doctype html><title>Approval</title><pre>{escape(summary)}</pre>{button}")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    with closing(database()) as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS approvals"
            " (invoice, total, token UNIQUE, summary, asked, agreed, PRIMARY KEY (invoice, total))"
        )
    async with client, receiver:
        yield


routes = [
    Route("/hooks", receiver.asgi),
    Route("/approvals/{token}", approval, methods=["GET", "POST"]),
]
app = Starlette(lifespan=lifespan, routes=routes)
