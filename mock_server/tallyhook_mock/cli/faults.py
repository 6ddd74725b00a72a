"""`tallyhook faults`: make a mock's calls and hooks fail on purpose."""

import click

from tallyhook_mock.cli.completion import hook_types
from tallyhook_mock.cli.remote import Remote, mock_option
from tallyhook_mock.faults import FaultKind
from tallyhook_receiver.cli.command import Group, json_option
from tallyhook_receiver.cli.output import print_json, table

__all__ = ["faults"]


@click.group(cls=Group, default="list")
def faults() -> None:
    """Make calls and hooks of a running mock fail on purpose, to test how your code handles it."""


_COUNTED = ("kind", "met", "struck", "isOver")
# Defaults, which are not printed.
_UNSAID = (None, "", 0)


@faults.command("list")
@mock_option
@json_option
def list_(url: str, as_json: bool) -> None:
    """List the faults, with the number of calls and hooks that each fault has affected.

    Example: tallyhook faults list
    """
    found = Remote(url).get("/faults")["faults"]
    if as_json:
        print_json(found)
        return
    rows = []
    for fault in found:
        told = [f"{k}={v}" for k, v in fault.items() if k not in _COUNTED and v not in _UNSAID]
        over = "used up" if fault["isOver"] else "planned"
        rows.append((fault["kind"], over, str(fault["met"]), str(fault["struck"]), " ".join(told)))
    table(("fault", "state", ">met", ">struck", "~what"), rows, empty="No faults are planned.")


@faults.command()
@click.argument("kind", type=click.Choice([each.value for each in FaultKind]), help="The kind of fault.")
@click.option(
    "--action", metavar="CALL", help="Affect only calls of this action, such as customers/add-charge."
)
@click.option("--type", metavar="TYPE", shell_complete=hook_types, help="Affect only hooks of this type.")
@click.option("--customer", metavar="CODE", help="Affect only calls and hooks about this customer.")
@click.option(
    "--nth", type=click.IntRange(min=1), help="Start with the Nth matching call or hook; 1 is the next one."
)
@click.option("--times", type=click.IntRange(min=1), help="How many calls or hooks to affect.")
@click.option(
    "--probability",
    type=click.FloatRange(min=0, max=1),
    help="The probability that a matching call or hook is affected.",
)
@click.option("--seed", type=int, help="The seed of the random choices that --probability makes.")
@click.option("--seconds", type=float, help="How long a latency or timeout fault lasts, in real seconds.")
@click.option("--status", type=int, help="The HTTP status of an error fault: 500, 502 or 503.")
@click.option("--retry-after", type=int, help="The value of the Retry-After header of a 503, in seconds.")
@click.option("--by", metavar="DURATION", help="How long to hold back a reordered hook, in the mock's time.")
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
    """Plan a fault. It affects one call or hook unless you pass --times or --probability.

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
    remote = Remote(url)
    made = remote.post("/faults", wish)
    remote.say_if_unknown(customer)
    if as_json:
        print_json(made)
    else:
        click.echo(f"{kind} is planned")


@faults.command()
@mock_option
@json_option
def clear(url: str, as_json: bool) -> None:
    """Remove all faults.

    Example: tallyhook faults clear
    """
    remote = Remote(url)
    remote.delete("/faults")
    if as_json:
        print_json(remote.get("/faults")["faults"])
    else:
        click.echo("all faults are cleared")
