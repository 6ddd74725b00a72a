"""Who may import whom: the walls between the rooms, read from the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SDK, RECEIVER, MOCK = ROOT / "sdk", ROOT / "receiver", ROOT / "mock_server"
CORE = MOCK / "tallyhook_mock" / "core"
SYSTEMS = MOCK / "tallyhook_mock" / "systems"
COMMAND_LINE = MOCK / "tallyhook_mock" / "cli"

# The files of a billing system that speak to somebody; all others are its rules, which do no I/O.
FACES = {
    "api",
    "cards",
    "catalog",
    "console",
    "control",
    "documents",
    "faults",
    "hook_json",
    "hooks",
    "listing",
    "known_parameters",
    "paypal",
    "picture",
    "request",
    "validators",
    "xml_documents",
}


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


def rules(system: Path) -> set[Path]:
    return {
        file for file in system.glob("*.py") if file.stem not in FACES and not file.stem.startswith("calls")
    }


def test_rules_do_no_io_and_know_no_clock() -> None:
    allowed = {
        "abc",
        "bisect",
        "calendar",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "operator",
        "msgspec",  # values that take little memory
        "types",
        "typing",
    }
    systems = [folder for folder in SYSTEMS.iterdir() if (folder / "__init__.py").exists()]
    assert len(systems) >= 4
    for system in (CORE, *systems):
        pure = rules(system)
        known = {"tallyhook_mock.core", *(f"tallyhook_mock.core.{file.stem}" for file in CORE.glob("*.py"))}
        package = f"tallyhook_mock.systems.{system.name}"
        known |= {package, *(f"{package}.{file.stem}" for file in pure)}
        for file in pure:
            name = str(file.relative_to(ROOT))
            tree = ast.parse(file.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    assert {room(alias.name) for alias in node.names} <= allowed, name
                elif isinstance(node, ast.ImportFrom):
                    module = node.module or ""
                    assert module in known or room(module) in allowed, f"{name} imports {module}"
                    if module in (package, "tallyhook_mock.core"):
                        assert {f"{module}.{alias.name}" for alias in node.names} <= known, name
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not names & {"now", "utcnow", "today"}, name


def test_no_system_knows_another() -> None:
    names = {folder.name for folder in SYSTEMS.iterdir() if (folder / "__init__.py").exists()}
    offenders = [
        (name, module)
        for system in names
        for name, module in imports(SYSTEMS / system)
        for other in names - {system}
        if f"{module}.".startswith(f"tallyhook_mock.systems.{other}.")
    ]
    assert not offenders


def test_the_core_knows_no_system() -> None:
    assert not [at for at in imports(CORE) if at[1].startswith("tallyhook_mock.systems")]
