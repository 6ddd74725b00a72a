"""The application in docs/receiver.md runs unchanged."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.cheddar import FakeCheddar, signed
from tests.receiver.test_asgi import serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "receiver.md"


def test_the_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "sessions" in block]
    names: dict[str, Any] = {"sessions": SimpleNamespace(user=lambda cookie: cookie.removeprefix("user="))}
    exec(compile(code, DOCUMENT.name, "exec"), names)
    body = FakeCheddar().hook()
    with (
        serving(names["app"]) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        taken = client.post("/hooks", content=body, headers=signed(body, "the product's secret key"))
        assert taken.json() == {"hook": "ignored"}
        assert client.get("/ops/inbox/", headers={"Cookie": "user=eve"}).status_code == 403
        page = client.get("/ops/inbox/", headers={"Cookie": "user=ida"})
    assert "ignored" in page.text
    assert (tmp_path / "inbox.sqlite").exists()
