"""`tallyhook timeline`: what happened to a customer, as a table or as a picture."""

from pathlib import Path
from typing import Annotated

import typer

from tallyhook_mock.cli.output import USAGE, Json, fail, moment, print_json, table
from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote, path

__all__ = ["timeline"]


def timeline(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="A customer's code.")],
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write the picture into this file.")
    ] = None,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """What happened to a customer of a running mock, oldest first; or the picture of it, drawn to scale.

    Example: tallyhook timeline ada --svg ada.svg
    """
    mock, wanted = Remote(url), {"product": product}
    if svg is not None:
        picture = mock.get(path("customers", customer, "timeline.svg"), wanted)
        try:
            svg.write_text(picture, "utf-8")
        except OSError as error:
            fail(f"{svg} can't be written: {error.strerror}", USAGE)
        typer.echo(f"{svg} is written.")
        return
    entries = mock.get(path("customers", customer, "timeline"), wanted)["timeline"]
    if as_json:
        print_json(entries)
        return
    rows = [
        (
            moment(entry["at"]),
            entry["kind"],
            "" if entry["invoice"] is None else f"#{entry['invoice']}",
            entry["amount"] or "",
            entry["note"],
            entry["actor"],
        )
        for entry in entries
    ]
    table(("when (UTC)", "what", ">invoice", ">amount", "~note", "~who"), rows, empty="Nothing has happened.")
