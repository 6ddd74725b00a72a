"""Parts of answers that several control calls share: moments, bills, timeline entries and pictures."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, overload

from starlette.requests import Request
from starlette.responses import Response

from tallyhook_mock.control.requests import page
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.story import Story
from tallyhook_mock.timeline import Entry

__all__ = ["bill_shown", "drawn", "line_shown", "moment_shown", "timeline_shown"]


@overload
def moment_shown(moment: datetime) -> str: ...
@overload
def moment_shown(moment: datetime | None) -> str | None: ...
def moment_shown(moment: datetime | None) -> str | None:
    """Return the moment in ISO 8601, with its UTC offset. If it is None, return None."""
    return None if moment is None else moment.isoformat()


def bill_shown(bill: Bill) -> dict[str, Any]:
    """Return a bill and its lines as JSON.

    Unit prices are not rounded, because a coupon may lead to fractions of a cent.
    """
    return {
        "number": bill.number,
        "at": moment_shown(bill.at),
        "currency": bill.currency,
        "lines": [line_shown(line) for line in bill.lines],
        "total": amount_text(bill.total),
    }


def line_shown(line: Line) -> dict[str, Any]:
    return {
        "item": line.item,
        "description": line.description,
        "quantity": quantity_text(line.quantity),
        "unitPrice": f"{line.unit_price:f}",
        "amount": amount_text(line.amount),
        "start": moment_shown(line.start),
        "end": moment_shown(line.end),
    }


def timeline_shown(request: Request, entries: Mapping[int, Entry]) -> dict[str, Any]:
    """Return the timeline entries that the query's `limit` and `after` select, oldest first, as JSON."""
    found, more = page(entries.items(), request.query_params, lambda pair: str(pair[0]))
    return {"timeline": [_entry(entry) for _, entry in found], **more}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "at": moment_shown(entry.at),
        "kind": entry.kind,
        "actor": entry.actor,
        "invoice": entry.invoice,
        "amount": None if entry.amount is None else amount_text(entry.amount),
        "item": entry.item,
        "note": entry.note,
    }


def drawn(story: Story) -> Response:
    """Return a customer's history as an SVG picture.

    A security policy forbids scripts, in case a browser opens the picture directly.
    """
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(paint(story), media_type="image/svg+xml", headers=policy)
