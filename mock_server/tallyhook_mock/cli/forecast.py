"""`tallyhook forecast`: what a customer will be billed next."""

from typing import Annotated

import typer

from tallyhook_mock.cli.completion import customer_codes
from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote
from tallyhook_mock.cli.timeline import System, account_path
from tallyhook_mock.core.hooks import CHEDDAR
from tallyhook_receiver.cli.output import Json, moment, print_json, table

__all__ = ["forecast"]


def forecast(
    customer: Annotated[
        str,
        typer.Argument(
            metavar="CUSTOMER",
            autocompletion=customer_codes,
            help="A customer's code; of Fusebill the id, of Cleverbridge and Chargemonk a subscription's.",
        ),
    ],
    invoices: Annotated[int, typer.Option(min=1, max=60, help="How many.")] = 3,
    system: System = CHEDDAR,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """The next invoices of a customer as things stand now; the mock stays as it is.

    Example: tallyhook forecast ada --invoices 12
    """
    account = account_path(system, customer, "forecast")
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
    table(("when (UTC)", "what", ">total"), rows, empty="No invoice is to come.")
