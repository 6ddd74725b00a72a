"""Somebody who does what docs/tutorial.md says, line by line."""

import os
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"

CURL = 'curl() { command curl --silent --show-error --fail --max-time 20 "$@"; }\n'
SERVERS = ("tallyhook mock", "uvicorn")


def blocks() -> list[tuple[str, str]]:
    """The blocks of the page, each with its language."""
    text = PAGE.read_text("utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(found) == text.count("```") // 2
    return found


def files() -> dict[str, str]:
    """What is to be written into files: blocks that begin with a name."""
    named = (re.match(r"# (\w+\.py)\n", block) for kind, block in blocks() if kind == "python")
    return {name[1]: name.string for name in named if name}


class Reader:
    """Works in a folder, with the programs of an environment. Ports are the only thing done differently."""

    def __init__(self, folder: Path, programs: Path, install: Callable[[list[str]], None]) -> None:
        self._folder = folder
        self._install = install
        self._ports = dict(zip(("8421", "8000"), _free_ports(2), strict=True))
        self._environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTEST_ADDOPTS": "-p no:asyncio -W error",
            "TALLYHOOK_MOCK": f"http://127.0.0.1:{self._ports['8421']}",
            "COLUMNS": "80",
            "NO_COLOR": "1",
        }

    def follow(self) -> None:
        """Everything on the page, in its order; what is shown has to be what is said."""
        said = ""
        servers: dict[str, ExitStack] = {}
        with ExitStack() as running:
            for kind, block in blocks():
                if kind == "text":
                    assert _plain(block) in _plain(said), said
                elif kind == "python" and block in files().values():
                    self._write(block)
                elif kind == "python":
                    said = self._mistaken(block)
                elif block.startswith("pip install "):
                    self._install(shlex.split(block)[2:])
                elif block.startswith(SERVERS):
                    # The same one again is started anew, after the first has been stopped.
                    servers.setdefault(block, running.enter_context(ExitStack())).close()
                    servers[block].enter_context(self._serving(block))
                else:
                    said = self._run(block)

    def _write(self, block: str) -> None:
        name = block.split()[1]
        (self._folder / name).write_text(self._with_ports(block), "utf-8")

    def _mistaken(self, line: str) -> str:
        """What pytest says while a line of the application is replaced."""
        file = self._folder / "shop.py"
        right = file.read_text("utf-8")
        call, _, _ = line.partition("(")
        (before,) = [each for each in right.splitlines(keepends=True) if each.startswith(call)]
        file.write_text(right.replace(before, line), "utf-8")
        said = self._run("pytest", code=1)
        file.write_text(right, "utf-8")
        return said

    def _run(self, commands: str, code: int = 0) -> str:
        done = subprocess.run(
            ["sh", "-e", "-c", CURL + self._with_ports(commands)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def _serving(self, command: str) -> Iterator[None]:
        words = shlex.split(self._with_ports(command))
        port = self._ports["8421" if words[0] == "tallyhook" else "8000"]
        if "--port" not in words:
            words += ["--port", port]
        log = self._folder / f"{words[0]}.log"
        with log.open("w") as lines:
            server = subprocess.Popen(
                words, cwd=self._folder, env=self._environment, stdout=lines, stderr=subprocess.STDOUT
            )
        try:
            _wait_for(port, server, log)
            yield
        finally:
            server.terminate()
            server.wait(30)

    def _with_ports(self, block: str) -> str:
        for port, ours in self._ports.items():
            block = block.replace(port, ours)
        return block


def _plain(text: str) -> str:
    """Without the margin of pytest's failures, and without the blanks that fill a table."""
    return "\n".join(line.removeprefix("E").strip() for line in text.splitlines())


def _free_ports(count: int) -> list[str]:
    with ExitStack() as held:
        found = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(each.getsockname()[1]) for each in found]


def _wait_for(port: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", int(port))) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens: {log.read_text()}")
