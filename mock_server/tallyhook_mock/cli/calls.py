"""`tallyhook calls`: show the calls to a mock's billing APIs, and the answers."""

import sys
import time
from typing import Any

import click
from rich.text import Text

from tallyhook_mock.cli.cells import moment
from tallyhook_mock.cli.completion import customer_codes
from tallyhook_mock.cli.remote import Remote, mock_option, product_option
from tallyhook_receiver.cli.command import Command, json_option
from tallyhook_receiver.cli.output import json_text, print_json, say, table

__all__ = ["calls"]

_PAUSE = 0.25  # real seconds between polls with --follow


@click.command(cls=Command)
@click.option(
    "--customer", metavar="CODE", shell_complete=customer_codes, help="List only calls about this customer."
)
@click.option(
    "--action", metavar="ACTION", help="List only calls of this action, such as customers/add-charge."
)
@click.option("--failed", is_flag=True, help="List only calls that were refused or got no answer.")
@click.option("--follow", "-f", is_flag=True, help="Print calls as they are made, until Ctrl-C.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=10_000), default=50, help="The maximum number of calls."
)
@product_option
@mock_option
@json_option
def calls(
    customer: str | None,
    action: str | None,
    failed: bool,
    follow: bool,
    limit: int,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """List the latest calls to the billing APIs, newest last. Card data and passwords are never saved.

    With --follow and --json, the command prints one JSON object per line.

    Example: tallyhook calls --customer ada --failed

    Example: tallyhook calls --follow
    """
    remote = Remote(url)
    if product is not None:
        remote.product(product)
    wanted: dict[str, str | int | None]
    wanted = {"customer": customer, "action": action, "product": product}
    wanted |= {"failed": "true" if failed else None}
    newest = remote.get("/calls", {"order": "newest", "limit": 1})["calls"]
    found = remote.get("/calls", wanted | {"order": "newest", "limit": limit})["calls"][::-1]
    if not found:
        remote.say_if_unknown(customer)
    if follow:
        _follow(remote, wanted, found, newest[0]["number"] if newest else 0, as_json)
    elif as_json:
        print_json(found)
    else:
        columns = ("when (UTC)", "method", "action", "?product", "~customer", "status", ">ms", "~why")
        table(columns, map(_row, found), empty="There are no such calls.")


def _follow(
    remote: Remote, wanted: dict[str, str | int | None], found: list[Any], after: int, as_json: bool
) -> None:
    try:
        while True:
            for call in found:
                after = max(after, call["number"])
                if as_json:
                    click.echo(json_text(call))
                else:
                    say(Text("  ").join(_row(call)))
            sys.stdout.flush()
            time.sleep(_PAUSE)
            found = remote.get("/calls", wanted | {"after": str(after)})["calls"]
    except KeyboardInterrupt:
        return


def _row(call: dict[str, Any]) -> tuple[Text, ...]:
    is_good = call["status"] is not None and call["status"] < 400
    status = "dropped" if call["status"] is None else str(call["status"])
    why = " ".join(filter(None, (call["reason"], f"(fault {call['fault']})" if call["fault"] else "")))
    return (
        Text(moment(call["at"])),
        Text(call["method"]),
        Text(call["action"], "bold"),
        Text(call["product"] or call["system"]),
        Text(call["customer"]),
        Text(status, "green" if is_good else "red"),
        Text(f"{call['seconds'] * 1000:,.0f}"),
        Text(why),
    )
