"""An audit without hooks: a job that finds held invoices, sets the usage on them, and runs them.

Use this job on a machine that can't be reached from outside. For the hook `subscriptionBillable`, register
any address that never answers with a 2xx. Cheddar then holds each invoice, and this job reviews and runs it.

    set -a; . examples/mock.env; set +a
    python examples/cron_audit.py            # a dry run: prints the changes only
    python examples/cron_audit.py --apply

Try it against `tallyhook mock --catalog examples/catalog.toml --frozen` after `tallyhook clock advance 1mo`,
with nothing listening at port 8000. You can run the job twice, and interrupt it at any point: its journal
records what it has added, so the next run continues where the last one stopped. If you start the job while it
is still running, it ends with "database is locked".

Adapt `gigabytes_used` and the product's code. CHEDDAR_USER and CHEDDAR_PASSWORD come from the environment. A
KeyError names a missing variable. If an invoice fails, the job still processes the others, and exits with 1.
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
    return 15  # ask your own database here, from period.start to period.end (excluded)


def audit(review: Review) -> None:
    review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))
    review.credit("SORRY", "5.00", "slow on the 16th")
    review.run_when_done()


class SqliteJournal:
    """The journal of one invoice. Each entry is saved to disk before the next call is sent."""

    def __init__(self, db: sqlite3.Connection, invoice: str) -> None:
        self.db, self.invoice = db, invoice

    async def entries(self) -> Sequence[Entry]:
        rows = self.db.execute("SELECT entry FROM journal WHERE invoice = ? ORDER BY rowid", (self.invoice,))
        return [decode(entry) for (entry,) in rows]

    async def append(self, entry: Entry) -> None:
        with self.db:
            self.db.execute("INSERT INTO journal VALUES (?, ?)", (self.invoice, encode(entry)))

    def check(self) -> None:
        """Do nothing, because the job locks the file, so no other job can work on the invoice."""


def held(customers: Iterable[Customer]) -> Iterator[tuple[Customer, Invoice]]:
    """Yield the held invoices, each with its customer.

    Declined invoices, which have a transaction, are left out, because Cheddar itself tries them again. So are
    those of canceled subscriptions, because running one would charge the customer and undo the cancellation.
    """
    for customer in customers:
        subscription = customer.subscription
        invoice = subscription.outstanding_invoice
        if invoice is not None and not (invoice.transactions or subscription.is_canceled):
            yield customer, invoice


async def settle(client: AsyncClient, customer: Customer, journal: SqliteJournal, apply: bool) -> object:
    """Apply the review if `apply` is True, otherwise only compare. Both results print as a table."""
    review = Review.of(customer)
    audit(review)
    if apply:
        return await review.aapply(client, journal)
    return review.compare(customer, await journal.entries())


async def main(apply: bool) -> int:
    failures = 0
    user, password, url = env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], env.get("CHEDDAR_URL", BASE_URL)
    with closing(sqlite3.connect(env.get("JOURNAL", "cron_audit.sqlite"), timeout=0)) as db:
        db.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")  # lock until closed
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
