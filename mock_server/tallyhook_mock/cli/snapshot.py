"""`tallyhook snapshot`: keeping the mock's world as it is, and going back to it."""

from typing import Annotated

import typer

from tallyhook_mock.cli.remote import URL, MockUrl, Remote, path
from tallyhook_receiver.cli.output import Json, moment, print_json, say, table

__all__ = ["snapshot"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")]

snapshot = typer.Typer(help="Keep a running mock's world as it is, and go back to it.", no_args_is_help=True)


@snapshot.command()
def save(name: Name, url: MockUrl = URL, as_json: Json = False) -> None:
    """Keep customers, invoices, hooks, listeners, faults and the clock as they are.

    Example: tallyhook snapshot save "before the price rise"
    """
    saved = Remote(url).post("/snapshots", {"name": name})
    print_json(saved) if as_json else say(f"Saved {name}: {saved['size']:,} bytes.")


@snapshot.command()
def restore(name: Name, url: MockUrl = URL, as_json: Json = False) -> None:
    """Go back to a snapshot; what has happened since is forgotten.

    Example: tallyhook snapshot restore "before the price rise"
    """
    restored = Remote(url).post(path("snapshots", name, "restore"), {})
    print_json(restored) if as_json else say(f"Restored {name}: it is {moment(restored['now'])} UTC.")


@snapshot.command("list")
def show(url: MockUrl = URL, as_json: Json = False) -> None:
    """Which snapshots there are.

    Example: tallyhook snapshot list --json
    """
    found = Remote(url).get("/snapshots")
    if as_json:
        print_json(found)
        return
    rows = [(each["name"], f"{each['size']:,}") for each in found["snapshots"]]
    table(("name", ">bytes"), rows, empty="There is no snapshot.")


@snapshot.command()
def delete(name: Name, url: MockUrl = URL, as_json: Json = False) -> None:
    """Forget a snapshot.

    Example: tallyhook snapshot delete "before the price rise"
    """
    Remote(url).delete(path("snapshots", name))
    print_json({"deleted": name}) if as_json else say(f"Deleted {name}.")
