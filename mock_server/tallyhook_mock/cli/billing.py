"""The commands for usage, charges and invoices: `tallyhook usage`, `charge`, `bill`, `run` and `invoice`."""

import sys
from collections.abc import Mapping
from typing import Any

import click
from rich.text import Text

from tallyhook_mock.cli.cells import moment, state
from tallyhook_mock.cli.remote import Remote, customer_argument, mock_option, path, product_option
from tallyhook_receiver.cli.command import BAD, USAGE, Command, Group, fail, json_option
from tallyhook_receiver.cli.output import echo, grid, print_json, say, table

__all__ = ["bill", "charge", "invoice", "run", "usage"]

outstanding_option = click.option(
    "--outstanding", is_flag=True, help="Change the outstanding invoice instead of the current one."
)
item_argument = click.argument("item", metavar="ITEM", help="The code of an item in the customer's plan.")


@click.group(cls=Group)
def usage() -> None:
    """Set a customer's usage, or add to it."""


@usage.command("set")
@customer_argument
@item_argument
@click.argument("quantity", metavar="QUANTITY", help="The new quantity.")
@outstanding_option
@product_option
@mock_option
@json_option
def set_(
    customer: str, item: str, quantity: str, outstanding: bool, product: str | None, url: str, as_json: bool
) -> None:
    """Set the quantity of an item with the API call `customers/set-item-quantity`.

    Prints the changed invoice.

    Example: tallyhook usage set ada GB 600
    """
    _change(url, customer, product, "set-item-quantity", item, quantity, outstanding, as_json)


@usage.command()
@customer_argument
@item_argument
@click.argument("quantity", metavar="QUANTITY", default="1", help="The quantity to add.")
@outstanding_option
@product_option
@mock_option
@json_option
def add(
    customer: str, item: str, quantity: str, outstanding: bool, product: str | None, url: str, as_json: bool
) -> None:
    """Add to the quantity of an item with the API call `customers/add-item-quantity`.

    Prints the changed invoice.

    Example: tallyhook usage add ada GB 12.5
    """
    _change(url, customer, product, "add-item-quantity", item, quantity, outstanding, as_json)


def _change(
    url: str,
    customer: str,
    product: str | None,
    action: str,
    item: str,
    quantity: str,
    outstanding: bool,
    as_json: bool,
) -> None:
    remote = Remote(url)
    code = remote.product_of(customer, product)
    period = "outstanding" if outstanding else None
    parameters = {"code": customer, "itemCode": item, "quantity": quantity, "invoicePeriod": period}
    remote.call(f"customers/{action}", code, parameters)
    print_invoice(remote, code, customer, period or "current", as_json=as_json)


# A negative amount looks like an option.
@click.command(cls=Command)
@customer_argument
@click.argument("code", metavar="CODE", help="The charge's code.")
@click.argument(
    "amount", metavar="AMOUNT", help="The amount per unit, such as 5.00. A negative amount is a credit."
)
@click.option("--quantity", type=click.IntRange(min=1), default=1, help="The number of units.")
@click.option("--description", metavar="TEXT", help="The charge's description on the invoice.")
@outstanding_option
@product_option
@mock_option
@json_option
def charge(
    customer: str,
    code: str,
    amount: str,
    quantity: int,
    description: str | None,
    outstanding: bool,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Add a charge or credit to an invoice with the API call `customers/add-charge`.

    Prints the changed invoice.

    Example: tallyhook charge ada SETUP 5.00 --description "Setting things up"

    Example: tallyhook charge ada GOODWILL -5.00
    """
    remote = Remote(url)
    chosen = remote.product_of(customer, product)
    period = "outstanding" if outstanding else None
    parameters = {
        "code": customer,
        "chargeCode": code,
        "quantity": str(quantity),
        "eachAmount": amount,
        "description": description,
        "invoicePeriod": period,
    }
    remote.call("customers/add-charge", chosen, parameters)
    print_invoice(remote, chosen, customer, period or "current", as_json=as_json)


@click.command(cls=Command)
@customer_argument
@click.option(
    "--within",
    metavar="DURATION",
    default="1d",
    help="How long to retry hooks before giving up, in the mock's time.",
)
@product_option
@mock_option
@json_option
def bill(customer: str, within: str, product: str | None, url: str, as_json: bool) -> None:
    """Bill a customer for the current period, and print the invoice.

    Moves the clock to the bill date, delivers hooks until they are acknowledged, and runs the invoice an
    hour later. If an invoice is already held or released, only that invoice is run. Exits with 1 unless the
    invoice was paid.

    Example: tallyhook bill ada
    """
    remote = Remote(url)
    code = remote.product_of(customer, product)
    done = remote.post(path("customers", customer, "bill"), {"product": code, "within": within})
    print_invoice(remote, code, customer, done["invoice"], as_json=as_json)
    if done["state"] == "held":
        why = f"its hook is not acknowledged; `tallyhook hooks list --customer {customer}` shows the answers"
        echo(f"tallyhook: the invoice is held: {why}", err=True)
    if done["state"] != "paid":
        sys.exit(BAD)


@click.command(cls=Command)
@customer_argument
@product_option
@mock_option
@json_option
def run(customer: str, product: str | None, url: str, as_json: bool) -> None:
    """Run a customer's outstanding invoice now with the API call `customers/run-outstanding`.

    Prints the invoice afterwards.

    Example: tallyhook run ada
    """
    remote = Remote(url)
    code = remote.product_of(customer, product)
    outstanding = [
        each["number"]
        for each in remote.get(path("customers", customer, "invoices"), {"product": code})["invoices"]
        if each["invoicePeriod"] == "outstanding"
    ]
    remote.call("customers/run-outstanding", code, {"code": customer})
    print_invoice(remote, code, customer, outstanding[0] if outstanding else "current", as_json=as_json)


@click.command(cls=Command)
@customer_argument
@click.option("--outstanding", is_flag=True, help="Show the outstanding invoice instead of the current one.")
@click.option("--number", type=int, help="Show the invoice with this number.")
@product_option
@mock_option
@json_option
def invoice(
    customer: str, outstanding: bool, number: int | None, product: str | None, url: str, as_json: bool
) -> None:
    """Show the quantities, charges and transactions of an invoice. Exits with 1 if there is no such invoice.

    Example: tallyhook invoice ada --outstanding
    """
    if outstanding and number is not None:
        fail("use either --outstanding or --number", USAGE)
    remote = Remote(url)
    which = number if number is not None else "outstanding" if outstanding else "current"
    print_invoice(remote, remote.product_of(customer, product), customer, which, as_json=as_json)


def print_invoice(remote: Remote, product: str, customer: str, which: int | str, *, as_json: bool) -> None:
    """Print one of a customer's invoices. Exits with 1 if it doesn't exist.

    `which` is the invoice's number, `current` or `outstanding`.
    """
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
        (
            "bills",
            f"{moment(shown['billingDatetime'])} UTC"
            + (f", for the period from {moment(began)}" if began else ""),
        ),
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
        # A charge without an id is only projected.
        kind = line["type"] if line["id"] else f"{line['type']}, projected"
        rows.append((charged, kind, line["quantity"], line["eachAmount"], line["amount"]))
    if shown["tax"] != "0.00":
        rows.append((Text("tax"), "", "", "", shown["tax"]))
    columns = ("~charge", "type", ">quantity", ">each", ">amount")
    footer = ("total", "", "", "", shown["total"])
    table(columns, rows, empty=f"total  {shown['total']}", footer=footer)
