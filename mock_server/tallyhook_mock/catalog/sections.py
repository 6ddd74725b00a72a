"""Writing what a catalogue says of the systems beside Cheddar, in the words in which it can be read again."""

from collections.abc import Callable
from typing import Any

from tallyhook_mock.catalog.present import has_own_keys, present
from tallyhook_mock.catalog.table import MASK
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems import Systems

__all__ = ["dump_sections"]


def dump_sections(systems: Systems) -> dict[str, Any]:
    """Who may call, what is on offer, and what holds for accounts to come; no accounts."""
    return {name: _SECTIONS[name](systems) | _listeners(systems, name) for name in present(systems)}


def _listeners(systems: Systems, name: str) -> dict[str, Any]:
    """Keys are shown, as the secrets of products are: whoever writes a listener needs them."""
    found = [
        {
            "url": listener.url,
            "events": sorted(listener.events),
            **({"header": listener.header, "key": listener.key} if listener.header else {}),
        }
        for listener in systems.cheddar.hooks.listeners.values()
        if listener.system == name
    ]
    return {"listeners": found} if found else {}


def _cleverbridge(systems: Systems) -> dict[str, Any]:
    state = systems.cleverbridge
    return {
        "vatPercent": quantity_text(state.vat_percent),
        "reminderDays": state.reminder_days,
        "users": [{"name": name, "password": MASK} for name in state.users],
        "products": [
            {"id": product.id, "name": product.name, "price": amount_text(product.price)}
            for product in state.products.values()
        ],
        "coupons": [
            {"code": coupon.code, "percent": quantity_text(coupon.percent)}
            for coupon in state.coupons.values()
        ],
    }


def _fusebill(systems: Systems) -> dict[str, Any]:
    state = systems.fusebill
    return {"apiKeys": [MASK for _ in state.api_keys]} if has_own_keys(state) else {}


def _chargemonk(systems: Systems) -> dict[str, Any]:
    state = systems.chargemonk
    return {
        "currency": state.currency,
        "plans": [
            {
                "code": plan.code,
                "name": plan.name,
                "price": amount_text(plan.price),
                "termMonths": plan.term_months,
                **({} if plan.billing_cycles is None else {"billingCycles": plan.billing_cycles}),
            }
            for plan in state.plans.values()
        ],
        "addOns": [
            {
                "code": add_on.code,
                "name": add_on.name,
                "price": amount_text(add_on.price),
                **({} if add_on.period_months is None else {"periodMonths": add_on.period_months}),
            }
            for add_on in state.add_ons.values()
        ],
    }


_SECTIONS: dict[str, Callable[[Systems], dict[str, Any]]] = {
    "cleverbridge": _cleverbridge,
    "fusebill": _fusebill,
    "chargemonk": _chargemonk,
}
