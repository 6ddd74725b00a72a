"""docs/api.md: every command on the page is run as it stands, in order, against a mock of its own."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from tallyhook_mock import serve
from tallyhook_mock.systems.cheddar.api import ROUTES

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ADDRESS = "http://127.0.0.1:8421"
# What stands in a document besides what is shown.
MORE = "…"
FAILED = 22  # how curl ends when it is to fail by the status
CURL = 'curl() { command curl --silent --show-error --fail-with-body --max-time 20 "$@"; }\n'


@dataclass(frozen=True)
class Example:
    """A command of the page and the document that it shows for an answer."""

    line: int
    command: str
    shown: etree._Element

    @property
    def is_refused(self) -> bool:
        return self.shown.tag == "error" or self.shown.find("errors") is not None


def examples() -> Iterator[Example]:
    text = PAGE.read_text("utf-8")
    blocks = list(re.finditer(r"^```(\w+)\n(?!tallyhook mock)(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert [block[1] for block in blocks] == ["sh", "xml"] * (len(blocks) // 2)
    for command, answer in zip(blocks[::2], blocks[1::2], strict=True):
        yield Example(text.count("\n", 0, command.start()) + 2, command[2], etree.fromstring(answer[2]))


def test_every_command_answers_as_the_page_says() -> None:
    with serve() as server:
        for example in examples():
            command = CURL + example.command.replace(ADDRESS, server.url)
            done = subprocess.run(["sh", "-e", "-c", command], capture_output=True, timeout=60)
            place = f"{PAGE.name}:{example.line}: {done.stderr.decode()}{done.stdout.decode()}"
            assert done.returncode == (FAILED if example.is_refused else 0), place
            assert done.stdout.startswith(b"<?xml "), place
            assert is_as_shown(example.shown, etree.fromstring(done.stdout)), place


def test_every_call_stands_on_the_page() -> None:
    commands = "".join(example.command for example in examples())
    called = set(re.findall(rf"{ADDRESS}/xml/([a-z]+)/([a-z-]+)", commands))
    assert called == {(controller, action) for controller, actions in ROUTES.items() for action in actions}


@pytest.mark.parametrize(
    ("shown", "is_so"),
    [
        ("<a><b>1</b><c/></a>", True),
        ("<a>…</a>", True),
        ("<a><b>…</b>…</a>", True),
        ("<a>…<c/></a>", True),
        ("<a><b>2</b>…</a>", False),
        ("<a><b>1</b></a>", False),
        ("<a><c/>…</a>", False),
        ("<a>…<c/>…<b>1</b></a>", False),
        ("<a><b id=''>1</b>…</a>", False),
    ],
)
def test_what_is_left_out_is_the_only_freedom(shown: str, is_so: bool) -> None:
    assert is_as_shown(etree.fromstring(shown), etree.fromstring("<a><b>1</b><c/></a>")) is is_so


def is_as_shown(shown: etree._Element, found: etree._Element) -> bool:
    """Whether an element is the one that is shown, where `…` may be anything, between elements any number."""
    if shown.tag != found.tag or shown.keys() != found.keys():
        return False
    if any(value not in (MORE, found.get(name)) for name, value in shown.items()):
        return False
    if not len(shown):
        return (shown.text or "").strip() == MORE or (not len(found) and shown.text == found.text)
    texts = (shown.text, *(child.tail for child in shown))
    gaps = [MORE in (text or "") for text in texts]
    return _are_as_shown(list(shown), gaps, list(found))


def _are_as_shown(shown: list[etree._Element], gaps: list[bool], found: list[etree._Element]) -> bool:
    """`gaps` says of the place before each of those shown, and of the end, whether others may stand there."""
    if not shown:
        return gaps[0] or not found
    starts = range(len(found)) if gaps[0] else range(min(1, len(found)))
    return any(
        is_as_shown(shown[0], found[start]) and _are_as_shown(shown[1:], gaps[1:], found[start + 1 :])
        for start in starts
    )
