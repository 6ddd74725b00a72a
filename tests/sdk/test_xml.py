"""Malformed elements: they are read without loss, or rejected with one of our errors."""

import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tallyhook import _model, documents, events, models
from tallyhook._model import Model, fields_of
from tallyhook.cheddar import xml
from tallyhook.cheddar.models import Customer
from tallyhook.errors import DecodeError

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("*.xml"))
MODELS = [
    each
    for module in (models, events)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Model) and each is not Model
]


def texts_of(node: Any) -> Counter[str]:
    """The values of a node that aren't blank."""
    if isinstance(node, dict):
        return sum((texts_of(value) for value in node.values()), Counter())
    if isinstance(node, list):
        return sum(map(texts_of, node), Counter())
    return Counter([node] if node.strip() else [])


def keeps_everything(element: Any) -> None:
    """The tree has every text of the source element, or the element is rejected."""
    try:
        node = xml.node_of(element)
        customer = _model.read(Customer, node)
    except DecodeError:
        return
    standing = Counter(
        text
        for each in element.iter()
        for text in (*each.attrib.values(), *([] if len(each) else [each.text or ""]))
        if text.strip()
    )
    assert texts_of(customer.raw) == standing


def parsed(document: str | bytes) -> Any:
    return etree.fromstring(document, etree.XMLParser(remove_blank_text=True))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_reads_as_the_default_of_any_field(model: type[Model]) -> None:
    empty = model()
    for name, read in fields_of(model).values():
        for nothing in ("", " ", None, [], {}):
            if nothing != " " or not isinstance(getattr(empty, name), str):
                assert read(nothing) == getattr(empty, name)


@pytest.mark.parametrize(
    "inner",
    [
        "<id>other</id>",
        "<code/>",
        "<firstName><b>x</b></firstName>",
        "<firstName>a<b/>c</firstName><notes>n</notes>",
        "<firstName a='1'/>",
        "<firstName a='1'>x</firstName>",
        "<firstName/><firstName>x</firstName>",
        "<metaData a='1'/>",
        "<metaData> </metaData>",
        "<metaData>x</metaData>",
        "<metaData><other/></metaData>",
        "<metaData><metaDatum/></metaData>",
        "<metaData><metaDatum>x</metaDatum></metaData>",
        "<metaData><metaDatum id='1'>x</metaDatum></metaData>",
        "<metaData><metaDatum id='1'/><metaDatum><name>x</name></metaDatum></metaData>",
        "<metaData/><metaData/>",
        "<subscriptions><subscription><plan id='1'/><plans/></subscription></subscriptions>",
        "<subscriptions><subscription><plans/><plan id='1'/></subscription></subscriptions>",
        "<subscriptions><subscription><plans><plan id='1'/></plans><plan id='2'/></subscription>"
        "</subscriptions>",
        "<subscriptions><subscription><plans><plan id='1'/><plan/></plans></subscription></subscriptions>",
        "<subscriptions><subscription><gatewayAccount> </gatewayAccount></subscription></subscriptions>",
        "<subscriptions><subscription><gatewayAccount>x</gatewayAccount></subscription></subscriptions>",
        "<subscriptions><subscription><gatewayAccount id='1'/></subscription></subscriptions>",
        "<subscriptions><subscription><gatewayAccount items='1'/></subscription></subscriptions>",
        "<subscriptions><subscription items='1'><id>2</id></subscription></subscriptions>",
        "<subscriptions><subscription><invoice><number/><invoiceNumber>5</invoiceNumber></invoice>"
        "</subscription></subscriptions>",
        "<subscriptions><subscription><invoice><transaction id='1'/><transaction id='2'/></invoice>"
        "</subscription></subscriptions>",
        "<unknown><a b='1'/><c><d/></c></unknown><notes>n</notes>",
        "<unknown/><unknown/>",
        "<items><item>z</item></items><notes>n</notes>",
        "<notes><![CDATA[]]></notes><key><![CDATA[<>]]></key>",
        "<taxRate>1.50</taxRate><taxRate>much</taxRate>",
        "<taxRate>much</taxRate>",
    ],
)
def test_odd_elements(inner: str) -> None:
    keeps_everything(parsed(f"<customer id='i' code='c'>{inner}</customer>"))
    keeps_everything(parsed(f"<customer>{inner}</customer>"))


names = st.sampled_from(
    sorted({key.removeprefix("@") for model in MODELS for key in fields_of(model)} - {"#text"})
    + sorted(set(xml.SINGULAR.values()))
    + ["unknown"]
)
texts = st.sampled_from(
    [
        "",
        " ",
        "0",
        "1",
        "true",
        "5.00",
        "-3",
        "7",
        "much",
        "2025-03-31T09:15:00+02:00",
        "2028-02-29",
        "0000-00-00",
    ]
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 5) -> Any:
    """Elements that are usually like Cheddar's: lists have their entries, and leaves have text."""
    name = draw(names)
    element = etree.Element(name)
    element.text = draw(texts) or None
    element.attrib.update(draw(st.dictionaries(st.sampled_from(["id", "code", "items"]), texts, max_size=2)))
    if depth:
        for child in draw(st.lists(trees(depth - 1), max_size=2)):
            if name in xml.SINGULAR and draw(st.integers(0, 9)):
                child.tag = xml.SINGULAR[name]
            element.text = None
            element.append(child)
    return element


@given(st.lists(trees(), max_size=6))
def test_any_element(children: list[Any]) -> None:
    customer = etree.Element("customer", id="i")
    customer.extend(children)
    keeps_everything(customer)


@given(data=st.data(), path=st.sampled_from(FIXTURES))
def test_a_document_with_something_moved(data: st.DataObject, path: Path) -> None:
    root = parsed(path.read_bytes())
    everything = list(root.iter())
    for _ in range(data.draw(st.integers(1, 3))):
        element, child = data.draw(st.tuples(st.sampled_from(everything), st.sampled_from(everything)))
        match data.draw(st.integers(0, 3)):
            case 0 if element not in child.iter():
                element.append(child)
            case 1:
                element.set(data.draw(st.sampled_from(["id", "code", "type"])), data.draw(texts))
            case 2:
                element.text = data.draw(texts) or None
            case _:
                element.tag = data.draw(names)
    for customer in root.iter("customer"):
        keeps_everything(customer)


ATTRIBUTES = 40_000
LARGE = {
    "attributes of one element": "<customer " + " ".join(f'a{n}="1"' for n in range(ATTRIBUTES)) + "/>",
    "attributes of many": "<customer>" + '<a b="1" c="2"/>' * ATTRIBUTES + "</customer>",
    "attributes in a list": "<customer><subscriptions>"
    + '<subscription id="1" code="2"/>' * ATTRIBUTES
    + "</subscriptions></customer>",
    "elements of one name": "<customer>" + "<a>1</a>" * ATTRIBUTES + "</customer>",
    "elements of many names": "<customer>" + "".join(f"<a{n}/>" for n in range(ATTRIBUTES)) + "</customer>",
}


@pytest.mark.parametrize("document", LARGE.values(), ids=LARGE)
def test_time_grows_with_the_size_only(document: str) -> None:
    body = f"<customers>{document}</customers>".encode()
    began = time.process_time()
    with suppress(DecodeError):  # more attributes than an element may have
        customer = documents.customer(body)
        assert customer.extra or customer.subscriptions
    assert time.process_time() - began < 5  # with quadratic time this would take minutes
