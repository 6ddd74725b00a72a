"""examples/approval.py"""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tallyhook_mock.testing import Cheddar

from .conftest import Load, ask


class Chat:
    """What takes the messages; it is out of order until somebody repairs it."""

    def __init__(self) -> None:
        self.url = ""
        self.works = True
        self.texts: list[str] = []

    @property
    def links(self) -> list[str]:
        return [path for text in self.texts for path in re.findall(r"http://127\.0\.0\.1:8000(/\S+)", text)]


@pytest.fixture
def chat() -> Iterator[Chat]:
    here = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if here.works:
                here.texts.append(json.loads(content)["text"])
            self.send_response(200 if here.works else 500)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield here
        server.shutdown()
        thread.join()


def test_it_is_held_for_days_until_somebody_agrees(cheddar: Cheddar, chat: Chat, load: Load) -> None:
    app = load("approval", CHAT_URL=chat.url).app
    cheddar.listener(app)
    cheddar.bill("ada")
    cheddar.advance("5d")
    cheddar.assert_held("ada")
    (text,), (link,) = chat.texts, chat.links  # asked once, however often the hook came
    assert text.startswith("ada\n")
    assert "82.50" in text  # 20.00, 3 seats at 10.00, and 13 GB above the two included

    page = ask(app, "GET", link)  # as a chat does, for its preview
    assert "82.50" in page.text
    assert "<button>" in page.text
    cheddar.advance("2d")
    cheddar.assert_held("ada")

    assert "Agreed." in ask(app, "POST", link).text
    assert "Agreed." in ask(app, "POST", link).text
    cheddar.bill("ada", within="2d")
    cheddar.assert_billed("ada", "82.50")
    assert len(chat.texts) == 1
    assert cheddar.bills("ada")[1].collected == cheddar.bills("ada")[1].total


def test_what_was_agreed_to_is_what_is_billed(
    cheddar: Cheddar, chat: Chat, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load("approval", CHAT_URL=chat.url)
    cheddar.listener(example.app)
    cheddar.bill("ada", within="1h")
    ask(example.app, "POST", chat.links[0])
    monkeypatch.setattr(example, "gigabytes_used", lambda *_: 1002)
    cheddar.bill("ada", within="1d")
    cheddar.assert_held("ada")
    assert "2550.00" in chat.texts[1]
    ask(example.app, "POST", chat.links[1])
    cheddar.bill("ada", within="2d")
    cheddar.assert_billed("ada", "2550.00")


def test_a_small_one_needs_nobody(
    cheddar: Cheddar, chat: Chat, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load("approval", CHAT_URL=chat.url)
    monkeypatch.setattr(example, "gigabytes_used", lambda *_: 11)
    cheddar.listener(example.app)
    cheddar.bill("ada")
    cheddar.assert_billed("ada", "72.50")
    assert chat.texts == []


def test_a_chat_that_is_out_of_order_is_asked_again(cheddar: Cheddar, chat: Chat, load: Load) -> None:
    app = load("approval", CHAT_URL=chat.url).app
    cheddar.listener(app)
    chat.works = False
    cheddar.bill("ada", within="10min")
    cheddar.assert_held("ada")
    chat.works = True
    cheddar.bill("ada", within="1h")
    assert len(chat.texts) == 1
    cheddar.assert_held("ada")


def test_a_link_that_was_made_up(cheddar: Cheddar, chat: Chat, load: Load) -> None:
    app = load("approval", CHAT_URL=chat.url).app
    cheddar.listener(app)
    assert ask(app, "POST", "/approvals/anything").status_code == 404
