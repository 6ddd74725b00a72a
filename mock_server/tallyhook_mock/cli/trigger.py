"""`tallyhook trigger`: one hook on request."""

from typing import Annotated

import typer

from tallyhook_mock.cli.hook_type import names
from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote
from tallyhook_receiver.cli.output import Json, print_json, short

__all__ = ["trigger"]


def trigger(
    type: Annotated[str, typer.Argument(metavar="TYPE", autocompletion=names, help="Such as transaction.")],
    customer: Annotated[str, typer.Option(metavar="CODE", help="Whom it is about.")],
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Send a signed hook about a customer as it stands; nothing happens to the customer.

    A subscriptionBillable sent so neither holds nor releases an invoice.

    Example: tallyhook trigger subscriptionBillable --customer ada
    """
    hook = Remote(url).post("/hooks", {"type": type, "customer": customer, "product": product})
    if as_json:
        print_json(hook)
        return
    for delivery in hook["deliveries"]:
        typer.echo(
            f"{short(hook['id'])} {hook['type']} about {customer} is on its way to {delivery['listener']}"
        )
