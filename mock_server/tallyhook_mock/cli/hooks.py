"""`tallyhook hooks` and `trigger`: list, retry, replay, cancel and send a mock's hooks."""

import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from tallyhook_mock.cli.cells import moment, short, state
from tallyhook_mock.cli.completion import customer_codes, hook_ids, hook_types
from tallyhook_mock.cli.outcome import answered, report
from tallyhook_mock.cli.remote import Remote, mock_option, path, product_option, say_more
from tallyhook_receiver.cli.command import BAD, USAGE, Command, Group, fail, json_option
from tallyhook_receiver.cli.output import echo, grid, print_json, say, table

__all__ = ["hooks", "trigger"]


@click.group(cls=Group, default="list")
def hooks() -> None:
    """List, show, retry, cancel and replay the hooks of a running mock."""


name_argument = click.argument(
    "name", metavar="HOOK", shell_complete=hook_ids, help="The hook's id, or the first digits of the id."
)


_STATES = ("pending", "sending", "delivered", "canceled", "failed")


@hooks.command("list")
@click.option("--type", metavar="TYPE", shell_complete=hook_types, help="List only hooks of this type.")
@click.option(
    "--customer", metavar="CODE", shell_complete=customer_codes, help="List only hooks about this customer."
)
@click.option(
    "--state",
    type=click.Choice(_STATES),
    help="List only hooks with a delivery in this state.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    help="The maximum number of hooks.",
)
@click.option(
    "--after",
    metavar="HOOK",
    help="List the hooks sent right after this one, instead of the latest. Needs the full id.",
)
@product_option
@mock_option
@json_option
def list_(
    type: str | None,
    customer: str | None,
    state: str | None,
    limit: int,
    after: str | None,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """List the latest hooks, newest last.

    Example: tallyhook hooks list --type subscriptionBillable --state pending
    """
    wanted: dict[str, str | int | None]
    wanted = {"type": type, "customer": customer, "state": state, "product": product, "limit": limit}
    wanted |= {"after": after}
    remote = Remote(url)
    if product is not None:
        remote.product(product)
    answer = remote.get("/hooks", wanted | {"order": "newest" if after is None else "oldest"})
    found = answer["hooks"]
    if after is None:
        found.reverse()
    if not found:
        remote.say_if_unknown(customer)
    if as_json:
        print_json(found)
        if after is not None:
            say_more(answer.get("next"))
        return
    rows = [
        (
            short(hook["id"]),
            moment(hook["at"]),
            hook["type"],
            hook["product"] or hook["system"],
            hook["customer"],
            _deliveries(hook),
        )
        for hook in found
    ]
    columns = ("hook", "when (UTC)", "type", "?product", "~customer", "~deliveries")
    table(columns, rows, empty="There are no such hooks.")
    _say_more(answer.get("next"), after)


@hooks.command()
@name_argument
@click.option("--body", is_flag=True, help="Print only the JSON that was sent.")
@mock_option
@json_option
def show(name: str, body: bool, url: str, as_json: bool) -> None:
    """Show a hook, and the time, headers, answer and duration of each delivery attempt.

    Example: tallyhook hooks show 1e39d028

    Example: tallyhook hooks show 1e39d028 --body > edited.json
    """
    remote = Remote(url)
    hook = remote.get(path("hooks", remote.named("hooks", name)["id"]))
    if as_json:
        print_json(hook)
        return
    if body:
        print_json(hook["json"])
        return
    grid(
        [
            ("hook", hook["id"]),
            ("type", f"{hook['type']} of {hook['product'] or hook['system']}"),
            ("customer", hook["customer"]),
            *([("invoice", f"#{number}")] if (number := _invoice(hook)) else []),
            *([("inbox", f"tallyhook inbox show {key[:16]}")] if (key := _inbox_key(hook)) else []),
            ("when", f"{moment(hook['at'])} UTC"),
        ]
    )
    for delivery in hook["deliveries"]:
        _show(delivery)


@hooks.command()
@name_argument
@mock_option
@json_option
def retry(name: str, url: str, as_json: bool) -> None:
    """Send a hook again now to the listeners that have not acknowledged it.

    Prints the listeners' answers. Exits with 1 unless all these listeners acknowledge the hook.

    Example: tallyhook hooks retry 1e39d028
    """
    remote = Remote(url)
    hook = remote.post(path("hooks", remote.named("hooks", name)["id"], "retry"))
    _report(remote, hook, as_json=as_json)


@hooks.command()
@name_argument
@mock_option
@json_option
def cancel(name: str, url: str, as_json: bool) -> None:
    """Stop sending a hook. If the hook holds an invoice, the invoice is released.

    Example: tallyhook hooks cancel 1e39d028
    """
    remote = Remote(url)
    hook = remote.named("hooks", name)
    done = remote.post(path("hooks", hook["id"], "cancel"))
    if as_json:
        print_json(done)
    else:
        what = "is canceled: it no longer holds an invoice"
        echo(f"{short(hook['id'])} {hook['type']} about {hook['customer']} {what}")


@hooks.command()
@name_argument
@click.option(
    "--to", metavar="URL", help="Send the hook to this URL, even if it isn't registered as a listener."
)
@click.option(
    "--body",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Send the JSON in this file instead of the original body, with a new signature; - reads stdin.",
)
@mock_option
@json_option
def replay(name: str, to: str | None, body: Path | None, url: str, as_json: bool) -> None:
    """Send a hook again to the listeners that have acknowledged it.

    Prints the listeners' answers. The replay neither holds nor releases an invoice. Exits with 1 unless all
    these listeners acknowledge the hook.

    With --to or --body, the hook is sent by this command, not by the mock. It is sent only once, and the mock
    doesn't list the replay. With --body but without --to, every listener that the hook was sent to gets the
    new body. To get a body that you can edit, use `tallyhook hooks show --body`.

    Example: tallyhook hooks replay 1e39d028

    Example: tallyhook hooks replay 1e39d028 --to http://127.0.0.1:8000/hooks --body edited.json
    """
    remote = Remote(url)
    named = remote.named("hooks", name)
    if to is None and body is None:
        before = len(named["deliveries"])
        _report(remote, remote.post(path("hooks", named["id"], "replay")), before, as_json=as_json)
        return
    if to is not None and not to.startswith(("http://", "https://")):
        fail(f"--to: {to!r} is not a URL such as http://127.0.0.1:8000/hooks", USAGE)
    hook = remote.get(path("hooks", named["id"]))
    content = hook["body"].encode() if body is None else _read(body)
    targets = [to] if to else list(dict.fromkeys(each["listener"] for each in hook["deliveries"]))
    _send(remote, hook, content, targets, as_json=as_json)


@click.command(cls=Command)
@click.argument(
    "type", metavar="TYPE", shell_complete=hook_types, help="The hook's type, such as transaction."
)
@click.option(
    "--customer", metavar="CODE", required=True, shell_complete=customer_codes, help="The customer's code."
)
@click.option(
    "--override",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a value in the body, such as subscription.plan.code=BIG; may be repeated.",
)
@click.option(
    "--early", is_flag=True, help="Send a subscriptionBillable hook even if no invoice is outstanding."
)
@product_option
@mock_option
@json_option
def trigger(
    type: str,
    customer: str,
    override: tuple[str, ...],
    early: bool,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Send a signed hook about a customer's current state, and print the listeners' answers.

    The customer doesn't change. Exits with 1 unless every listener acknowledges the hook.

    A subscriptionBillable hook from this command neither holds nor releases an invoice. To bill a customer,
    use `tallyhook bill`, which makes the mock send a real subscriptionBillable hook.

    Example: tallyhook trigger newSubscription --customer ada

    Example: tallyhook trigger newSubscription --customer ada --override subscription.plan.code=BIG
    """
    values = dict(_value(written) for written in override or ())
    remote = Remote(url)
    code = remote.product_of(customer, product)
    wish = {"type": type, "customer": customer, "product": code, "override": values or None}
    if type == "subscriptionBillable" and not early:
        _check(remote, code, customer)
    hook = remote.post("/hooks", wish)
    report(remote, hook, range(len(hook["deliveries"])), as_json=as_json)


def _value(written: str) -> tuple[str, str]:
    where, equals, value = written.partition("=")
    if not equals or not where:
        fail(f"--override: {written!r} is not of the form PATH=VALUE", USAGE)
    return where, value


def _check(remote: Remote, product: str, customer: str) -> None:
    """Fail if the customer has no outstanding invoice.

    Without an outstanding invoice, a review would fail, and the mock would retry the hook for a month.
    """
    answer = remote.get(path("customers", customer, "invoices"), {"product": product})
    if not any(each["invoicePeriod"] == "outstanding" for each in answer["invoices"]):
        fail(
            f"{customer} has no outstanding invoice to review; `tallyhook bill {customer}` runs the period to"
            " its end and sends the hook (--early sends it anyway)",
            BAD,
        )


def _report(remote: Remote, hook: Mapping[str, Any], since: int = 0, *, as_json: bool) -> None:
    """Wait for the unfinished deliveries from index `since` on, and print the listeners' answers."""
    under_way = [
        place
        for place, delivery in enumerate(hook["deliveries"])
        if place >= since and delivery["state"] in ("pending", "sending")
    ]
    report(remote, hook, under_way, as_json=as_json)


def _read(file: Path) -> bytes:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        json.loads(content)
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)
    except ValueError as error:
        fail(f"{file} is not JSON: {error}", USAGE)
    return content


def _send(
    remote: Remote, hook: Mapping[str, Any], content: bytes, targets: list[str], *, as_json: bool
) -> None:
    """Post a hook from this process to all `targets`, signed with the product's key, and print the answers.

    Exits with 1 unless all answers are 2xx.
    """
    import httpx

    from tallyhook import signing
    from tallyhook_mock.sender import why

    headers = dict(hook["headers"])
    if hook["product"]:
        product = remote.product(hook["product"])
        scheme = signing.SCHEMES[product["signature"]]
        headers |= scheme.sign(content, product["secret"], id=hook["id"], at=datetime.now(UTC))
    outcomes: list[dict[str, Any]] = []
    for target in targets:
        began, status = time.perf_counter(), None
        try:
            response = httpx.post(target, content=content, headers=headers, timeout=60, trust_env=False)
            status, answer = response.status_code, response.text
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            answer = why(error, target)
        seconds = time.perf_counter() - began
        outcomes.append({"url": target, "status": status, "seconds": round(seconds, 3), "answer": answer})
    if as_json:
        print_json(outcomes)
    else:
        say(Text.assemble((short(hook["id"]), "bold"), f" {hook['type']} about {hook['customer']}"))
        for each in outcomes:
            say(answered(each["status"], each["seconds"], each["answer"], each["url"]))
    if not all(each["status"] is not None and 200 <= each["status"] < 300 for each in outcomes):
        sys.exit(BAD)


def _invoice(hook: Mapping[str, Any]) -> str:
    about = (hook["json"].get("subscription") or {}).get("invoice") or {}
    return str(about.get("invoiceNumber") or "")


def _inbox_key(hook: Mapping[str, Any]) -> str:
    """Return the hook's key in a receiver's inbox, or an empty string if the hook is not Cheddar's."""
    if not hook["product"]:
        return ""
    from tallyhook import events
    from tallyhook_receiver.sources.cheddar import event_key
    from tallyhook_receiver.sources.source import inbox_key

    body = hook["body"].encode()
    return inbox_key(hook["product"], event_key(events.decode(body), body))


def _say_more(following: str | None, after: str | None) -> None:
    if after is not None:
        say_more(following)
    elif following is not None:
        click.echo("There are earlier hooks: show more of them with --limit.", err=True)


def _deliveries(hook: Mapping[str, Any]) -> Text:
    """Return one line per delivery, with the delivery's state and the last answer."""
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
    echo(f"\nto {delivery['listener']}: {delivery['state']}{coming}{replay}")
    for number, attempt in enumerate(delivery["attempts"], 1):
        fault = f" ({attempt['fault']})" if attempt["fault"] else ""
        took = f"{attempt['seconds'] * 1000:,.0f} ms"
        echo(f"  {number}. {moment(attempt['at'])}  {_answer(attempt)}  {took}{fault}")
        for header, value in attempt["headers"].items():
            echo(f"     > {header}: {value}")
        if attempt["status"] is not None and attempt["answer"]:
            echo(f"     < {attempt['answer'][:500]}")


def _answer(attempt: Mapping[str, Any]) -> str:
    return str(attempt["answer"] if attempt["status"] is None else attempt["status"])
