"""A throwaway PostgreSQL server, with its data in a folder of its own, and reached by a socket there."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

import psycopg

_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)


class Postgres:
    """Started by `with`, and gone without a trace at its end. It may be stopped and started in between."""

    def __enter__(self) -> Self:
        binaries = _binaries()
        self._postgres = binaries / "postgres"
        # Short, because a socket's path has room for about a hundred characters.
        self._folder = Path(tempfile.mkdtemp(prefix="tallyhook-pg-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = _identity()
        if self._identity:
            os.chown(self._folder, self._identity["user"], self._identity["group"])
        try:
            self._run(
                binaries / "initdb",
                *("--pgdata", self._data, "--username", "tallyhook", "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
            )
            self.start()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Returns once it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._postgres, "-D", self._data, "-c", "listen_addresses="),
                    *("-c", f"unix_socket_directories={self._folder}"),
                    # It is the processes that die in these tests, never the machine.
                    *("-c", "fsync=off", "-c", "max_connections=200"),
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._identity,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)

    def stop(self) -> None:
        """End it at once, with every connection cut, as when its machine is started anew."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(60)

    def kill(self) -> None:
        """End it with no chance to do anything more (kill -9); `start` may be refused for a moment."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(60)

    def url(self, database: str = "postgres", **parameters: str) -> str:
        query = urlencode({"host": str(self._folder), **parameters}, quote_via=quote)
        return f"postgresql://tallyhook@/{database}?{query}"

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            **self._identity,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)


def _binaries() -> Path:
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    for place in _PLACES:
        for folder in sorted(Path("/").glob(place.lstrip("/")), reverse=True):
            if (folder / "initdb").exists():
                return folder
    raise RuntimeError(
        "the tests start a PostgreSQL server of their own, and none is installed:"
        " apt-get install postgresql, or brew install postgresql"
    )


def _identity() -> dict[str, Any]:
    """Whom the server runs as, if it can't be us: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
