"""`tallyhook inbox`: show a receiver's hooks, and retry, resolve or delete them."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from rich.text import Text

from tallyhook import money
from tallyhook.review.journal import (
    Added,
    Adding,
    Asked,
    Declared,
    Entry,
    Refused,
    Resolved,
    Verified,
    encode,
)
from tallyhook_receiver import Inbox, InboxUnavailable, Record, State, open_inbox
from tallyhook_receiver.cli.command import BAD, USAGE, Group, fail, json_option
from tallyhook_receiver.cli.output import grid, print_json, say, table
from tallyhook_receiver.options import DEFAULT_INBOX
from tallyhook_receiver.settings import PREFIX, read
from tallyhook_receiver.subject import moment, subject, times

T = TypeVar("T")


@click.group(cls=Group, default="list")
def inbox() -> None:
    """Show a receiver's hooks, and retry, resolve or delete them."""


# Read like a receiver's settings, so `TALLYHOOK_INBOX_FILE` may name a file that contains the value.
_VARIABLE = f"{PREFIX}INBOX"

url_option = click.option(
    "--inbox",
    "url",
    metavar="PATH|URL",
    show_default=f"the variable {_VARIABLE} or {_VARIABLE}_FILE, else {DEFAULT_INBOX}",
    help="The inbox: a SQLite file, or a URL such as postgresql://user@host/database.",
)
key_argument = click.argument(
    "key", help="The hook's key, or the first digits of the key, as shown in the log."
)

_COLOURS = {
    State.WORKING: "cyan",
    State.DONE: "green",
    State.WAITING: "yellow",
    State.FAILED: "red",
    State.UNRESOLVED: "bold red",
    State.IGNORED: "dim",
    State.UNDECODABLE: "magenta",
}


@inbox.command("list")
@url_option
@click.option(
    "--state", type=click.Choice([each.value for each in State]), help="List only hooks in this state."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, help="The maximum number of hooks.")
@json_option
def list_(url: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List the hooks that changed most recently, latest change first.

    Example: tallyhook inbox list --inbox inbox.sqlite --state failed
    """
    records = _with(url, lambda opened: opened.list(State(state) if state else None, limit))
    if as_json:
        print_json([_about(record) for record in records])
        return
    now = datetime.now(UTC)
    rows = []
    for record in records:
        seen = subject(record)
        age = _age(now - record.changed)
        cells = (record.name, _state(record.state), str(record.attempts), age, record.product)
        rows.append((*cells, seen.customer, seen.invoice, _what(record)))
    columns = ("hook", "state", ">tried", "changed", "?product", "~customer", "invoice", "~what")
    table(columns, rows, empty="There are no such hooks.")


@inbox.command()
@key_argument
@url_option
@click.option("--body", is_flag=True, help="Also show the body, which contains customer data.")
@json_option
def show(key: str, url: str | None, body: bool, as_json: bool) -> None:
    """Show a hook, its note and the journal of its review.

    For an unresolved hook, also show what is on the invoice, what the review declared, and what to do next.

    Example: tallyhook inbox show f00dfeed
    """

    async def look(opened: Inbox) -> tuple[Record, list[Entry]]:
        record = await _find(opened, key)
        return record, list(await opened.entries(record.key))

    record, entries = _with(url, look)
    if as_json:
        about = _about(record) | {"note": record.note, "journal": [json.loads(encode(e)) for e in entries]}
        if body:
            about["body"] = record.body.decode("utf-8", "replace")
        print_json(about)
        return
    grid(_shown(record, entries, body))
    if record.state is not State.UNRESOLVED and record.outcome is not None:
        say(record.outcome)


def _shown(record: Record, entries: Sequence[Entry], body: bool) -> Iterator[tuple[str, str | Text]]:
    seen = subject(record)
    yield "hook", record.key
    yield "state", _state(record.state)
    yield "type", f"{record.type} of {record.product}"
    yield "received", f"{moment(record.received)}, delivered {times(record.deliveries)}"
    yield "changed", f"{moment(record.changed)}, tried {times(record.attempts)}"
    if seen.customer or seen.invoice:
        yield "about", f"invoice {seen.invoice} of customer {seen.customer}"
    if record.due is not None:
        yield "second look", f"due {moment(record.due)}"
    if record.state is State.UNRESOLVED:
        asked = [entry for entry in entries if isinstance(entry, Asked)]
        yield "stands", "\n".join([record.note.rstrip(), *(asked[-1].stands if asked else ())])
        meant = [entry for entry in entries if isinstance(entry, Declared)]
        yield "meant", _meant(meant[-1]) if meant else "nothing yet"
        yield "then", f"tallyhook inbox resolve {record.name} --help"
    elif record.outcome is None:
        yield "note", record.note.rstrip()
    for number, entry in enumerate(entries):
        yield "" if number else "journal", str(entry)
    if body:
        yield "body", record.body.decode("utf-8", "replace")


@inbox.command()
@key_argument
@url_option
@json_option
def retry(key: str, url: str | None, as_json: bool) -> None:
    """Allow a hook to be handled again at its next delivery, even if it is done. The journal is kept.

    Example: tallyhook inbox retry f00dfeed
    """

    async def let_in(opened: Inbox) -> Record:
        record = await _find(opened, key)
        if not await opened.retry(record.key):
            fail("a worker is handling it now; try again when it has finished", BAD)
        return await _find(opened, record.key)

    record = _with(url, let_in)
    _tell(record, as_json, "is handled again at its next delivery: now let its sender retry it")


@inbox.command()
@key_argument
@url_option
@click.option("--ours", metavar="CHARGE_ID", help="The hook's review added the charge with this id.")
@click.option("--never-added", is_flag=True, help="The charge in question was definitely never added.")
@click.option("--accept", is_flag=True, help="Accept the invoice with the content that `inbox show` shows.")
@click.option(
    "--adding",
    type=int,
    metavar="NUMBER",
    show_default="the last request whose outcome is unknown",
    help="With --ours or --never-added: the number that the journal shows for the request to add the charge.",
)
@click.option("--note", default="", show_default=False, help="The reason for the decision, for the journal.")
@json_option
def resolve(
    key: str,
    url: str | None,
    ours: str | None,
    never_added: bool,
    accept: bool,
    adding: int | None,
    note: str,
    as_json: bool,
) -> None:
    """Decide what happens to an unresolved hook, and save the decision in its journal.

    Pass one of --ours, --never-added and --accept. The decision takes effect at the hook's next delivery. If
    the hook was already acknowledged, it takes effect when the receiver checks the invoice again.

    Example: tallyhook inbox resolve f00dfeed --ours 7a1c --note "seen in the console"
    """
    if sum((ours is not None, never_added, accept)) != 1:
        fail("use one of --ours CHARGE_ID, --never-added and --accept", USAGE)

    async def give(opened: Inbox) -> Record:
        record = await _find(opened, key)
        if record.state is not State.UNRESOLVED:
            fail(f"{record.name} is {record.state}, not unresolved", BAD)
        entries = await opened.entries(record.key)
        number = 0 if accept else adding or _open_adding(entries)
        if not accept and not any(isinstance(e, Adding) and e.number == number for e in entries):
            fail(f"the journal has no entry 'adding {number}'" if number else "pass --adding NUMBER", BAD)
        now = datetime.now(UTC)
        word = Resolved(number=number, charge_id=ours, accept=accept, at=now, note=note)
        due, until = (now, now + timedelta(days=1)) if _was_done(entries) else (None, None)
        if not await opened.resolve(record.key, len(entries), word, due, until):
            fail("a worker is handling it, or has just done so: show it again before you decide", BAD)
        return await _find(opened, record.key)

    record = _with(url, give)
    is_done = record.state is State.DONE
    then = "the receiver looks at its invoice again" if is_done else "the next delivery continues"
    _tell(record, as_json, f"is resolved: {then}")


def _was_done(entries: Sequence[Entry]) -> bool:
    """Return whether the hook's last review was done, so that no other delivery will come.

    It wasn't done if it asked a person itself, even if an earlier review of the same invoice was done. Second
    looks don't count.
    """
    for entry in reversed(entries):
        if isinstance(entry, Asked | Verified) and not entry.is_second_look:
            return isinstance(entry, Verified)
    return False


def _open_adding(entries: Sequence[Entry]) -> int:
    """Among the requests to add a charge, find the last one whose outcome is unknown.

    Returns the request's number in the journal, or 0 if there is no such request.
    """
    known = {e.number for e in entries if isinstance(e, Added | Refused | Resolved)}
    return max((e.number for e in entries if isinstance(e, Adding) and e.number not in known), default=0)


@inbox.command()
@key_argument
@url_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask for confirmation.")
@json_option
def forget(key: str, url: str | None, yes: bool, as_json: bool) -> None:
    """Delete a hook and its journal. If the hook is delivered again, its charges may be added twice.

    Example: tallyhook inbox forget f00dfeed
    """

    async def drop(opened: Inbox) -> Record:
        record = await _find(opened, key)
        if not yes:
            click.confirm(
                f"{record.name} ({record.type or 'undecodable'}, {record.state}): delete it and its"
                " journal? If it comes again, its review may add all charges again.",
                abort=True,
                err=True,
            )
        if not await opened.forget(record.key):
            fail("a worker is handling it now; try again when it has finished", BAD)
        return record

    _tell(_with(url, drop), as_json, "is deleted")


@inbox.command()
@url_option
@json_option
def stats(url: str | None, as_json: bool) -> None:
    """Count the hooks by state, and show the size of the inbox.

    Example: tallyhook inbox stats --json
    """
    counted = _with(url, lambda opened: opened.stats())
    hooks = {state: counted.hooks.get(state, 0) for state in State}
    if as_json:
        oldest = None if counted.oldest is None else counted.oldest.isoformat()
        print_json({"hooks": hooks, "entries": counted.entries, "size": counted.size, "oldest": oldest})
        return
    rows = [(_state(state), f"{count:,}") for state, count in hooks.items()]
    table(("state", ">hooks"), rows, footer=("all", f"{sum(hooks.values()):,}"))
    say(f"{counted.entries:,} journal entries, {counted.size / 1024:,.0f} KiB in total")
    if counted.oldest is not None:
        say(f"the oldest hook was received {moment(counted.oldest)}")


def _tell(record: Record, as_json: bool, what: str) -> None:
    if as_json:
        print_json(_about(record))
    else:
        click.echo(f"{record.name} {what}")


def _with(url: str | None, work: Callable[[Inbox], Awaitable[T]]) -> T:
    """Open the inbox at `url`, call `work` with it, and return the result.

    If `url` is None, open the inbox that the environment variables name. The inbox must exist.
    """

    async def run(opened: Inbox) -> T:
        try:
            await opened.open()
            return await work(opened)
        finally:
            await opened.close()

    try:
        return asyncio.run(run(open_inbox(url or _named(), create=False)))
    except (InboxUnavailable, ModuleNotFoundError, ValueError) as error:
        fail(str(error), USAGE)


def _named() -> str:
    """Return the inbox's path or URL from the environment variables, or else the default file."""
    settings = read(os.environ)
    if "INBOX" in settings.problems:
        fail(settings.problems["INBOX"], USAGE)
    named: str = settings.values.get("INBOX", DEFAULT_INBOX)
    return named


async def _find(opened: Inbox, key: str) -> Record:
    record = await opened.get(key) if key else None
    if record is None:
        fail(f"no hook's key begins with {key}, or several do", BAD)
    return record


def _about(record: Record) -> dict[str, Any]:
    seen = subject(record)
    return {
        "key": record.key,
        "state": record.state.value,
        "product": record.product,
        "type": record.type,
        "customer": seen.customer,
        "invoice": seen.invoice,
        "due": None if record.due is None else record.due.isoformat(),
        "attempts": record.attempts,
        "deliveries": record.deliveries,
        "received": record.received.isoformat(),
        "changed": record.changed.isoformat(),
    }


def _state(state: State) -> Text:
    return Text(state, style=_COLOURS[state])


def _what(record: Record) -> Text:
    """Return the hook's type and, unless the hook is done or ignored, the last line of its note."""
    what = Text(record.type or "(undecodable)")
    if record.state not in (State.DONE, State.IGNORED) and (note := record.note.strip()):
        what.append("\n" + note.splitlines()[-1], style="dim")
    return what


def _meant(declared: Declared) -> str:
    declaration = declared.declaration
    quantities = [f"{item}: {money.quantity_text(it)}" for item, it in declaration.quantities.items()]
    return "\n".join([*quantities, *map(str, declaration.charges)]) or "nothing"


def _age(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
