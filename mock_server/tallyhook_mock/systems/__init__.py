"""The billing systems of a mock. To add one, add a folder here and a line in `SYSTEMS`.

The files have the same names in each folder. `state` is required and has a class `State`, which is a
`BillingSystem`. The other files are optional: `api` (with `face` and `ACTIONS`), `hooks` (with `POLICY`,
`type_of` and `body`), `catalog` (with `Section`, `read` and `dump`), `control` and `console` (with `ROUTES`),
`picture` (with `tell`).

`Standing:` in a docstring, or a word in brackets, says how a rule is known: it is documented, was stated by
the vendor's staff in a year, recorded, relied on by clients, or inferred. docs/NAME.md lists the rules.
"""

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TypeVar

from tallyhook_mock.core.base import BillingSystem
from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.core.ids import Ids

__all__ = ["SYSTEMS", "Systems", "actions", "part", "parts", "policies"]

# The name that each system uses for the accounts it bills.
SYSTEMS = {
    "cheddar": "customers",
    "cleverbridge": "subscriptions",
    "fusebill": "customers",
    "chargemonk": "subscriptions",
}

S = TypeVar("S", bound=BillingSystem)


def part(system: str, file: str) -> ModuleType | None:
    """Import a system's module by its file name, such as `control`. None if the system has no such file."""
    name = f"{__name__}.{system}.{file}"
    return import_module(name) if find_spec(name) is not None else None


def parts(file: str) -> dict[str, ModuleType]:
    """Import the modules with this file name. The keys are the systems that have one."""
    found = {system: part(system, file) for system in SYSTEMS}
    return {system: module for system, module in found.items() if module is not None}


def actions() -> list[str]:
    """Return the names of all API calls as faults use them, such as `customers/add-charge`."""
    return [action for api in parts("api").values() for action in api.ACTIONS]


def policies() -> dict[str, Policy]:
    """Return how each system that has a `hooks` module sends its hooks."""
    return {system: module.POLICY for system, module in parts("hooks").items()}


class Systems:
    """All billing systems of one mock. They share nothing but the clock.

    Attributes:
        cheddar: Cheddar, the only system with products.
        others: the other systems, by name.
    """

    def __init__(self, ids: Ids | None = None) -> None:
        """Create the systems. Cheddar takes its ids from `ids`. The other systems count their own ids."""
        # Imported only here, because commands need nothing but the names of the systems.
        from tallyhook_mock.systems.cheddar.state import State as Cheddar

        self.cheddar = Cheddar(ids)
        self.others: Mapping[str, BillingSystem] = {
            name: module.State() for name, module in parts("state").items() if name != "cheddar"
        }
        self._all: tuple[Cheddar | BillingSystem, ...] = (self.cheddar, *self.others.values())

    def of(self, kind: type[S]) -> S:
        """Return the system whose state has this class. Cheddar is not among them."""
        return next(system for system in self.others.values() if isinstance(system, kind))

    def next_due(self) -> datetime | None:
        """Return the next moment at which any system has something to do. None if there is none."""
        moments = [due for system in self._all if (due := system.next_due()) is not None]
        return min(moments, default=None)

    def step(self, at: datetime) -> bool:
        """Carry out one action that is due at `at`. Returns False if none is due."""
        return self.cheddar.step(at) or any(system.step(at) for system in self.others.values())
