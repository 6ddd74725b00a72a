"""`tallyhook hooks`: what a mock has sent, and what an operator does about it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from tallyhook_mock.cli.hook_type import names
from tallyhook_mock.cli.remote import URL, MockUrl, Remote, path, say_more
from tallyhook_mock.core.hooks import DeliveryState
from tallyhook_receiver.cli.output import Json, grid, moment, print_json, short, state, table

__all__ = ["hooks"]

hooks = typer.Typer(help="Look at the hooks of a running mock, and decide about them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="HOOK", help="Its id, or how that begins.")]


@hooks.command("list")
def list_(
    type: Annotated[
        str | None, typer.Option(metavar="TYPE", autocompletion=names, help="Only hooks of this type.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only hooks about this customer.")
    ] = None,
    state: Annotated[
        DeliveryState | None, typer.Option(help="Only hooks with a delivery in this state.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="How many at the most: the latest, or with --after the next.")
    ] = 50,
    after: Annotated[
        str | None, typer.Option(metavar="HOOK", help="Only hooks sent after this one, by its whole id.")
    ] = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """The hooks that were sent last, newest at the end.

    Example: tallyhook hooks list --type subscriptionBillable --state pending
    """
    wanted = {"type": type, "customer": customer, "state": state, "limit": limit, "after": after}
    answer = Remote(url).get("/hooks", wanted | {"order": "newest" if after is None else "oldest"})
    found = answer["hooks"]
    if after is None:
        found.reverse()
    if as_json:
        print_json(found)
        if after is not None:
            say_more(answer.get("next"))
        return
    rows = [
        (short(hook["id"]), moment(hook["at"]), hook["type"], hook["customer"], _deliveries(hook))
        for hook in found
    ]
    table(("hook", "when (UTC)", "type", "~customer", "~deliveries"), rows, empty="There are no such hooks.")
    _say_more(answer.get("next"), after)


@hooks.command()
def show(
    name: Name,
    body: Annotated[bool, typer.Option("--body", help="With the JSON that was sent.")] = False,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """One hook with every attempt: when, with which headers, what was answered, how long it took.

    Example: tallyhook hooks show 1e39d028 --body
    """
    remote = Remote(url)
    hook = remote.get(path("hooks", remote.named("hooks", name)["id"]))
    if as_json:
        print_json(hook)
        return
    grid(
        [
            ("hook", hook["id"]),
            ("type", f"{hook['type']} of {hook['product'] or hook['system']}"),
            ("customer", hook["customer"]),
            ("when", f"{moment(hook['at'])} UTC"),
        ]
    )
    for delivery in hook["deliveries"]:
        _show(delivery)
    if body:
        typer.echo(f"\n{json.dumps(hook['json'], indent=2, ensure_ascii=False)}")


@hooks.command()
def retry(name: Name, url: MockUrl = URL, as_json: Json = False) -> None:
    """Send a hook at once to whoever has not acknowledged it.

    Example: tallyhook hooks retry 1e39d028
    """
    _act(url, name, "retry", "is sent again to whoever has not acknowledged it", as_json)


@hooks.command()
def cancel(name: Name, url: MockUrl = URL, as_json: Json = False) -> None:
    """Give a hook up; the invoice that it holds is released.

    Example: tallyhook hooks cancel 1e39d028
    """
    _act(url, name, "cancel", "is given up: it holds no invoice", as_json)


@hooks.command()
def replay(name: Name, url: MockUrl = URL, as_json: Json = False) -> None:
    """Send a hook again to whoever has acknowledged it; its invoice is neither held nor released by that.

    Example: tallyhook hooks replay 1e39d028
    """
    _act(url, name, "replay", "is sent again to whoever has acknowledged it", as_json)


def _act(url: str, name: str, action: str, what: str, as_json: bool) -> None:
    remote = Remote(url)
    hook = remote.named("hooks", name)
    done = remote.post(path("hooks", hook["id"], action))
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{short(hook['id'])} {hook['type']} about {hook['customer']} {what}")


def _say_more(following: str | None, after: str | None) -> None:
    if after is not None:
        say_more(following)
    elif following is not None:
        typer.echo("There are earlier ones: --limit shows more of them.", err=True)


def _deliveries(hook: Mapping[str, Any]) -> Text:
    """One line for each: its state and the last answer."""
    lines = []
    for delivery in hook["deliveries"]:
        tried = delivery["attempts"]
        answer = f" after {len(tried)}, last {_answer(tried[-1])}" if tried else ""
        replayed = ", replay" if delivery["isReplay"] else ""
        lines.append(Text.assemble(state(delivery["state"]), f"{answer}{replayed}"))
    return Text("\n").join(lines)


def _show(delivery: Mapping[str, Any]) -> None:
    coming = f", next at {moment(delivery['nextAt'])}" if delivery["nextAt"] else ""
    replay = ", a replay" if delivery["isReplay"] else ""
    typer.echo(f"\nto {delivery['listener']}: {delivery['state']}{coming}{replay}")
    for number, attempt in enumerate(delivery["attempts"], 1):
        fault = f" ({attempt['fault']})" if attempt["fault"] else ""
        took = f"{attempt['seconds'] * 1000:,.0f} ms"
        typer.echo(f"  {number}. {moment(attempt['at'])}  {_answer(attempt)}  {took}{fault}")
        for header, value in attempt["headers"].items():
            typer.echo(f"     > {header}: {value}")
        if attempt["status"] is not None and attempt["answer"]:
            typer.echo(f"     < {attempt['answer'][:500]}")


def _answer(attempt: Mapping[str, Any]) -> str:
    return str(attempt["answer"] if attempt["status"] is None else attempt["status"])
