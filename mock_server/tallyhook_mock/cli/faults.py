"""`tallyhook faults`: having a mock go wrong on purpose."""

from typing import Annotated

import typer

from tallyhook_mock.cli.completion import hook_types
from tallyhook_mock.cli.remote import URL, MockUrl, Remote
from tallyhook_mock.faults import FaultKind
from tallyhook_receiver.cli.output import Json, print_json, table

__all__ = ["faults"]

faults = typer.Typer(help="Have a running mock go wrong on purpose.", no_args_is_help=True)

_COUNTED = ("kind", "met", "struck", "isOver")
# What nobody has to be told: that there is no limit.
_UNSAID = (None, "", 0)


@faults.command("list")
def list_(url: MockUrl = URL, as_json: Json = False) -> None:
    """What shall go wrong, and what has.

    Example: tallyhook faults list
    """
    found = Remote(url).get("/faults")["faults"]
    if as_json:
        print_json(found)
        return
    rows = []
    for fault in found:
        told = [f"{k}={v}" for k, v in fault.items() if k not in _COUNTED and v not in _UNSAID]
        over = "over" if fault["isOver"] else "waits"
        rows.append((fault["kind"], over, str(fault["met"]), str(fault["struck"]), " ".join(told)))
    table(("fault", "state", ">met", ">struck", "~what"), rows, empty="Nothing is planned to go wrong.")


@faults.command()
def add(
    kind: Annotated[FaultKind, typer.Argument(help="What goes wrong.")],
    action: Annotated[
        str | None, typer.Option(metavar="CALL", help="For calls: such as customers/add-charge.")
    ] = None,
    type: Annotated[
        str | None, typer.Option(metavar="TYPE", autocompletion=hook_types, help="For hooks: their type.")
    ] = None,
    customer: Annotated[str | None, typer.Option(metavar="CODE", help="Only what is about this one.")] = None,
    nth: Annotated[int | None, typer.Option(min=1, help="The first that it strikes.")] = None,
    times: Annotated[int | None, typer.Option(min=1, help="How many it strikes.")] = None,
    probability: Annotated[float | None, typer.Option(min=0, max=1, help="Of striking each.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draws.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Of latency and timeout; real ones.")] = None,
    status: Annotated[int | None, typer.Option(help="Of an error: 500, 502 or 503.")] = None,
    retry_after: Annotated[int | None, typer.Option(help="Seconds that a 503 asks for.")] = None,
    by: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long a reordered hook is held back.")
    ] = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Plan a fault: without --times or --probability it strikes once.

    Example: tallyhook faults add dropAfter --action customers/add-charge --customer ada
    """
    wish = {
        "kind": kind,
        "action": action,
        "type": type,
        "customer": customer,
        "nth": nth,
        "times": times,
        "probability": probability,
        "seed": seed,
        "seconds": seconds,
        "status": status,
        "retryAfter": retry_after,
        "by": by,
    }
    made = Remote(url).post("/faults", wish)
    if as_json:
        print_json(made)
    else:
        typer.echo(f"{kind} is planned")


@faults.command()
def clear(url: MockUrl = URL, as_json: Json = False) -> None:
    """Let nothing more go wrong.

    Example: tallyhook faults clear
    """
    remote = Remote(url)
    remote.delete("/faults")
    if as_json:
        print_json(remote.get("/faults")["faults"])
    else:
        typer.echo("nothing more goes wrong")
