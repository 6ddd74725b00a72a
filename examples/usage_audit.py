"""One usage audit for four billing systems, for cron.

    python examples/usage_audit.py accounts.toml             # a dry run: prints the changes only
    python examples/usage_audit.py accounts.toml --apply

Run this program every hour, but never twice at the same time (`flock audit.lock python usage_audit.py …`).
You can repeat or interrupt a run at any point, because a journal records what was done. The program exits
with 1 if a person must check an outcome.

Adapt `blocks_used`. accounts.toml contains the logins. Leave out the systems that you don't want to audit:

    [cheddar]
    product = "ACME"
    user = "desk@acme.example"
    password = "…"
    items = { blocks = "GB25" }

    [fusebill]
    key = "…"
    items = { blocks = "GB25" }

    [cleverbridge]
    user = "grace"
    password = "…"
    subscriptions = ["S1001"]
    items = { blocks = 2 }

    [chargemonk]                     # the call that adds a charge is inferred: see its client
    token = "…"
    subscriptions = { mill = 2026-04-17T00:00:00Z }
    prices = { blocks = "1.00" }
    add_charge_path = "addCharge"
"""

import argparse
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import tallyhook
from tallyhook import chargemonk, cleverbridge, fusebill
from tallyhook.audit import (
    Audit,
    Chargemonk,
    Cheddar,
    Cleverbridge,
    FileJournal,
    Fusebill,
    System,
    apply,
)


def blocks_used(system: str, account: str) -> int:
    return 8  # ask your own database here; for example, 200 GB above the plan are 8 blocks of 25


def usage(audit: Audit) -> None:
    """Declare the usage, in the same way for all systems.

    Declare a usage of 0 too, because otherwise the current quantity would be billed.
    """
    audit.set_quantity("blocks", blocks_used(audit.window.system, audit.window.account))
    audit.run_when_done()


def systems(accounts: dict[str, Any], clients: ExitStack) -> Iterator[System]:
    """Yield the systems in accounts.toml. To test against a mock, give a system its `url`."""
    if given := accounts.get("cheddar"):
        url = {"base_url": given["url"]} if "url" in given else {}
        client = tallyhook.Client(given["product"], given["user"], given["password"], **url)
        yield Cheddar(clients.enter_context(client), given["items"])
    if given := accounts.get("fusebill"):
        url = {"base_url": given["url"]} if "url" in given else {}
        yield Fusebill(clients.enter_context(fusebill.Client(given["key"], **url)), given["items"])
    if given := accounts.get("cleverbridge"):
        url = {"base_url": given["url"]} if "url" in given else {}
        caller = cleverbridge.Client(given["user"], given["password"], **url)
        yield Cleverbridge(clients.enter_context(caller), given["subscriptions"], given["items"])
    if given := accounts.get("chargemonk"):
        url = {"base_url": given["url"]} if "url" in given else {}
        monk = chargemonk.Client(given["token"], add_charge_path=given.get("add_charge_path"), **url)
        prices = {name: Decimal(price) for name, price in given["prices"].items()}
        yield Chargemonk(clients.enter_context(monk), given["subscriptions"], prices)


def main() -> int:
    parser = argparse.ArgumentParser(description="Audit usage in all billing systems.")
    parser.add_argument("accounts", type=Path)
    parser.add_argument("--apply", action="store_true", help="change what differs, and execute what waits")
    parser.add_argument("--journal", type=Path, default=Path("audit.jsonl"))
    parser.add_argument("--now", help="the moment to take for the present, for a mock's clock")
    options = parser.parse_args()
    now = datetime.fromisoformat(options.now) if options.now else None
    accounts = tomllib.loads(options.accounts.read_text("utf-8"))
    is_good = True
    with ExitStack() as clients:
        for outcome in apply(
            usage,
            systems(accounts, clients),
            FileJournal(options.journal),
            dry_run=not options.apply,
            now=None if now is None else lambda: now,
        ):
            sys.stdout.write(f"{outcome}\n\n")
            is_good = is_good and outcome.is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
