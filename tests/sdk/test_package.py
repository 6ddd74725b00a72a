"""The package's public names: all exist, and modules are loaded only on first use."""

import subprocess
import sys
from types import ModuleType

import pytest

import tallyhook

HEAVY = ("httpx", "lxml.etree", "msgspec", "asyncio")


def loaded_by(code: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after running the code."""
    show = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    command = [sys.executable, "-c", f"{code}; {show}"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_every_name_leads_to_what_it_names() -> None:
    for name in tallyhook.__all__:
        found = getattr(tallyhook, name)
        assert name.startswith("__") or isinstance(found, ModuleType) or found.__name__ == name
    assert {*tallyhook.__all__} <= {*dir(tallyhook)}


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Cleint'"):
        getattr(tallyhook, "Cleint")  # noqa: B009 - a type checker would refuse it as an attribute
    assert not hasattr(tallyhook, "os")


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    assert loaded_by("import tallyhook") == set()
    assert loaded_by("import tallyhook; tallyhook.errors.NotFound; tallyhook.signing.sign") == set()
    assert "asyncio" not in loaded_by("from tallyhook import Client")


def test_the_other_systems_load_only_by_name() -> None:
    others = "('tallyhook.cleverbridge', 'tallyhook.fusebill', 'tallyhook.review')"
    code = f"import sys, tallyhook; tallyhook.Client; assert not {{*{others}}} & {{*sys.modules}}"
    assert "httpx" in loaded_by(code)
