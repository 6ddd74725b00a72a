"""`tallyhook invoice`: one invoice as a person reads it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from tallyhook_mock.cli.remote import URL, CustomerCode, MockUrl, ProductCode, Remote, path
from tallyhook_receiver.cli.output import BAD, USAGE, Json, fail, grid, moment, print_json, say, state, table

__all__ = ["invoice", "print_invoice"]


def invoice(
    customer: CustomerCode,
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
    remote = Remote(url)
    which = number if number is not None else "outstanding" if outstanding else "current"
    print_invoice(remote, remote.product_of(customer, product), customer, which, as_json=as_json)


def print_invoice(remote: Remote, product: str, customer: str, which: int | str, *, as_json: bool) -> None:
    """The one of a number, or the `current` or the `outstanding` one. Exit code 1 if there is none."""
    invoices = remote.get(path("customers", customer, "invoices"), {"product": product})["invoices"]
    found = [
        each
        for each in invoices
        if (each["number"] == which if isinstance(which, int) else each["invoicePeriod"] == which)
    ]
    if not found:
        what = f"invoice #{which}" if isinstance(which, int) else f"{which} invoice"
        numbers = ", ".join(f"#{each['number']}" for each in invoices) or "none"
        fail(f"{customer} has no {what}; there is {numbers}", BAD)
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
    _charges(shown)
    for made in shown["transactions"]:
        memo = f", {made['memo']}" if made["memo"] else ""
        say(
            Text.assemble(
                f"{moment(made['at'])}  {made['amount']} ",
                state(made["response"]),
                f": {made['responseReason']}{memo}",
            )
        )


def _charges(shown: Mapping[str, Any]) -> None:
    rows = []
    for line in shown["charges"]:
        charged = Text(line["code"])
        if line["description"]:
            charged.append(f"  {line['description']}", "dim")
        # What has no id yet is what would be charged.
        kind = line["type"] if line["id"] else f"{line['type']}, projected"
        rows.append((charged, kind, line["quantity"], line["eachAmount"], line["amount"]))
    if shown["tax"] != "0.00":
        rows.append((Text("tax"), "", "", "", shown["tax"]))
    columns = ("~charge", "type", ">quantity", ">each", ">amount")
    footer = ("total", "", "", "", shown["total"])
    table(columns, rows, empty=f"total  {shown['total']}", footer=footer)
