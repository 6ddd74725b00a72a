"""`tallyhook trigger`: one hook on request."""

from typing import Annotated

import typer

from tallyhook_mock.cli.completion import customer_codes, hook_types
from tallyhook_mock.cli.outcome import report
from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote, path
from tallyhook_receiver.cli.output import BAD, USAGE, Json, fail

__all__ = ["trigger"]


def trigger(
    type: Annotated[
        str, typer.Argument(metavar="TYPE", autocompletion=hook_types, help="Such as transaction.")
    ],
    customer: Annotated[
        str, typer.Option(metavar="CODE", autocompletion=customer_codes, help="Whom it is about.")
    ],
    override: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=VALUE",
            help="Another value in its body, such as subscription.plan.code=BIG; may be repeated.",
        ),
    ] = None,
    early: Annotated[
        bool,
        typer.Option("--early", help="Send a subscriptionBillable although no invoice is outstanding."),
    ] = False,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Send a signed hook about a customer as it stands, and print what is answered.

    Nothing happens to the customer. Ends with 1 unless every listener acknowledges it.

    A subscriptionBillable sent so neither holds nor releases an invoice. `tallyhook bill` plays the period of
    a customer to its end, with the hook that belongs to it.

    Example: tallyhook trigger newSubscription --customer ada

    Example: tallyhook trigger newSubscription --customer ada --override subscription.plan.code=BIG
    """
    values = dict(_value(written) for written in override or ())
    remote = Remote(url)
    code = remote.product_of(customer, product)
    wish = {"type": type, "customer": customer, "product": code, "override": values or None}
    if type == "subscriptionBillable" and not early:
        _check(remote, code, customer)
    hook = remote.post("/hooks", wish)
    report(remote, hook, range(len(hook["deliveries"])), as_json=as_json)


def _value(written: str) -> tuple[str, str]:
    where, equals, value = written.partition("=")
    if not equals or not where:
        fail(f"--override: {written!r} is not of the form PATH=VALUE", USAGE)
    return where, value


def _check(remote: Remote, product: str, customer: str) -> None:
    """A review of an invoice that isn't outstanding fails, and the hook would come again for a month."""
    answer = remote.get(path("customers", customer, "invoices"), {"product": product})
    if not any(each["invoicePeriod"] == "outstanding" for each in answer["invoices"]):
        fail(
            f"{customer} has no outstanding invoice to be reviewed; `tallyhook bill {customer}` plays the"
            " period to its end, hook included (--early sends one all the same)",
            BAD,
        )
