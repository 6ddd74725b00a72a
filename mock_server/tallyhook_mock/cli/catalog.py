"""The commands about catalogues and rules: `tallyhook seed`, `schema` and `rules`."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import click

from tallyhook_mock.cli.remote import Remote, mock_option, product_option
from tallyhook_receiver.cli.command import BAD, USAGE, Command, fail, json_option
from tallyhook_receiver.cli.output import print_json, table

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["rules", "schema", "seed"]

# Customers per request: few enough to keep the progress bar moving and not to block the mock for long.
_AT_ONCE = 50
_FIRST = ("Ada", "Ben", "Cleo", "Dov", "Edda", "Finn", "Gita", "Hugo", "Inez", "Juri", "Kaya", "Liv")
_LAST = ("Abbot", "Birch", "Castle", "Dunn", "Egli", "Frost", "Gale", "Holm", "Ives", "Jung", "Kerr")


@click.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema of a catalogue, the file that `tallyhook mock --catalog` loads.

    An editor can use the schema to complete and check the file.

    Example: tallyhook schema > catalog.schema.json
    """
    from tallyhook_mock.catalog.reading import catalog_schema

    print_json(catalog_schema())


@click.command(cls=Command)
@mock_option
@json_option
def rules(url: str, as_json: bool) -> None:
    """List Cheddar's uncertain rules: those that its documentation leaves open.

    Shows the alternative that the mock follows for each rule, and the other alternatives. To choose another
    alternative, set it in the `[rules]` section of the mock's catalogue.

    Example: tallyhook rules
    """
    from tallyhook_mock.systems.cheddar.settings import SETTINGS

    chosen = Remote(url).get("/catalog")["rules"]
    found = [
        {
            "name": setting.name,
            "value": chosen.get(setting.name, setting.default),
            "meanings": dict(setting.meanings),
            "standing": setting.standing,
            "source": setting.source,
        }
        for setting in SETTINGS.values()
    ]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            each["value"] if isinstance(each["value"], str) else " ".join(each["value"]),
            ", ".join(name for name in each["meanings"] if name != each["value"]),
            each["standing"],
        )
        for each in found
    ]
    table(("setting", "value", "~others", "source of the default"), rows, empty="")


@click.command(cls=Command)
@click.argument(
    "number", type=click.IntRange(min=1, max=100_000), metavar="N", help="The number of customers."
)
@click.option(
    "--plan",
    multiple=True,
    metavar="CODE",
    show_default="all active plans",
    help="The code of a plan to use; may be repeated.",
)
@product_option
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the customers to a catalogue in this .json file instead of adding them to a running mock.",
)
@click.option(
    "--catalog",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="a small built-in catalogue",
    help="The catalogue to start from. It isn't changed: --write writes a copy that has the new customers.",
)
@mock_option
@json_option
def seed(
    number: int,
    plan: tuple[str, ...],
    product: str | None,
    write: Path | None,
    catalog: Path | None,
    url: str,
    as_json: bool,
) -> None:
    """Create N customers with generated names, plans and usage.

    Every run creates the same customers, except that customer codes already in use are skipped. In a running
    mock, the customers pay with a simulated card, and no hooks are sent.

    Example: tallyhook seed 500 --plan SMALL

    Example: tallyhook seed 10000 --catalog catalog.toml --write big.json
    """
    if catalog is not None and write is None:
        fail("--catalog works only with --write; a running mock has its own catalogue", USAGE)
    with _bar(as_json) as bar:
        task = bar.add_task("customers", total=number)
        if write is None:
            remote = Remote(url)
            chosen = remote.product(product)
            taken = {
                each["code"] for each in remote.get("/customers", {"product": chosen["code"]})["customers"]
            }
            made = _customers(number, _plans(chosen, plan), taken)
            for begin in range(0, number, _AT_ONCE):
                part = made[begin : begin + _AT_ONCE]
                remote.post("/catalog", {"products": [{"code": chosen["code"], "customers": part}]})
                bar.advance(task, len(part))
        else:
            _write(write, catalog, product, number, plan)
            bar.advance(task, number)
    if as_json:
        print_json({"created": number})
    else:
        click.echo(f"{number:,} customers {f'are in {write}' if write else 'were created'}")


def _write(
    file: Path, catalog: Path | None, code: str | None, number: int, plan: Sequence[str] | None
) -> None:
    from tallyhook_mock.catalog.reading import default_catalog, load_catalog
    from tallyhook_mock.catalog.table import CatalogError

    if file.suffix != ".json":
        fail(f"{file}: the file's name must end in .json", USAGE)
    try:
        content = dict(default_catalog() if catalog is None else load_catalog(catalog))
    except CatalogError as error:
        fail(str(error), USAGE)
    products = [*content.get("products", ()), *([content["product"]] if "product" in content else ())]
    found = [each for each in products if code in (None, each.get("code"))]
    if len(found) != 1:
        fail(f"--product: one of {', '.join(str(each.get('code')) for each in products)} is required", USAGE)
    customers = found[0].setdefault("customers", [])
    taken = {str(each.get("code")) for each in customers}
    customers += _customers(number, _plans(found[0], plan), taken)
    try:
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n", "utf-8")
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)


def _plans(product: Mapping[str, Any], codes: Sequence[str] | None) -> list[Mapping[str, Any]]:
    """Return the active plans with these codes, or all active plans if no codes are given."""
    known = {plan["code"]: plan for plan in product.get("plans", ()) if plan.get("isActive", True)}
    for code in codes or ():
        if code not in known:
            fail(f"--plan: {code!r} is not one of {', '.join(known) or 'none'}", BAD)
    return [known[code] for code in codes or known] or fail("the product has no plans", BAD)


def _customers(number: int, plans: Sequence[Mapping[str, Any]], taken: set[str]) -> list[dict[str, Any]]:
    free = (code for place in count(1) if (code := f"C{place:05}") not in taken)
    return [_customer(code, plans) for code in islice(free, number)]


def _customer(code: str, plans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a customer's data, which depends only on the code and the plans."""
    random = Random(code)
    plan = plans[int(code[1:]) % len(plans)]
    first, last = random.choice(_FIRST), random.choice(_LAST)
    return {
        "code": code,
        "firstName": first,
        "lastName": last,
        "company": f"{last} & {random.choice(_LAST)}",
        "email": f"{first}.{last}.{code}@example.com".lower(),
        "planCode": plan["code"],
        "items": {item["code"]: _quantity(item, random) for item in plan.get("items", ())},
    }


def _quantity(item: Mapping[str, Any], random: Random) -> str:
    """Return a random quantity. It exceeds the included quantity only if the item has a price for overage."""
    included = min(Decimal(str(item.get("quantityIncluded", 0))), Decimal(1000))
    most = included * 2 + 10 if Decimal(str(item.get("overageAmount", 0))) else included
    return str(random.randint(0, int(most)))


def _bar(is_quiet: bool) -> "Progress":
    """Return a progress bar that is shown on stderr, because stdout is only for the result."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=is_quiet,
    )


def _plain(value: object) -> str:
    """Return the exact text of a decimal or datetime from a TOML file."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
