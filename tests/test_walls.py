"""Who may import whom: the walls between the rooms, read from the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SDK, RECEIVER, MOCK = ROOT / "sdk", ROOT / "receiver", ROOT / "mock_server"
ENGINE = MOCK / "tallyhook_mock" / "engine"
COMMAND_LINE = MOCK / "tallyhook_mock" / "cli"


def imports(*folders: Path) -> Iterator[tuple[str, str]]:
    """(file, module) of every import below the folders; `from a import b` counts as `a` and `a.b`."""
    for folder in folders:
        for file in folder.rglob("*.py"):
            name = str(file.relative_to(ROOT))
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    yield from ((name, alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    assert node.level == 0, f"{name}: imports are absolute"
                    yield name, node.module or ""
                    yield from ((name, f"{node.module}.{alias.name}") for alias in node.names)


def room(module: str) -> str:
    return module.partition(".")[0]


def test_the_folders_hold_what_is_looked_for() -> None:
    assert {room(module) for _, module in imports(SDK, RECEIVER, MOCK)} >= {
        "tallyhook",
        "tallyhook_receiver",
        "tallyhook_mock",
    }


def test_the_sdk_imports_no_other_room() -> None:
    assert not [at for at in imports(SDK) if room(at[1]) in ("tallyhook_receiver", "tallyhook_mock")]


def test_the_receiver_does_not_import_the_mock() -> None:
    assert not [at for at in imports(RECEIVER) if room(at[1]) == "tallyhook_mock"]


def test_the_mock_imports_nothing_of_the_sdk_but_signing() -> None:
    offenders = [
        at
        for at in imports(MOCK)
        if not (ROOT / at[0]).is_relative_to(COMMAND_LINE)
        and room(at[1]) in ("tallyhook", "tallyhook_receiver")
        and at[1] not in ("tallyhook", "tallyhook.signing")
        and not at[1].startswith("tallyhook.signing.")
    ]
    assert not offenders


def test_the_engine_does_no_io_and_knows_no_clock() -> None:
    allowed = {
        "bisect",
        "calendar",
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "msgspec",  # records that take little memory
        "types",
        "typing",
    }
    outside = {at for at in imports(ENGINE) if room(at[1]) not in allowed}
    assert {module for _, module in outside if not module.startswith("tallyhook_mock.engine")} == set()
    for file in ENGINE.rglob("*.py"):
        names = {
            node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)
        }
        assert not names & {"now", "utcnow", "today"}, file
