"""What a command loads before it can do anything: nothing that it has no use for."""

import subprocess
import sys

import pytest

from tallyhook_mock import serve

from .command import ENVIRONMENT
from .loopback import Api, catalog

# Each takes longer to load than a person notices, and longer than the command itself.
HEAVY = {"cryptography", "httpx", "jinja2", "lxml", "pydantic", "pygments", "starlette", "trio", "uvicorn"}

READING = (
    "clock",
    "customers",
    "invoice ida",
    "timeline ida",
    "forecast ida",
    "calls",
    "hooks",
    "listeners",
    "faults",
    "snapshot",
    "rules",
)
HELP = (
    "",
    "mock",
    "seed",
    "listen",
    "trigger",
    "record",
    "compare",
    "conform start",
    "verify",
    "doctor",
)


def loaded(command: str, url: str = "") -> set[str]:
    """The packages that are imported while a command runs, as its process tells them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tallyhook", *command.split()],
        capture_output=True,
        text=True,
        timeout=60,
        env={**ENVIRONMENT, "TALLYHOOK_MOCK": url},
        check=False,
    )
    assert done.returncode == 0, done
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_commands_that_read_load_no_web_server_and_no_parser() -> None:
    with serve(catalog()) as server:
        Api(server).subscribe("ida")
        for command in READING:
            assert not loaded(command, server.url) & HEAVY, command


@pytest.mark.parametrize("command", HELP)
def test_help_loads_nothing_that_the_command_works_with(command: str) -> None:
    assert not loaded(f"{command} --help") & HEAVY


def test_the_inbox_loads_no_client() -> None:
    """It loads lxml, because what it shows can show itself as HTML too."""
    assert not loaded("inbox list --help") & HEAVY - {"lxml"}
