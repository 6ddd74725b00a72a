"""`tallyhook customers`: list, add and edit customers."""

import re
from difflib import get_close_matches
from typing import Any

import click
from rich.text import Text

from tallyhook_mock.cli.cells import moment, state
from tallyhook_mock.cli.remote import (
    Remote,
    after_option,
    customer_argument,
    mock_option,
    product_option,
    say_more,
    stripped,
)
from tallyhook_receiver.cli.command import USAGE, Group, fail, json_option
from tallyhook_receiver.cli.output import echo, print_json, table

__all__ = ["customers"]

# A test number of the card networks, which the simulated gateway approves.
_CARD, _EXPIRES = "4111111111111111", "12/2099"
_LAST_NAME = "Example"


@click.group(cls=Group, default="list")
def customers() -> None:
    """List, add and edit the customers of a running mock."""


def _filled(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty value that the API would ignore."""
    if value is not None and not value.strip():
        fail(f"--{parameter.name}: a value is required", USAGE)
    return value


first_name_option = click.option("--first-name", metavar="NAME", help="The customer's first name.")
last_name_option = click.option("--last-name", metavar="NAME", help="The customer's last name.")
email_option = click.option("--email", metavar="ADDRESS", help="The customer's email address.")
company_option = click.option("--company", metavar="NAME", help="The customer's company.")
coupon_option = click.option(
    "--coupon", metavar="CODE", callback=_filled, help="The code of a coupon to redeem."
)
card_option = click.option(
    "--card", metavar="NUMBER", callback=_filled, help="The number of the customer's card."
)


@customers.command("list")
@click.option("--plan", metavar="CODE", help="List only customers on this plan.")
@click.option(
    "--state",
    "state_",
    metavar="STATE",
    help="List only customers who are active or canceled, or whose outstanding invoice is held, released,"
    " unpaid or lapsed.",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, help="The maximum number of customers.")
@after_option
@product_option
@mock_option
@json_option
def list_(
    plan: str | None,
    state_: str | None,
    limit: int,
    after: str | None,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """List customers in the order of their creation.

    Shows each customer's plan, next bill and outstanding amount.

    Example: tallyhook customers list --plan SMALL --state held
    """
    remote = Remote(url)
    chosen = remote.products(product)
    if after is not None and len(chosen) > 1:
        remote.product(product)  # fails, and says that --product is required
    if state_ is not None and state_ not in _STATES:
        fail(f"--state: {state_!r} is not one of {', '.join(_STATES)}", USAGE)
    if plan is not None:
        _check_plan(plan, chosen)
    found: list[dict[str, Any]] = []
    following = None
    for one in chosen:
        place, following = after, None
        while len(found) < limit:
            answer = remote.get("/customers", {"product": one["code"], "limit": limit, "after": place})
            fitting = [each for each in answer["customers"] if _fits(each, plan, state_)]
            left = limit - len(found)
            found += ({"product": one["code"], **each} for each in fitting[:left])
            place = following = answer.get("next")
            if len(fitting) > left:
                following = fitting[left - 1]["code"]
            if place is None:
                break
    if as_json:
        print_json(found)
        say_more(following)
        return
    columns = (
        "~customer",
        "~name",
        "?product",
        "plan",
        "state",
        "next bill (UTC)",
        ">so far",
        ">outstanding",
    )
    empty = "There are no such customers." if after or plan or state_ else _NOBODY
    table(columns, map(_row, found), empty=empty)
    say_more(following)


_STATES = ("active", "canceled", "held", "released", "unpaid", "lapsed")
_NOBODY = (
    "There are no customers; `tallyhook customers add ada --plan PLAN` adds one, `tallyhook seed 10` ten."
)


@customers.command()
@click.argument("code", metavar="CODE", callback=stripped, help="The customer's code.")
@click.option("--plan", metavar="CODE", required=True, help="The code of the plan to subscribe to.")
@first_name_option
@click.option("--last-name", metavar="NAME", default=_LAST_NAME, help="The customer's last name.")
@email_option
@company_option
@coupon_option
@click.option(
    "--card",
    metavar="NUMBER",
    default=_CARD,
    callback=_filled,
    help="The number of the customer's card.",
)
@click.option(
    "--item", multiple=True, metavar="ITEM=QUANTITY", help="The initial usage of an item; may be repeated."
)
@product_option
@mock_option
@json_option
def add(
    code: str,
    plan: str,
    first_name: str | None,
    last_name: str,
    email: str | None,
    company: str | None,
    coupon: str | None,
    card: str,
    item: tuple[str, ...],
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Add a customer with the API call `customers/new`, and send the resulting hooks.

    The customer gets a valid test card unless you choose another card with --card.

    Example: tallyhook customers add ada --plan SMALL
    """
    remote = Remote(url)
    on_offer = remote.product(product)
    _check_plan(plan, [on_offer])
    chosen = on_offer["code"]
    first = code if first_name is None else first_name
    parameters = {
        "code": code,
        "firstName": first,
        "lastName": last_name,
        "email": _address(code) if email is None else email,
        "company": company,
        "subscription[planCode]": plan,
        "subscription[couponCode]": coupon,
        **_payment(card, first, last_name),
    }
    for place, written in enumerate(item):
        name, _, quantity = written.partition("=")
        if not name or not quantity:
            fail(f"--item: {written!r} is not of the form ITEM=QUANTITY", USAGE)
        parameters |= {f"items[{place}][itemCode]": name, f"items[{place}][quantity]": quantity}
    remote.call("customers/new", chosen, parameters)
    _print(remote, code, chosen, as_json)


@customers.command()
@customer_argument
@click.option("--plan", metavar="CODE", help="The code of the plan to change to.")
@first_name_option
@last_name_option
@email_option
@company_option
@coupon_option
@card_option
@product_option
@mock_option
@json_option
def edit(
    customer: str,
    plan: str | None,
    first_name: str | None,
    last_name: str | None,
    email: str | None,
    company: str | None,
    coupon: str | None,
    card: str | None,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Change a customer with the API call `customers/edit`, and send the resulting hooks.

    Only the fields that you pass are changed.

    Example: tallyhook customers edit ada --plan BIG
    """
    remote = Remote(url)
    chosen = remote.product_of(customer, product)
    if plan is not None:
        _check_plan(plan, remote.products(chosen))
    parameters = {
        "firstName": first_name,
        "lastName": last_name,
        "email": email,
        "company": company,
        "subscription[planCode]": plan,
        "subscription[couponCode]": coupon,
    }
    if card is not None:
        first, _, last = remote.customer(customer, chosen)["name"].partition(" ")
        parameters |= _payment(
            card,
            (first or customer) if first_name is None else first_name,
            (last or _LAST_NAME) if last_name is None else last_name,
        )
    if all(value is None for value in parameters.values()):
        fail("name at least one field to change; --help lists them", USAGE)
    remote.call("customers/edit", chosen, {"code": customer, **parameters})
    _print(remote, customer, chosen, as_json)


def _check_plan(plan: str, products: list[dict[str, Any]]) -> None:
    known = [each["code"] for product in products for each in product["plans"]]
    if plan not in known:
        near = get_close_matches(plan, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        fail(f"--plan: there is no {plan!r}; {hint}there is {', '.join(known) or 'none'}", USAGE)


def _address(code: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9]+', '.', code).strip('.') or 'customer'}@example.com"


def _payment(card: str, first: str, last: str) -> dict[str, str | None]:
    return {
        "subscription[ccNumber]": card,
        "subscription[ccExpiration]": _EXPIRES,
        "subscription[ccFirstName]": first,
        "subscription[ccLastName]": last,
        "subscription[ccZip]": "12345",
        "subscription[ccCardCode]": "123",
    }


def _fits(customer: dict[str, Any], plan: str | None, state: str | None) -> bool:
    is_canceled = bool(customer["cancelType"])
    fitting = {"canceled" if is_canceled else "active", customer["outstandingState"]}
    return plan in (None, customer["plan"]) and (state is None or state in fitting)


def _print(remote: Remote, code: str, product: str, as_json: bool) -> None:
    shown = remote.customer(code, product)
    if as_json:
        print_json(shown)
        return
    coming = f"; the next bill is on {moment(at)} UTC" if (at := shown["billingDatetime"]) else ""
    echo(f"{code} is on plan {shown['plan']} of {product}{coming}, {shown['current'] or '0.00'} so far")


def _row(each: dict[str, Any]) -> tuple[str | Text, ...]:
    owed = Text()
    if each["outstanding"] is not None:
        owed = Text.assemble(each["outstanding"], " ", state(each["outstandingState"]))
    canceled = f"canceled ({each['cancelType']})"
    return (
        each["code"],
        each["name"],
        each["product"],
        each["plan"],
        state(canceled if each["cancelType"] else "active"),
        moment(each["billingDatetime"]),
        each["current"] or "",
        owed,
    )
