"""`tallyhook timeline`: what happened to a customer, as a table or as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tallyhook_mock.cli.completion import customer_codes
from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote, path, say_more
from tallyhook_mock.core.hooks import CHEDDAR
from tallyhook_mock.systems import SYSTEMS
from tallyhook_receiver.cli.output import USAGE, Json, console, fail, moment, print_json, table

__all__ = ["System", "account_path", "timeline"]


def _known(name: str) -> str:
    if name not in SYSTEMS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(SYSTEMS)}.")
    return name


System = Annotated[
    str,
    typer.Option(
        "--system",
        metavar="|".join(SYSTEMS),
        help="The billing system.",
        callback=_known,
        autocompletion=lambda: list(SYSTEMS),
    ),
]

# Narrower ones have no room for all columns.
_ROOMY = 120


def account_path(system: str, account: str, *more: str) -> str:
    """The path of an account, or of something about it."""
    names = (SYSTEMS[system],) if system == CHEDDAR else (system, SYSTEMS[system])
    return path(*names, account, *more)


def timeline(
    customer: Annotated[
        str,
        typer.Argument(
            metavar="CUSTOMER",
            autocompletion=customer_codes,
            help="A customer's code; of Fusebill the id, of Cleverbridge and Chargemonk a subscription's.",
        ),
    ],
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write the picture into this file.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many at the most: all if not given.")] = None,
    after: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=0, help="Only what came after the entry so numbered."),
    ] = None,
    system: System = CHEDDAR,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """What happened to a customer of a running mock, oldest first; or the picture of it, drawn to scale.

    Example: tallyhook timeline ada --svg ada.svg
    """
    mock = Remote(url)
    wanted = {"product": mock.product_of(customer, product) if system == CHEDDAR else product}
    if svg is not None:
        picture = mock.get(account_path(system, customer, "timeline.svg"), wanted)
        try:
            svg.write_text(picture, "utf-8")
        except OSError as error:
            fail(f"{svg} can't be written: {error.strerror}", USAGE)
        typer.echo(f"{svg} is written.")
        return
    answer = mock.get(account_path(system, customer, "timeline"), wanted | {"limit": limit, "after": after})
    entries = answer["timeline"]
    if as_json:
        print_json(entries)
        say_more(answer.get("next"))
        return
    rows: list[tuple[str, ...]] = [
        (
            moment(entry["at"]),
            entry["kind"],
            "" if entry["invoice"] is None else f"#{entry['invoice']}",
            entry["amount"] or "",
            _note(entry),
            entry["actor"],
        )
        for entry in entries
    ]
    columns: tuple[str, ...] = ("when (UTC)", "what", ">invoice", ">amount", "~note", "~who")
    if console().width < _ROOMY:
        columns, rows = ("when (UTC)", "~what"), [_folded(*row) for row in rows]
    table(columns, rows, empty="Nothing has happened.")
    say_more(answer.get("next"))


def _folded(when: str, what: str, invoice: str, amount: str, note: str, who: str) -> tuple[str, str]:
    """For a narrow terminal: two lines for the columns, the note on the lower one."""
    facts = "  ".join(filter(None, (what, invoice, amount, who)))
    return when, "\n".join(filter(None, (facts, note)))


def _note(entry: Mapping[str, Any]) -> str:
    """With the item that it is about, if it does not begin with that."""
    item, note = str(entry["item"]), str(entry["note"])
    return note if note.startswith(item) else f"{item}: {note}" if note else item
