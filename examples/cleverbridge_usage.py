"""Sends to Cleverbridge the usage of every subscription that renews tomorrow. Run this program once a day.

    python cleverbridge_usage.py usage.csv --dry-run

usage.csv has one line for each item that is billed in arrears, with all amounts in the same unit:

    subscription,item,used,included,block
    S1001,2,700,500,25

Include items that were not used: an item keeps its quantity until you set a new one, and Cleverbridge bills
that quantity. You can run the program twice, because it sets totals, and only those that differ.

The program logs in with CLEVERBRIDGE_USER and CLEVERBRIDGE_PASSWORD from the environment. If CLEVERBRIDGE_URL
is set, it uses this address. If a line fails, it still processes the other lines, and exits with 1. To try it
against the mock of docs/cleverbridge.md, pass the mock's time: `--now 2026-04-16`.
"""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tallyhook import Error
from tallyhook.cleverbridge import Client, Item, Subscription, billable_quantity
from tallyhook.tables import Column, Table


class Usage(NamedTuple):
    """A line of the usage file, with unparsed values."""

    subscription: str
    item: str
    used: str
    included: str
    block: str

    @property
    def of(self) -> tuple[str, str]:
        """The ids of the subscription and the item that the line is for."""
        return self.subscription, self.item

    @property
    def quantity(self) -> int:
        """The number of blocks to bill. For example, 200 GB above the included 500 are 8 blocks of 25."""
        return billable_quantity(self.used, self.included, self.block)


class Done(NamedTuple):
    """What was done for a line of the usage file."""

    line: Usage
    quantity: str
    outcome: str
    failed: bool = False


class Wrong(Exception):
    """The exception for a line that can't be processed."""


def read_usage(file: Path) -> list[Usage]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        table = csv.DictReader(lines, restval="")
        if missing := set(Usage._fields) - set(table.fieldnames or ()):
            raise ValueError(f"{file} has no column {', '.join(sorted(missing))}")
        return [Usage(*(line[name].strip() for name in Usage._fields)) for line in table]


def bill(client: Client, lines: list[Usage], now: datetime, *, dry_run: bool) -> Iterator[Done]:
    """Process all lines in order. An error in one line doesn't stop the other lines."""
    times = Counter(line.of for line in lines)
    for line in lines:
        shown = ""
        try:
            if times[line.of] > 1:  # each line sets a total, so the second would overwrite the first
                raise Wrong("this item has more than one line")
            quantity = line.quantity
            shown = str(quantity)
            yield Done(line, shown, set_quantity(client, line, quantity, now, dry_run=dry_run))
        except (Error, LookupError, ValueError, Wrong) as error:
            yield Done(line, shown, f"failed: {error}", failed=True)


def set_quantity(client: Client, line: Usage, quantity: int, now: datetime, *, dry_run: bool) -> str:
    """Set the quantity for one line, and return a text that says what was done."""
    subscription = client.get_subscription(line.subscription)
    if not renews_tomorrow(subscription, now):
        renewal = subscription.next_billing_date
        return f"left alone: renews {renewal:%Y-%m-%d}" if renewal else "left alone: does not renew"
    item = subscription.item(int(line.item))
    check(subscription, item, now)
    if item.quantity == quantity:
        return "as it is"
    # Only a preview returns prices.
    preview = client.update_subscription_item(subscription, item, quantity, preview=True)
    if not dry_run:
        client.update_subscription_item(subscription, item, quantity, generate_mail=False)
    verb, price = "would bill" if dry_run else "bills", preview.next_billing_customer_gross_price
    if price is None:
        return f"{verb} tomorrow, price unknown"
    return f"{verb} {price:.2f} {preview.price_currency_id} tomorrow"


def renews_tomorrow(subscription: Subscription, now: datetime) -> bool:
    renewal = subscription.next_billing_date
    return renewal is not None and renewal.date() == now.date() + timedelta(days=1)


def check(subscription: Subscription, item: Item, now: datetime) -> None:
    """Raise Wrong if the item's usage would be billed wrongly."""
    if not item.is_active:
        raise Wrong(f"item {item.running_no} is deactivated")
    reminder = subscription.next_billing_date_reminder
    if reminder is not None and reminder <= now:
        raise Wrong(f"too late: what arrives after {reminder:%Y-%m-%d %H:%M} counts for the renewal after")


def main() -> int:
    parser = argparse.ArgumentParser(description="Tell Cleverbridge what was used.")
    parser.add_argument("usage", type=Path, help="a table: subscription,item,used,included,block")
    parser.add_argument("--dry-run", action="store_true", help="ask for the prices only; change nothing")
    parser.add_argument(
        "--now", help="the moment to take for the present, for a mock whose clock tells another time"
    )
    options = parser.parse_args()
    now = datetime.fromisoformat(options.now) if options.now else datetime.now(UTC)
    now = now.replace(tzinfo=UTC) if now.tzinfo is None else now.astimezone(UTC)
    url = os.environ.get("CLEVERBRIDGE_URL", "https://rest.cleverbridge.com")
    try:
        user, password = os.environ["CLEVERBRIDGE_USER"], os.environ["CLEVERBRIDGE_PASSWORD"]
        lines = read_usage(options.usage)
    except KeyError as missing:
        parser.error(f"set {missing.args[0]} in the environment")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    with Client(user, password, base_url=url) as client:
        done = list(bill(client, lines, now, dry_run=options.dry_run))
    table = Table(
        title=f"usage on {now:%Y-%m-%d}{', dry run' if options.dry_run else ''}",
        columns=(
            Column("subscription"),
            Column("item"),
            Column("used", True),
            Column("quantity", True),
            Column(""),
        ),
        rows=tuple((each.line.subscription, each.line.item, each.line.used, *each[1:3]) for each in done),
    )
    sys.stdout.write(f"{table.text()}\n")
    return 1 if any(each.failed for each in done) else 0


if __name__ == "__main__":
    sys.exit(main())
