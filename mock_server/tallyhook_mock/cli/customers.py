"""`tallyhook customers`: who is there, and what is coming or open."""

from rich.text import Text

from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote
from tallyhook_receiver.cli.output import Json, moment, print_json, state, table

__all__ = ["customers"]


def customers(product: ProductCode = None, url: MockUrl = URL, as_json: Json = False) -> None:
    """The customers of a running mock: plan, next bill, what is outstanding.

    Example: tallyhook customers --json
    """
    found = Remote(url).get("/customers", {"product": product})["customers"]
    if as_json:
        print_json(found)
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
        empty="There are no customers; `tallyhook seed 10` makes some.",
    )
