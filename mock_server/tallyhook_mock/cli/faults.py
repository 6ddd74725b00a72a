"""`tallyhook faults`: having a mock go wrong on purpose."""

import click

from tallyhook_mock.cli.completion import hook_types
from tallyhook_mock.cli.remote import Remote, mock_option
from tallyhook_mock.faults import FaultKind
from tallyhook_receiver.cli.command import Group, json_option
from tallyhook_receiver.cli.output import print_json, table

__all__ = ["faults"]


@click.group(cls=Group, default="list")
def faults() -> None:
    """Have a running mock go wrong on purpose."""


_COUNTED = ("kind", "met", "struck", "isOver")
# What nobody has to be told: that there is no limit.
_UNSAID = (None, "", 0)


@faults.command("list")
@mock_option
@json_option
def list_(url: str, as_json: bool) -> None:
    """List planned faults, and those that have happened.

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
@click.argument("kind", type=click.Choice([each.value for each in FaultKind]), help="What goes wrong.")
@click.option("--action", metavar="CALL", help="Only calls of this action, such as customers/add-charge.")
@click.option("--type", metavar="TYPE", shell_complete=hook_types, help="For hooks: their type.")
@click.option("--customer", metavar="CODE", help="Only what is about this customer.")
@click.option("--nth", type=click.IntRange(min=1), help="The first match to affect.")
@click.option("--times", type=click.IntRange(min=1), help="How many calls or hooks to affect.")
@click.option("--probability", type=click.FloatRange(min=0, max=1), help="Chance of each strike.")
@click.option("--seed", type=int, help="Seed of the random draws.")
@click.option("--seconds", type=float, help="Real seconds of a latency or timeout.")
@click.option("--status", type=int, help="Status of an error: 500, 502 or 503.")
@click.option("--retry-after", type=int, help="The Retry-After of a 503, in seconds.")
@click.option("--by", metavar="DURATION", help="How long a reordered hook is held back.")
@mock_option
@json_option
def add(
    kind: str,
    action: str | None,
    type: str | None,
    customer: str | None,
    nth: int | None,
    times: int | None,
    probability: float | None,
    seed: int | None,
    seconds: float | None,
    status: int | None,
    retry_after: int | None,
    by: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Plan a fault. It strikes once unless --times or --probability is given.

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
        click.echo(f"{kind} is planned")


@faults.command()
@mock_option
@json_option
def clear(url: str, as_json: bool) -> None:
    """Clear all faults.

    Example: tallyhook faults clear
    """
    remote = Remote(url)
    remote.delete("/faults")
    if as_json:
        print_json(remote.get("/faults")["faults"])
    else:
        click.echo("nothing more goes wrong")
