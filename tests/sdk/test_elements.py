"""The quick way from an element to a model, and the one by way of its node: both lead to the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tallyhook import _model as nodes
from tallyhook import events, models
from tallyhook._model import Model, slots_of
from tallyhook.cheddar import xml as elements
from tallyhook.cheddar.models import Customer
from tallyhook.errors import DecodeError

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("*.xml"))
MODELS = [
    each
    for module in (models, events)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Model) and each is not Model
]


def seen(model: Any) -> Any:
    """All of a model, with what `==` takes for the same: the order of keys, how a number is written."""
    if isinstance(model, Model):
        fields = {name: seen(getattr(model, name)) for name in model.__struct_fields__ if name != "raw"}
        return type(model), fields, repr(model.raw)
    return tuple(map(seen, model)) if isinstance(model, tuple) else (type(model), repr(model))


def outcome(read: Any) -> Any:
    try:
        return seen(read())
    except DecodeError as error:
        return str(error)


def both_agree(element: Any) -> None:
    quick = outcome(lambda: elements.read(Customer, element))
    assert quick == outcome(lambda: nodes.read(Customer, elements.node_of(element)))


def parsed(document: str | bytes) -> Any:
    return etree.fromstring(document, etree.XMLParser(remove_blank_text=True))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_reads_as_the_default_of_any_field(model: type[Model]) -> None:
    empty = model()
    for slot in slots_of(model).values():
        for nothing in ("", None, [], {}):
            assert slot.read(nothing) == getattr(empty, slot.name)


def test_what_cheddar_sends_day_by_day_is_read_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    document = parsed(next(path for path in FIXTURES if path.name == "customer.xml").read_bytes())
    expected = nodes.read(Customer, elements.node_of(document[0]))
    monkeypatch.delattr(nodes, "read")
    assert elements.read(Customer, document[0]) == expected


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
    both_agree(parsed(f"<customer id='i' code='c'>{inner}</customer>"))
    both_agree(parsed(f"<customer>{inner}</customer>"))


names = st.sampled_from(
    sorted({key.removeprefix("@") for model in MODELS for key in slots_of(model)} - {"#text"})
    + sorted(set(elements.SINGULAR.values()))
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
    """Elements that are often what Cheddar sends: lists hold their entries, and leaves texts."""
    name = draw(names)
    element = etree.Element(name)
    element.text = draw(texts) or None
    element.attrib.update(draw(st.dictionaries(st.sampled_from(["id", "code", "items"]), texts, max_size=2)))
    if depth:
        for child in draw(st.lists(trees(depth - 1), max_size=2)):
            if name in elements.SINGULAR and draw(st.integers(0, 9)):
                child.tag = elements.SINGULAR[name]
            element.text = None
            element.append(child)
    return element


@given(st.lists(trees(), max_size=6))
def test_any_element(children: list[Any]) -> None:
    customer = etree.Element("customer", id="i")
    customer.extend(children)
    both_agree(customer)


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
        both_agree(customer)


def test_a_model_of_an_element_keeps_its_source_and_can_be_copied() -> None:
    customer = elements.read(Customer, parsed("<customer id='i'><notes>n</notes><new/></customer>"))
    assert customer.raw == {"@id": "i", "notes": "n", "new": ""}
    assert msgspec.structs.replace(customer, notes="m").raw is customer.raw
