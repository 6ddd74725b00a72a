"""A listener in an existing Flask application. It bills the usage that the application records.

Only the code below "new" was added to the application. Any other WSGI application works in the same way.

    pip install 'tallyhook[receiver,mock]' flask gunicorn
    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    gunicorn --pythonpath examples --threads 8 --bind 127.0.0.1:8000 flask_app:application

Record some usage for Ada within the month, then advance the clock by a month and an hour:

    curl 'http://127.0.0.1:8000/downloads/ada' -d gigabytes=15 -d at=2026-01-16T12:00:00Z
    tallyhook clock advance 1mo
    tallyhook clock advance 1h

Adapt the query, the product's code and the item. A hook blocks its thread while it is handled, so use more
than one thread. CHEDDAR_USER, CHEDDAR_PASSWORD and CHEDDAR_SECRET come from the environment. A KeyError names
a missing variable.
"""

import sqlite3
from contextlib import closing
from datetime import datetime
from os import environ as env

from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver


def database() -> sqlite3.Connection:
    return sqlite3.connect(env.get("DATABASE", "downloads.sqlite"))


with closing(database()) as db:
    db.execute("CREATE TABLE IF NOT EXISTS downloads (customer, gigabytes INTEGER, at REAL)")

app = Flask(__name__)


@app.post("/downloads/<customer>")
def download(customer: str) -> tuple[str, int]:
    gigabytes, at = int(request.form["gigabytes"]), datetime.fromisoformat(request.form["at"])
    with closing(database()) as db, db:
        db.execute("INSERT INTO downloads VALUES (?, ?, ?)", (customer, gigabytes, at.timestamp()))
    return "", 204


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
def audit(review: Review) -> None:
    review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))


application = DispatcherMiddleware(app, {"/hooks": receiver.wsgi})  # serve this instead of `app`
