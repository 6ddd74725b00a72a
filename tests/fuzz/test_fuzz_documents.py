"""The reader of XML documents on anything: models or a documented error, and never an entity."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook import documents
from tallyhook.errors import APIError, DecodeError

from .loose import keys, texts

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("*.xml"))
READERS: list[Callable[[bytes], Any]] = [
    documents.customers,
    documents.customer,
    documents.plans,
    documents.plan,
    documents.promotions,
    documents.promotion,
    documents.nothing,
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037", "latin-1"]
SECRET = "the content of a file"


def read(body: bytes) -> list[Any]:
    """What each reader makes of a body; their documented errors are an answer too."""
    found = []
    for reader in READERS:
        try:
            found.append(reader(body))
        except (APIError, DecodeError) as error:
            found.append(error)
    assert isinstance(documents.refusal(502, body), APIError)
    return found


def refuse(body: bytes) -> None:
    for answer in read(body):
        assert isinstance(answer, DecodeError)


def element(name: str) -> Callable[[list[str]], str]:
    return lambda inner: f"<{name}>{''.join(inner)}</{name}>"


names = keys.filter(lambda key: key.isascii() and key.isidentifier())
content = texts.map(lambda text: escape("".join(c for c in text if c.isprintable())))
trees = st.recursive(
    content,
    lambda inner: st.builds(lambda name, parts: element(name)(parts), names, st.lists(inner, max_size=4)),
    max_leaves=30,
)


@given(root=st.sampled_from(["customers", "plans", "promotions", "error", "success"]), inner=trees)
def test_any_document_is_read_or_refused(root: str, inner: str) -> None:
    read(f"<{root}><customer>{inner}</customer>{inner}</{root}>".encode())


@given(body=st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    read(body)
    read(b"<customers>" + body + b"</customers>")


@given(data=st.data(), path=st.sampled_from(FIXTURES))
def test_a_damaged_document_is_read_or_refused(data: st.DataObject, path: Path) -> None:
    body = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(body)))
        body[start : start + data.draw(st.integers(0, 6))] = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b"<", b">", b"&", b"&#0;", b"<!--", b"]]>", b"<![CDATA[", b"<?x ?>", b"<a/>"])
        )
    read(bytes(body))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("declared", [True, False])
@given(
    subset=st.sampled_from(
        [
            "",
            "[]",
            '[<!ENTITY x "a">]',
            "[<!ENTITY % p \"<!ENTITY x SYSTEM 'file:///etc/hostname'>\">%p;]",
            'SYSTEM "file:///etc/hostname"',
            'PUBLIC "-//x//x" "http://127.0.0.1:9/x.dtd"',
            '[<!ATTLIST customer code CDATA "injected">]',
        ]
    ),
    space=st.sampled_from(["", " ", "\n", "<!-- -->", "<?x y?>"]),
)
def test_a_document_type_is_refused_in_any_encoding(
    encoding: str, declared: bool, subset: str, space: str
) -> None:
    declaration = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' if declared else ""
    text = f"{declaration}{space}<!DOCTYPE customers {subset}>{space}<customers><customer/></customers>"
    refuse(text.encode(encoding))


def test_without_a_document_type_the_same_document_is_read() -> None:
    """So that the test above fails for its own reason only."""
    (customer,) = documents.customers(b"<!-- --><?x y?><customers><customer/></customers>")
    assert customer.code == ""


def laughs(inside: str) -> bytes:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE customers [<!ENTITY l0 "ha">{levels}]><customers>{inside}</customers>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        laughs("<customer><notes>&l9;</notes></customer>"),
        laughs('<customer code="&l9;"/>'),
        f'<!DOCTYPE c [<!ENTITY a "{"a" * 50_000}">]><customers x="{"&a;" * 20_000}"/>'.encode(),
        f'<!DOCTYPE c [<!ENTITY a "{"a" * 50_000}">]><customers>{"&a;" * 20_000}</customers>'.encode(),
        b'<!DOCTYPE c [<!ENTITY a "&b;"><!ENTITY b "&a;">]><customers x="&a;">&a;</customers>',
    ],
    ids=["text", "attribute", "quadratic attribute", "quadratic text", "circle"],
)
def test_a_billion_laughs_cost_nothing(body: bytes) -> None:
    tracemalloc.start()
    started = time.perf_counter()
    try:
        refuse(body)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        assert time.perf_counter() - started < 60
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "subset",
    [
        '[<!ENTITY x SYSTEM "{uri}">]',
        '[<!ENTITY % x SYSTEM "{uri}"> %x;]',
        'SYSTEM "{uri}"',
    ],
    ids=["entity", "parameter", "external subset"],
)
def test_no_file_is_opened(tmp_path: Path, subset: str) -> None:
    """Whoever opens a pipe that nobody writes to waits for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    body = f'<!DOCTYPE customers {subset.format(uri=pipe.as_uri())}><customers a="1">&x;</customers>'
    reading = threading.Thread(target=refuse, args=(body.encode(),), daemon=True)
    reading.start()
    reading.join(5)
    assert not reading.is_alive()


def test_the_depth_of_a_document_is_bounded() -> None:
    refuse(b"<customers>" + b"<customer>" * 100_000)
    read(b"<customers>" + b"<a>" * 250 + b"</a>" * 250 + b"</customers>")
