"""`tallyhook listeners`: list and change the listeners that a mock sends hooks to."""

from collections.abc import Mapping
from typing import Any

import click

from tallyhook_mock.cli.cells import short, state
from tallyhook_mock.cli.completion import hook_types, listener_ids
from tallyhook_mock.cli.remote import Remote, mock_option, path, product_option
from tallyhook_receiver.cli.command import Group, json_option
from tallyhook_receiver.cli.output import echo, print_json, table

__all__ = ["listeners"]


@click.group(cls=Group, default="list")
def listeners() -> None:
    """List and change the listeners that a running mock sends hooks to."""


name_argument = click.argument(
    "name",
    metavar="LISTENER",
    shell_complete=listener_ids,
    help="The listener's URL, its id, or the first digits of the id.",
)


@listeners.command("list")
@mock_option
@json_option
def list_(url: str, as_json: bool) -> None:
    """List the mock's listeners.

    Example: tallyhook listeners list
    """
    found = Remote(url).get("/listeners")["listeners"]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            short(each["id"]),
            state("paused" if each["isPaused"] else "active"),
            each["product"] or each["system"],
            each["url"],
            ", ".join(each["events"]) or "all",
        )
        for each in found
    ]
    table(
        ("listener", "state", "sender", "url", "~events"),
        rows,
        empty="There are no listeners; `tallyhook listeners add URL` or `tallyhook listen` adds one.",
    )


@listeners.command()
@click.argument("listener", metavar="URL", help="The URL to which hooks are posted.")
@click.option(
    "--events",
    multiple=True,
    metavar="TYPE",
    shell_complete=hook_types,
    help="Send only hooks of this type; may be repeated.",
)
@product_option
@click.option(
    "--system", metavar="NAME", help="The billing system, if not Cheddar: cleverbridge or fusebill."
)
@click.option("--header", metavar="NAME", help="The header that carries Fusebill's key.")
@click.option("--key", metavar="KEY", help="Fusebill's key. By default, the mock generates one.")
@mock_option
@json_option
def add(
    listener: str,
    events: tuple[str, ...],
    product: str | None,
    system: str | None,
    header: str | None,
    key: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Register a listener for all hooks, or only for some types.

    Example: tallyhook listeners add http://127.0.0.1:8000/hooks --events subscriptionBillable

    Example: tallyhook listeners add http://127.0.0.1:8000/fusebill --system fusebill --header X-Key
    """
    more = {"product": product, "system": system, "header": header, "key": key}
    remote = Remote(url)
    made = remote.post("/listeners", {"url": listener, "events": events or [], **more})
    key = f", with the key {made['key']} in {made['header']}" if "key" in made else ""
    _print(made, f"now gets hooks{key}", as_json)
    for other in remote.get("/listeners")["listeners"]:
        if _is_twin(other, made):
            why = f"{short(other['id'])} has the same URL, which now gets its hooks twice"
            echo(f"tallyhook: {why}; `tallyhook listeners remove {short(other['id'])}` removes it", err=True)


@listeners.command()
@name_argument
@mock_option
@json_option
def remove(name: str, url: str, as_json: bool) -> None:
    """Remove a listener, and cancel the hooks that it has not acknowledged.

    Invoices that are held only for this listener are released, and run an hour later without a review. The
    command says how many were released. Registering a new listener first doesn't prevent this, because
    waiting hooks are sent only to the old one. To avoid this, let the old listener answer before you
    remove it, or pause the old listener instead.

    Example: tallyhook listeners remove 1e39d021
    """
    remote = Remote(url)
    found = remote.named("listeners", name)
    released = _held_for(remote, found)
    remote.delete(path("listeners", found["id"]))
    invoices = "1 held invoice is" if released == 1 else f"{released:,} held invoices are"
    what = "is removed" + (f"; {invoices} released without its answer" if released else "")
    _print(found | {"released": released}, what, as_json)


@listeners.command()
@name_argument
@mock_option
@json_option
def pause(name: str, url: str, as_json: bool) -> None:
    """Stop sending hooks to a listener. The hooks for it wait, and their invoices stay held.

    Example: tallyhook listeners pause http://127.0.0.1:8000/hooks
    """
    _switch(url, name, "pause", "is paused: its hooks wait, and their invoices stay held", as_json)


@listeners.command()
@name_argument
@mock_option
@json_option
def resume(name: str, url: str, as_json: bool) -> None:
    """Send hooks to a paused listener again, beginning with the hooks that are waiting.

    Example: tallyhook listeners resume http://127.0.0.1:8000/hooks
    """
    _switch(url, name, "resume", "gets hooks again", as_json)


def _is_twin(other: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Return whether some hooks go to one URL twice: for this listener and for the other."""
    is_same = all(other[name] == made[name] for name in ("system", "product", "url"))
    shared = set(other["events"]) & set(made["events"])
    return is_same and other["id"] != made["id"] and bool(shared or not (other["events"] and made["events"]))


def _held_for(remote: Remote, listener: Mapping[str, Any]) -> int:
    """Return the number of invoices that are held only for this listener."""
    wanted = {"type": "subscriptionBillable", "state": "pending"}
    waiting = [
        {
            delivery["listener"]
            for delivery in hook["deliveries"]
            if delivery["state"] in ("pending", "sending") and not delivery["isReplay"]
        }
        for hook in remote.get("/hooks", wanted)["hooks"]
        if hook["product"] == listener["product"]
    ]
    return waiting.count({listener["url"]})


def _switch(url: str, name: str, action: str, what: str, as_json: bool) -> None:
    remote = Remote(url)
    found = remote.named("listeners", name)
    _print(remote.post(path("listeners", found["id"], action)), what, as_json)


def _print(listener: dict[str, Any], what: str, as_json: bool) -> None:
    if as_json:
        print_json(listener)
    else:
        echo(f"{short(listener['id'])} {listener['url']} {what}")
