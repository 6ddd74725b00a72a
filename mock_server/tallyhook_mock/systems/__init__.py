"""The billing systems that a mock simulates. To add a system, add a folder here and a line to `SYSTEMS`.

Each folder uses the same file names. `state.py` is required, and defines `State`, a subclass of
`BillingSystem` (except in Cheddar, the first system). The other files are optional: `api.py` (defines `face`
and `ACTIONS`), `hooks.py` (`POLICY`, `type_of` and `body`), `catalog.py` (`Section`, `read` and `dump`),
`control.py` and `console.py` (`ROUTES`), and `picture.py` (`tell`).

Docstrings say how each rule is known, after `Standing:` or in brackets: it is documented, was stated by the
vendor's staff in a year, recorded, relied on by clients, or inferred. docs/NAME.md lists a system's rules.
"""

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TypeVar

from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.core.system import BillingSystem

__all__ = ["SYSTEMS", "Systems", "actions", "hook_types", "part", "parts", "policies"]

# What each system calls the accounts that it bills.
SYSTEMS = {
    "cheddar": "customers",
    "cleverbridge": "subscriptions",
    "fusebill": "customers",
    "chargemonk": "subscriptions",
}

S = TypeVar("S", bound=BillingSystem)


def part(system: str, file: str) -> ModuleType | None:
    """Import and return a system's module, such as its `control`. None if the system has no such file."""
    name = f"{__name__}.{system}.{file}"
    return import_module(name) if find_spec(name) is not None else None


def parts(file: str) -> dict[str, ModuleType]:
    """Import the module named `file` from each system that has one. Returns the modules by system name."""
    found = {system: part(system, file) for system in SYSTEMS}
    return {system: module for system, module in found.items() if module is not None}


def actions() -> list[str]:
    """Return the names of all systems' API calls, such as `customers/add-charge`. Faults use these names."""
    return [action for api in parts("api").values() for action in api.ACTIONS]


def policies() -> dict[str, Policy]:
    """Return how hooks are sent, for each system that sends them."""
    return {system: module.POLICY for system, module in parts("hooks").items()}


def hook_types() -> list[str]:
    """Return the types of all systems' hooks, Cheddar's first."""
    from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

    return [*HOOK_TYPES, *(each for policy in policies().values() for each in policy.types)]


class Systems:
    """All billing systems of one mock. They share only the clock.

    Attributes:
        cheddar: Cheddar, the only system that can hold several businesses, its "products".
        others: the other systems, by name.
    """

    def __init__(self, ids: Ids | None = None) -> None:
        """Create the systems. Cheddar takes new ids from `ids`; each other system generates its own ids."""
        # Imported only here, because the commands need only the names of the systems.
        from tallyhook_mock.systems.cheddar.state import State as Cheddar

        self.cheddar = Cheddar(ids)
        self.others: Mapping[str, BillingSystem] = {
            name: module.State() for name, module in parts("state").items() if name != "cheddar"
        }
        self._all: tuple[Cheddar | BillingSystem, ...] = (self.cheddar, *self.others.values())

    def of(self, kind: type[S]) -> S:
        """Return the system whose state is an instance of `kind`. Cheddar can't be found this way."""
        return next(system for system in self.others.values() if isinstance(system, kind))

    def next_due(self) -> datetime | None:
        """Return the time of the next planned action in any system. None if nothing is planned."""
        moments = [due for system in self._all if (due := system.next_due()) is not None]
        return min(moments, default=None)

    def step(self, at: datetime) -> bool:
        """Carry out one action that is due by `at`, in any system. Returns False if no action is due."""
        return self.cheddar.step(at) or any(system.step(at) for system in self.others.values())
