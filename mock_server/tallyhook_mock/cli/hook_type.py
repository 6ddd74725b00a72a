"""The types of hooks, for the shell to complete."""

from tallyhook_mock.systems import policies
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

__all__ = ["names"]


def names(incomplete: str) -> list[str]:
    """Those that begin with what is typed; the mock says what is wrong with any other."""
    others = (each for policy in policies().values() for each in policy.types)
    return [name for name in (*HOOK_TYPES, *others) if name.startswith(incomplete)]
