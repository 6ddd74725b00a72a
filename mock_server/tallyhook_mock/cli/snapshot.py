"""`tallyhook snapshot`: save and restore the mock's state."""

import click

from tallyhook_mock.cli.cells import moment
from tallyhook_mock.cli.remote import Remote, mock_option, path
from tallyhook_receiver.cli.command import Group, json_option
from tallyhook_receiver.cli.output import print_json, say, table

__all__ = ["snapshot"]

name_argument = click.argument("name", metavar="NAME", help="The snapshot's name.")


@click.group(cls=Group, default="list")
def snapshot() -> None:
    """Save and restore the state of a running mock."""


@snapshot.command()
@name_argument
@mock_option
@json_option
def save(name: str, url: str, as_json: bool) -> None:
    """Save the mock's customers, invoices, hooks, listeners, faults and clock.

    Example: tallyhook snapshot save "before the price rise"
    """
    saved = Remote(url).post("/snapshots", {"name": name})
    print_json(saved) if as_json else say(f"Saved {name}: {saved['size']:,} bytes.")


@snapshot.command()
@name_argument
@mock_option
@json_option
def restore(name: str, url: str, as_json: bool) -> None:
    """Restore a snapshot, and discard everything that has happened since it was saved.

    Example: tallyhook snapshot restore "before the price rise"
    """
    restored = Remote(url).post(path("snapshots", name, "restore"), {})
    print_json(restored) if as_json else say(f"Restored {name}: it is {moment(restored['now'])} UTC.")


@snapshot.command("list")
@mock_option
@json_option
def show(url: str, as_json: bool) -> None:
    """List the snapshots.

    Example: tallyhook snapshot list --json
    """
    found = Remote(url).get("/snapshots")
    if as_json:
        print_json(found)
        return
    rows = [(each["name"], f"{each['size']:,}") for each in found["snapshots"]]
    table(("name", ">bytes"), rows, empty="There are no snapshots.")


@snapshot.command()
@name_argument
@mock_option
@json_option
def delete(name: str, url: str, as_json: bool) -> None:
    """Delete a snapshot.

    Example: tallyhook snapshot delete "before the price rise"
    """
    Remote(url).delete(path("snapshots", name))
    print_json({"deleted": name}) if as_json else say(f"Deleted {name}.")
