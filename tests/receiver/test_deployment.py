"""The files for production: the listener runs unchanged, and the others refer to things that exist."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from tests.cheddar import FakeCheddar, signed

from tallyhook_receiver.settings import SETTINGS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
OPERATIONS = ROOT / "docs" / "operations.md"
FILES = ["compose.yaml", "tallyhook.service", "Containerfile"]
SERVED = ["--http", "h11", "--no-access-log", "--timeout-graceful-shutdown", "30"]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "keys").write_text("wick\n")
    (tmp_path / "password").write_text("paraffin\n")
    variables = {
        "PRODUCT_CODE": "ACME",
        "KEYS_FILE": str(tmp_path / "keys"),
        "USER": "ops@example.com",
        "PASSWORD_FILE": str(tmp_path / "password"),
        "BASE_URL": "http://127.0.0.1:9/xml",
        "INBOX": str(tmp_path / "inbox.sqlite"),
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(DEPLOY), *sys.path])}
    environment |= {f"TALLYHOOK_{name}": value for name, value in variables.items()}
    command = [sys.executable, "-m", "uvicorn", "listener:app", "--port", str(port), *SERVED]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def test_the_listener(url: str, tmp_path: Path) -> None:
    body = FakeCheddar().hook(activityType="subscriptionChanged")
    answer = httpx.post(f"{url}/hooks", content=body, headers=signed(body, "wick"))
    assert (answer.status_code, answer.json()) == (200, {"hook": "ignored"})
    assert httpx.post(f"{url}/hooks", content=body).status_code == 401
    metrics = httpx.get(f"{url}/metrics/").text
    assert 'tallyhook_requests_total{answer="ignored",status="200"} 1.0' in metrics
    log = (tmp_path / "log").read_text()
    assert (
        '"logger": "tallyhook.receiver", "message": "a request was refused with 401", "status": 401}' in log
    )


@pytest.mark.parametrize("file", FILES)
def test_variables_that_are_named_mean_something(file: str) -> None:
    known = {f"TALLYHOOK_{setting.name}{end}" for setting in SETTINGS for end in ("", "_FILE")}
    assert set(re.findall(r"TALLYHOOK_\w+", (DEPLOY / file).read_text())) <= known


@pytest.mark.parametrize(
    "file", [*(DEPLOY / name for name in ("tallyhook.service", "Containerfile", "listener.py")), OPERATIONS]
)
def test_the_server_is_told_the_same_everywhere(file: Path) -> None:
    words = " ".join(re.findall(r'[^\s\\"\[\],]+', file.read_text("utf-8")))
    assert words.count("uvicorn listener:app") == 1
    assert f"--port 8000 {' '.join(SERVED)}" in words


def test_what_goes_into_the_images_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [
        words for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for words in line.split()
    ]
    assert len(copied) > 5
    let_in = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in let_in
