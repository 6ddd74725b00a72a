"""The command `tallyhook` as it is installed, as a process."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from tallyhook_mock.cli import main

__all__ = ["ENVIRONMENT", "SCRIPT", "Command", "run"]

SCRIPT = str(Path(sys.executable).with_name("tallyhook"))
_TERMINAL = {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}
ENVIRONMENT = {**os.environ, **_TERMINAL, "PYTHONUNBUFFERED": "1"}

# Commands of two words.
_GROUPS = ("clock", "customers", "faults", "hooks", "listeners", "snapshot", "usage")

Done = subprocess.CompletedProcess[str]


def run(*arguments: str, mock: str = "", answer: bytes = b"", **variables: str) -> Done:
    """What a command does as a process, `mock` being the URL that the environment gives."""
    environment = {**ENVIRONMENT, "TALLYHOOK_MOCK": mock, **variables}
    command = [SCRIPT, *arguments]
    done = subprocess.run(
        command, capture_output=True, input=answer, timeout=60, env=environment, check=False
    )
    return Done(command, done.returncode, done.stdout.decode(), done.stderr.decode())


class Command:
    """Commands on one mock.

    Each is run as a process when it is used for the first time, and in this one from then on: starting
    Python takes ten times as long as the command.
    """

    _started: ClassVar[set[tuple[str, ...]]] = set()

    def __init__(self, url: str) -> None:
        self.url = url

    def says(self, *arguments: str) -> str:
        """What it prints, all being well."""
        done = self._done(arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def gives(self, *arguments: str) -> Any:
        """What it gives to programs."""
        return json.loads(self.says(*arguments, "--json"))

    def complains(self, code: int, *arguments: str) -> str:
        """The one line that it ends with, and nothing else."""
        done = self._done(arguments)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("tallyhook: ")
        return done.stderr.removeprefix("tallyhook: ").rstrip("\n")

    def _done(self, arguments: tuple[str, ...]) -> Done:
        name = arguments[: 2 if arguments[0] in _GROUPS else 1]
        if name in self._started:
            return self._called(arguments)
        self._started.add(name)
        return run(*arguments, mock=self.url)

    def _called(self, arguments: tuple[str, ...]) -> Done:
        # Like a pipe: a StringIO has no encoding.
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        command = ["tallyhook", *arguments]
        with (
            mock.patch.object(sys, "argv", command),
            mock.patch.dict(os.environ, {**_TERMINAL, "TALLYHOOK_MOCK": self.url}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as end:
                code = end.code
        said, complained = (each.detach().getvalue().decode() for each in (out, err))
        return Done(command, code if isinstance(code, int) else 0, said, complained)
