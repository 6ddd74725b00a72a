"""The page's content: the number of hooks in each state, failed and waiting hooks, and recent reviews."""

from collections.abc import Sequence
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

from tallyhook.review import Outcome
from tallyhook.tables import Column, Element, Table, element, written
from tallyhook_receiver.inbox import Inbox, Record, State, Stats
from tallyhook_receiver.subject import Subject, moment, subject, times

_SHOWN = 20  # hooks in each section, newest first
_SEARCHED = 100  # how many hooks that are done or ignored are searched for reviews

_COLUMNS = (
    Column("hook"),
    Column("state"),
    Column("type"),
    Column("product"),
    Column("invoice", is_number=True),
    Column("customer"),
    Column("tried", is_number=True),
    Column("received"),
    Column("changed"),
    Column("why"),
)


class Overview(NamedTuple):
    """The data that the page shows. Each list begins with the newest hook."""

    stats: Stats
    failed: Sequence[Subject]
    waiting: Sequence[Subject]
    reviewed: Sequence[tuple[Subject, Outcome]]


async def read(inbox: Inbox) -> Overview:
    """Read the overview from an inbox. Raises InboxUnavailable."""
    failed = await _newest(inbox, _SHOWN, State.UNRESOLVED, State.FAILED, State.UNDECODABLE)
    waiting = await _newest(inbox, _SHOWN, State.WAITING, State.WORKING)
    ended = await _newest(inbox, _SEARCHED, State.DONE, State.IGNORED)
    reviewed = [(seen, seen.outcome) for seen in map(subject, ended) if seen.outcome is not None]
    return Overview(
        stats=await inbox.stats(),
        failed=[subject(record) for record in failed],
        waiting=[subject(record) for record in waiting],
        reviewed=reviewed[:_SHOWN],
    )


async def _newest(inbox: Inbox, limit: int, *states: State) -> Sequence[Record]:
    found = [record for state in states for record in await inbox.list(state, limit)]
    return sorted(found, key=lambda record: record.changed, reverse=True)[:limit]


def document(overview: Overview, style: str, at: datetime) -> str:
    """Return the page's HTML. `style` is the URL of the style sheet.

    `at` is the current time, which the page shows.
    """
    stats = overview.stats
    oldest = "" if stats.oldest is None else f"; the oldest hook was received {moment(stats.oldest)}"
    failed = sum(stats.hooks.get(state, 0) for state in (State.UNRESOLVED, State.FAILED, State.UNDECODABLE))
    waiting = sum(stats.hooks.get(state, 0) for state in (State.WAITING, State.WORKING))
    html = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("title", "Inbox · Tallyhook"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("link", rel="icon", href="data:,"),
            element("link", rel="stylesheet", href=style),
        ),
        element(
            "body",
            element(
                "header",
                element("h1", "Inbox"),
                element("p", f"as of {moment(at)}"),
            ),
            element(
                "main",
                element(
                    "section",
                    element("dl", *(_count(state, stats.hooks.get(state, 0)) for state in State)),
                    element("p", f"{stats.entries:,} journal entries{oldest}"),
                ),
                _hooks("Failed", overview.failed, failed),
                _hooks("Waiting", overview.waiting, waiting),
                element(
                    "section",
                    element("h2", "Last reviews"),
                    *(starmap(_review, overview.reviewed) if overview.reviewed else [element("p", "none")]),
                ),
            ),
        ),
        lang="en",
    )
    return "<!doctype html>\n" + written(html)


def _count(state: State, count: int) -> Element:
    empty = "" if count else " empty"
    return element("div", element("dt", state), element("dd", f"{count:,}"), class_=state + empty)


def _hooks(heading: str, seen: Sequence[Subject], count: int) -> Element:
    if not seen:
        return element("section", element("h2", heading), element("p", "none"))
    newest = "all of them" if len(seen) >= count else f"the newest {len(seen)} of {count:,}"
    table = Table(title=f"{newest}, by their last change", columns=_COLUMNS, rows=tuple(map(_row, seen)))
    return element("section", element("h2", heading), element("div", table.element(), class_="wide"))


def _row(seen: Subject) -> tuple[str, ...]:
    record = seen.record
    return (
        record.name,
        record.state,
        seen.type,
        record.product,
        seen.invoice,
        seen.customer,
        str(record.attempts),
        moment(record.received),
        moment(record.changed),
        seen.reason,
    )


def _review(seen: Subject, outcome: Outcome) -> Element:
    record = seen.record
    ended = f"{record.state} {moment(record.changed)}, tried {times(record.attempts)}"
    return element(
        "article",
        element("h3", f"invoice {seen.invoice} of customer {seen.customer}"),
        element("p", f"{record.name} of {record.product}: {ended}"),
        element("div", outcome.table().element(), class_="wide"),
    )
