"""`tallyhook customers`: who is there, and what is coming or open."""

from typing import Annotated

import typer
from rich.text import Text

from tallyhook_mock.cli.remote import URL, After, MockUrl, ProductCode, Remote, say_more
from tallyhook_receiver.cli.output import Json, moment, print_json, state, table

__all__ = ["customers"]


def customers(
    limit: Annotated[int, typer.Option(min=1, help="How many at the most.")] = 100,
    after: After = None,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """The customers of a running mock in order of creation: plan, next bill, what is outstanding.

    Example: tallyhook customers --json
    """
    answer = Remote(url).get("/customers", {"product": product, "limit": limit, "after": after})
    found = answer["customers"]
    if as_json:
        print_json(found)
        say_more(answer.get("next"))
        return
    rows = []
    for each in found:
        owed = Text()
        if each["outstanding"] is not None:
            owed = Text.assemble(each["outstanding"], " ", state(each["outstandingState"]))
        canceled = f"canceled ({each['cancelType']})"
        rows.append(
            (
                each["code"],
                each["name"],
                each["plan"],
                state(canceled if each["cancelType"] else "active"),
                moment(each["billingDatetime"]),
                each["current"] or "",
                owed,
            )
        )
    table(
        ("~customer", "~name", "plan", "state", "next bill (UTC)", ">so far", ">outstanding"),
        rows,
        empty="There are no more customers."
        if after
        else "There are no customers; `tallyhook seed 10` makes some.",
    )
    say_more(answer.get("next"))
