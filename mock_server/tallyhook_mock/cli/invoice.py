"""`tallyhook invoice`: one invoice as a person reads it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote, path
from tallyhook_receiver.cli.output import BAD, USAGE, Json, fail, grid, moment, print_json, say, state

__all__ = ["invoice"]


def invoice(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="A customer's code.")],
    outstanding: Annotated[
        bool, typer.Option("--outstanding", help="The one that is due and not paid, not the current one.")
    ] = False,
    number: Annotated[int | None, typer.Option(help="Any invoice, by its number.")] = None,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """An invoice of a customer: quantities, charges, transactions. Ends with 1 if there is none.

    Example: tallyhook invoice ada --outstanding
    """
    if outstanding and number is not None:
        fail("either --outstanding or --number", USAGE)
    answer = Remote(url).get(path("customers", customer, "invoices"), {"product": product})
    period = "outstanding" if outstanding else "current"
    found = [
        each
        for each in answer["invoices"]
        if (each["number"] == number if number is not None else each["invoicePeriod"] == period)
    ]
    if not found:
        which = f"invoice #{number}" if number is not None else f"{period} invoice"
        numbers = ", ".join(f"#{each['number']}" for each in answer["invoices"]) or "none"
        fail(f"{customer} has no {which}; there is {numbers}", BAD)
    if as_json:
        print_json(found[0])
    else:
        _show(customer, found[0])


def _show(customer: str, shown: Mapping[str, Any]) -> None:
    period = f", the {shown['invoicePeriod']} one" if shown["invoicePeriod"] else ""
    began = shown["previousBillingDatetime"]
    rows: list[tuple[str, str | Text]] = [
        ("invoice", f"#{shown['number']} of {customer}{period}"),
        ("state", state(shown["state"])),
        ("plan", shown["plan"]),
        ("bills", f"{moment(shown['billingDatetime'])} UTC" + (f", since {moment(began)}" if began else "")),
    ]
    if shown["runDatetime"]:
        rows.append(("runs", f"{moment(shown['runDatetime'])} UTC"))
    rows += [
        (item["code"], f"{item['quantity']} used, {item['quantityIncluded']} included")
        for item in shown["items"]
    ]
    grid(rows)
    say(_charges(shown))
    for made in shown["transactions"]:
        memo = f", {made['memo']}" if made["memo"] else ""
        say(
            Text.assemble(
                f"{moment(made['at'])}  {made['amount']} ",
                state(made["response"]),
                f": {made['responseReason']}{memo}",
            )
        )


def _charges(shown: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("charge", footer=Text("total", "bold"), overflow="fold")
    table.add_column("type")
    for name in ("quantity", "each"):
        table.add_column(name, justify="right")
    table.add_column("amount", footer=Text(shown["total"], "bold"), justify="right")
    for line in shown["charges"]:
        charged = Text(line["code"])
        if line["description"]:
            charged.append(f"  {line['description']}", "dim")
        # What has no id yet is what would be charged.
        kind = line["type"] if line["id"] else f"{line['type']}, projected"
        table.add_row(charged, kind, line["quantity"], line["eachAmount"], line["amount"])
    if shown["tax"] != "0.00":
        table.add_row("tax", "", "", "", shown["tax"])
    return table
