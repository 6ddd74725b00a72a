"""`tallyhook timeline` and `forecast`: show a customer's history and next invoices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tallyhook_mock.cli.cells import moment
from tallyhook_mock.cli.completion import customer_codes
from tallyhook_mock.cli.remote import Remote, mock_option, path, product_option, say_more
from tallyhook_mock.core.hooks import CHEDDAR
from tallyhook_mock.systems import SYSTEMS
from tallyhook_receiver.cli.command import USAGE, Command, fail, json_option
from tallyhook_receiver.cli.output import console, print_json, table

__all__ = ["forecast", "timeline"]


account_argument = click.argument(
    "customer",
    metavar="CUSTOMER",
    shell_complete=customer_codes,
    help="The customer's code. For Fusebill, the customer's id. For Cleverbridge and Chargemonk, the"
    " subscription's id.",
)
system_option = click.option(
    "--system",
    type=click.Choice(tuple(SYSTEMS)),
    default=CHEDDAR,
    help="The billing system.",
)

# Narrower terminals have no room for all columns.
_ROOMY = 120


def _account_path(system: str, account: str, *more: str) -> str:
    """Return an account's path in the control API, extended by the names in `more`."""
    names = (SYSTEMS[system],) if system == CHEDDAR else (system, SYSTEMS[system])
    return path(*names, account, *more)


@click.command(cls=Command)
@account_argument
@click.option(
    "--svg",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the timeline to scale in this SVG file, instead of printing it.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), show_default="all", help="The maximum number of entries."
)
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help="Show only entries whose number is higher than NUMBER.",
)
@system_option
@product_option
@mock_option
@json_option
def timeline(
    customer: str,
    svg: Path | None,
    limit: int | None,
    after: int | None,
    system: str,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Show a customer's history, oldest event first.

    Example: tallyhook timeline ada --svg ada.svg
    """
    mock = Remote(url)
    wanted = {"product": mock.product_of(customer, product) if system == CHEDDAR else product}
    if svg is not None:
        picture = mock.get(_account_path(system, customer, "timeline.svg"), wanted)
        try:
            svg.write_text(picture, "utf-8")
        except OSError as error:
            fail(f"{svg} can't be written: {error.strerror}", USAGE)
        click.echo(f"{svg} is written.")
        return
    answer = mock.get(_account_path(system, customer, "timeline"), wanted | {"limit": limit, "after": after})
    entries = answer["timeline"]
    if as_json:
        print_json(entries)
        say_more(answer.get("next"))
        return
    rows: list[tuple[str, ...]] = [
        (
            moment(entry["at"]),
            entry["kind"],
            "" if entry["invoice"] is None else f"#{entry['invoice']}",
            entry["amount"] or "",
            _note(entry),
            entry["actor"],
        )
        for entry in entries
    ]
    columns: tuple[str, ...] = ("when (UTC)", "what", ">invoice", ">amount", "~note", "~who")
    if console().width < _ROOMY:
        columns, rows = ("when (UTC)", "~what"), [_folded(*row) for row in rows]
    table(columns, rows, empty="Nothing has happened.")
    say_more(answer.get("next"))


def _folded(when: str, what: str, invoice: str, amount: str, note: str, who: str) -> tuple[str, str]:
    """Return a row of two cells for a narrow terminal. The note is on the second line of the second cell."""
    facts = "  ".join(filter(None, (what, invoice, amount, who)))
    return when, "\n".join(filter(None, (facts, note)))


def _note(entry: Mapping[str, Any]) -> str:
    """Return the entry's note. The item is put in front of the note, unless the note begins with the item."""
    item, note = str(entry["item"]), str(entry["note"])
    return note if note.startswith(item) else f"{item}: {note}" if note else item


@click.command(cls=Command)
@account_argument
@click.option(
    "--invoices", type=click.IntRange(min=1, max=60), default=3, help="The number of invoices to show."
)
@system_option
@product_option
@mock_option
@json_option
def forecast(customer: str, invoices: int, system: str, product: str | None, url: str, as_json: bool) -> None:
    """Show the invoices that a customer will get next, without changing the mock.

    Example: tallyhook forecast ada --invoices 12
    """
    account = _account_path(system, customer, "forecast")
    remote = Remote(url)
    code = remote.product_of(customer, product) if system == CHEDDAR else product
    coming = remote.get(account, {"product": code, "invoices": str(invoices)})["invoices"]
    if as_json:
        print_json(coming)
        return
    rows = [
        (
            moment(each["at"]),
            ", ".join(line["description"] or line["item"] for line in each["lines"]),
            f"{each['total']} {each['currency']}",
        )
        for each in coming
    ]
    table(("when (UTC)", "what", ">total"), rows, empty="There are no more invoices.")
