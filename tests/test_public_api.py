"""The public API is what tests/public_api.txt lists. A change adds to it, or takes away, and shows it there.

`python -m tests.test_public_api` writes the list anew.
"""

from collections.abc import Iterator
from pathlib import Path

import griffe

LIST = Path(__file__).parent / "public_api.txt"
PACKAGES = {"tallyhook": "sdk", "tallyhook_receiver": "receiver", "tallyhook_mock": "mock_server"}
MODULES = (
    "tallyhook",
    "tallyhook.audit",
    "tallyhook.chargemonk",
    "tallyhook.cheddar.calls",
    "tallyhook.cheddar.hooks",
    "tallyhook.cheddar.models",
    "tallyhook.cheddar.responses",
    "tallyhook.cleverbridge",
    "tallyhook.errors",
    "tallyhook.fusebill",
    "tallyhook.review",
    "tallyhook.signing",
    "tallyhook_receiver",
)


def lines_of(module: str) -> Iterator[str]:
    """Each public name of a module, with its signature or its members."""
    found = griffe.load(module, search_paths=[str(LIST.parents[1] / PACKAGES[module.partition(".")[0]])])
    names = found.exports or [name for name in found.members if found.members[name].is_public]
    for name in sorted(map(str, names)):
        try:
            member = found.members[name]
            member = member.final_target if isinstance(member, griffe.Alias) else member
        except (KeyError, griffe.AliasResolutionError):
            yield f"{module}.{name}"
            continue
        yield f"{module}.{name}{signature(member)}"
        if isinstance(member, griffe.Class):
            for each in sorted(member.members):
                if not each.startswith("_") and not member.members[each].is_alias:
                    yield f"{module}.{name}.{each}{signature(member.members[each])}"


def signature(member: griffe.Object | griffe.Alias) -> str:
    makes = isinstance(member, griffe.Class) and "__init__" in member.members
    if not makes and not isinstance(member, griffe.Function):
        return ""
    shown = (f"{it.name}{'' if it.default is None else f'={it.default}'}" for it in member.parameters)
    return f"({', '.join(shown)})"


def listed() -> str:
    return "".join(f"{line}\n" for module in MODULES for line in lines_of(module))


def test_the_public_api_is_as_listed() -> None:
    there, listed_before = listed().splitlines(), LIST.read_text().splitlines()
    added = [line for line in there if line not in set(listed_before)]
    gone = [line for line in listed_before if line not in set(there)]
    told = "\n".join([*(f"+ {line}" for line in added), *(f"- {line}" for line in gone)])
    assert there == listed_before, f"python -m tests.test_public_api, and a line in CHANGELOG.md:\n{told}"


if __name__ == "__main__":
    LIST.write_text(listed())
