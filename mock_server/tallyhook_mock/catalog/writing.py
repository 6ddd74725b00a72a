"""Writes the mock's current catalogue in a form that can be read again."""

from typing import Any

from tallyhook_mock.systems import Systems, parts
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["dump_catalog"]


def dump_catalog(systems: Systems) -> dict[str, Any]:
    """Return the retry schedule, rules, users, products, plans, promotions and listeners, but no customers.

    Billing systems other than Cheddar have their own sections, unless nothing was set in them. Passwords and
    API keys are masked. Secrets that sign hooks are shown, because listeners need them.
    """
    dumps = parts("catalog")
    sections = {
        name: dumps[name].dump(system) | _listeners(systems.cheddar, name)
        for name, system in systems.others.items()
    }
    return {
        **dumps["cheddar"].dump(systems.cheddar),
        **{
            name: section
            for name, section in sections.items()
            if section != dumps[name].dump(type(systems.others[name])())
        },
    }


def _listeners(state: State, system: str) -> dict[str, Any]:
    """Return the listeners of a billing system other than Cheddar. Their keys are not masked."""
    found = [
        {
            "url": listener.url,
            "events": sorted(listener.events),
            **({"header": listener.header, "key": listener.key} if listener.header else {}),
        }
        for listener in state.hooks.listeners.values()
        if listener.system == system
    ]
    return {"listeners": found} if found else {}
