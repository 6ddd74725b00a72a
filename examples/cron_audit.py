"""An audit without hooks: a job that finds the invoices that wait, puts usage on them, and runs them.

For a machine that nobody can reach from outside. Register any address that never answers 2xx for
`subscriptionBillable`: Cheddar then holds each invoice and waits, and this job reviews and runs what is
held.

    set -a; . examples/mock.env; set +a
    python examples/cron_audit.py            # says what would change, and changes nothing
    python examples/cron_audit.py --apply

Try it against `tallyhook mock --catalog examples/catalog.toml --frozen` after
`tallyhook clock advance 1mo`: nobody listens at port 8000 there. It is safe to run twice, and to be cut at
any point: what it added stands in its journal, and the next run goes on from there. A second one at the
same time ends with "database is locked".

Make it yours: `gigabytes_used` and the product's code. CHEDDAR_USER and CHEDDAR_PASSWORD come from the
environment, and a KeyError names the one that is missing. It exits with 1 if an invoice could not be done;
the others are.
"""

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from os import environ as env

from tallyhook import AsyncClient, Customer, Error, Invoice
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook.review.journal import Entry, decode, encode


def gigabytes_used(customer: str, period: Period) -> int:
    return 15  # ask your own database here: from period.start up to, and without, period.end


def audit(review: Review) -> None:
    review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))
    review.credit("SORRY", "5.00", "slow on the 16th")
    review.run_when_done()


class SqliteJournal:
    """What has been done to one invoice. Every entry is on the disk before the next call leaves."""

    def __init__(self, db: sqlite3.Connection, invoice: str) -> None:
        self.db, self.invoice = db, invoice

    async def entries(self) -> Sequence[Entry]:
        rows = self.db.execute("SELECT entry FROM journal WHERE invoice = ? ORDER BY rowid", (self.invoice,))
        return [decode(entry) for (entry,) in rows]

    async def append(self, entry: Entry) -> None:
        with self.db:
            self.db.execute("INSERT INTO journal VALUES (?, ?)", (self.invoice, encode(entry)))

    def check(self) -> None:
        """Nobody else can be at work on the invoice: the file is ours until the job ends."""


def held(customers: Iterable[Customer]) -> Iterator[tuple[Customer, Invoice]]:
    """The invoices that wait. One that was run and declined has a transaction: trying again is Cheddar's."""
    for customer in customers:
        invoice = customer.subscription.outstanding_invoice
        if invoice is not None and not invoice.transactions:
            yield customer, invoice


async def settle(client: AsyncClient, customer: Customer, journal: SqliteJournal, apply: bool) -> object:
    """What was done to the invoice, or what would be: either shows itself as a table."""
    review = Review.of(customer)
    audit(review)
    if apply:
        return await review.aapply(client, journal)
    return review.compare(customer, await journal.entries())


async def main(apply: bool) -> int:
    failures = 0
    user, password, url = env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], env.get("CHEDDAR_URL", BASE_URL)
    with closing(sqlite3.connect(env.get("JOURNAL", "cron_audit.sqlite"), timeout=0)) as db:
        db.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")  # until it is closed
        db.execute("CREATE TABLE IF NOT EXISTS journal (invoice TEXT, entry BLOB)")
        async with AsyncClient("ACME", user, password, base_url=url) as client:
            for customer, invoice in held(await client.get_customers()):
                try:
                    done = await settle(client, customer, SqliteJournal(db, invoice.id), apply)
                    sys.stdout.write(f"{customer.code}: {done}\n")
                except (Error, LookupError, ValueError) as error:
                    failures += 1
                    sys.stderr.write(f"{customer.code}: {error}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Put the usage on the invoices that wait, and run them.")
    parser.add_argument("--apply", action="store_true", help="do it, instead of saying what would be done")
    sys.exit(asyncio.run(main(parser.parse_args().apply)))
