"""Helpers for the pages of systems other than Cheddar, and the links in the top bar."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup
from starlette.requests import Request

from tallyhook_mock.console.forms import mock_of
from tallyhook_mock.console.listing import events
from tallyhook_mock.picture.bills import COMING
from tallyhook_mock.picture.life import story_of
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.systems import Systems, parts, policies

__all__ = ["Books", "Link", "account_values", "books_of", "links"]

_SHOWN = 100  # bills of an account

# With more links than this, the systems share a menu in the top bar.
_MOST_LINKS = 6


@dataclass(frozen=True, slots=True)
class Link:
    """A link in the top bar. `key` is its keyboard shortcut after `g`."""

    href: str
    label: str
    key: str


@dataclass(frozen=True, slots=True)
class Books:
    """How much one system has billed. `totals` maps currencies to the amounts billed."""

    link: Link
    accounts: int
    bills: int
    totals: Mapping[str, Decimal]
    next_due: datetime | None


_OVERVIEW, _FAULTS = Link("/", "Overview", "o"), Link("/console/faults", "Faults", "f")
_CUSTOMERS = Link("/console/customers", "Customers", "c")
_HOOKS = (Link("/console/hooks", "Hooks", "h"), Link("/console/listeners", "Listeners", "l"))


def _others(systems: Systems) -> dict[str, Link]:
    """Return the links to the systems other than Cheddar that are in use, by system name."""
    return {
        name: Link(f"/console/{name}", name.title(), module.KEY)
        for name, module in parts("console").items()
        if name in systems.others and systems.others[name].is_used()
    }


def links(systems: Systems) -> tuple[list[Link], list[Link]]:
    """Return the links in the top bar, and the links in its menu."""
    used = _others(systems)
    others = [*used.values()]
    # An empty mock shows Cheddar's pages, which say that it is empty.
    has_cheddar = systems.cheddar.products or not others
    customers = (_CUSTOMERS,) if has_cheddar else ()
    hooks = _HOOKS if has_cheddar or any(name in policies() for name in used) else ()
    bar = [_OVERVIEW, *customers, *hooks, *others, _FAULTS]
    return (bar, []) if len(bar) <= _MOST_LINKS else ([_OVERVIEW, *customers, *hooks, _FAULTS], others)


def books_of(systems: Systems) -> list[Books]:
    """Return what each system other than Cheddar has billed, without the systems that are not in use."""
    return [
        Books(link, len(system.accounts()), system.billed.count, system.billed.totals, system.next_due())
        for link, system in ((link, systems.others[name]) for name, link in _others(systems).items())
    ]


def account_values(request: Request, system: str, account: Any) -> dict[str, Any]:
    """Return the values that every account's page needs: its picture, forecast, bills and timeline."""
    mock, key = mock_of(request), str(account.id)
    return {
        # The picture is safe HTML: `paint` escapes all text from outside.
        "picture": Markup(paint(story_of(mock, system, account), styled=False)),
        "coming": mock.systems.others[system].forecast(key, COMING),
        "bills": account.bills[::-1][:_SHOWN],
        "entries": events(request, mock.timeline.numbered(key, system=system)),
    }
