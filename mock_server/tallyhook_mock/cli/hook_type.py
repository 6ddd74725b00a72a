"""The types of hooks, for the shell to complete."""

from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

__all__ = ["names"]


def names(incomplete: str) -> list[str]:
    """Those that begin with what is typed; the mock says what is wrong with any other."""
    return [name for name in HOOK_TYPES if name.startswith(incomplete)]
