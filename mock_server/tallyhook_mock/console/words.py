"""Formats values for pages."""

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from markupsafe import Markup, escape

from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import Hook
from tallyhook_mock.core.money import amount_text

__all__ = [
    "account_url",
    "customer_url",
    "day",
    "hook_url",
    "milliseconds",
    "moment",
    "money",
    "pretty_json",
    "span",
]

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=:)|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)"
)


def moment(at: datetime) -> Markup:
    """Return a `<time>` element that shows a moment as `2026-02-01 12:00:00`. The console's times are UTC."""
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}")


def day(at: datetime) -> Markup:
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(at.isoformat(), f"{at:%Y-%m-%d}")


def span(length: timedelta) -> str:
    """Return a duration in its two largest units, such as `1 h 5 min`."""
    rest, parts = int(abs(length).total_seconds()), []
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def money(amount: Decimal, currency: str) -> str:
    """Return an amount such as `−$1,234.50` or `EUR 5.00`.

    A real minus sign comes before the currency, and a space after a currency code.
    """
    sign, unit = "−" if amount < 0 else "", f"{currency}\u00a0" if currency.isalnum() else currency
    whole, _, places = amount_text(abs(amount)).partition(".")
    return f"{sign}{unit}{int(whole):,}.{places}"


def pretty_json(body: bytes) -> Markup:
    """Return JSON with indentation and syntax colours. Any other text is shown unchanged."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return Markup("{}").format(body.decode("utf-8", "replace"))
    parts, end = [], 0
    for found in _TOKEN.finditer(text):
        parts.append(escape(text[end : found.start()]))
        parts.append(Markup('<span class="json-{}">{}</span>').format(found.lastgroup, found.group()))
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def customer_url(product: str, code: str) -> str:
    # The code is in the query, because it may contain anything. In a path, dots and slashes have a meaning.
    return f"/console/customer?{urlencode({'product': product, 'code': code})}"


def account_url(hook: Hook) -> str:
    """Return the URL of the page about a hook's customer or account."""
    if hook.policy is None:
        return customer_url(hook.product, hook.customer)
    return f"/console/{hook.system}/{hook.customer}"


def hook_url(hook: Hook) -> str:
    return f"/console/hooks/{ids.text(hook.id)}"
