"""What is billed: `tallyhook charge`, `usage`, `bill` and `run`."""

import sys
from typing import Annotated

import typer

from tallyhook_mock.cli.invoice import print_invoice
from tallyhook_mock.cli.remote import URL, CustomerCode, MockUrl, ProductCode, Remote, path
from tallyhook_receiver.cli.output import BAD, Json

__all__ = ["bill", "charge", "run", "usage"]

Outstanding = Annotated[
    bool, typer.Option("--outstanding", help="On the invoice that is due and not paid, not the current one.")
]
Item = Annotated[str, typer.Argument(metavar="ITEM", help="The code of an item of the plan.")]

usage = typer.Typer(help="Set or add what a customer has used.", no_args_is_help=True)


# An amount below 0 looks like an option.
@usage.command("set")
def set_(
    customer: CustomerCode,
    item: Item,
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="What the counter is to stand at.")],
    outstanding: Outstanding = False,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Set the counter of an item, as `customers/set-item-quantity` does, and print the invoice.

    Example: tallyhook usage set ada GB 600
    """
    _change(url, customer, product, "set-item-quantity", item, quantity, outstanding, as_json)


@usage.command()
def add(
    customer: CustomerCode,
    item: Item,
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="How much more was used.")] = "1",
    outstanding: Outstanding = False,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Add to the counter of an item, as `customers/add-item-quantity` does, and print the invoice.

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


def charge(
    customer: CustomerCode,
    code: Annotated[str, typer.Argument(metavar="CODE", help="What the charge is called.")],
    amount: Annotated[
        str, typer.Argument(metavar="AMOUNT", help="Of each, such as 5.00; below 0 it is a credit.")
    ],
    quantity: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="For the customer.")] = None,
    outstanding: Outstanding = False,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Put a charge or a credit on an invoice, as `customers/add-charge` does, and print the invoice.

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


def bill(
    customer: CustomerCode,
    within: Annotated[
        str, typer.Option(metavar="DURATION", help="How long hooks are tried for, in the mock's time.")
    ] = "1d",
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Play a customer's period to its end, and print the invoice: the clock moves to the bill date, hooks are
    delivered until they are acknowledged, and the invoice runs an hour later.

    An invoice that is held or released already is played to its end, and no other. Ends with 1 unless the
    invoice was paid.

    Example: tallyhook bill ada
    """
    remote = Remote(url)
    code = remote.product_of(customer, product)
    done = remote.post(path("customers", customer, "bill"), {"product": code, "within": within})
    print_invoice(remote, code, customer, done["invoice"], as_json=as_json)
    if done["state"] == "held":
        why = f"its hook is not acknowledged; `tallyhook hooks list --customer {customer}` shows the answers"
        typer.echo(f"tallyhook: the invoice is held: {why}", err=True)
    if done["state"] != "paid":
        sys.exit(BAD)


def run(
    customer: CustomerCode, product: ProductCode = None, url: MockUrl = URL, as_json: Json = False
) -> None:
    """Run a customer's outstanding invoice now, as `customers/run-outstanding` does, and print it.

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
