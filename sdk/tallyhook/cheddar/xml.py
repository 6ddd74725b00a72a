"""Turn Cheddar's XML into trees of dicts, lists and strings. `tallyhook._model` reads these trees."""

from typing import Any

from lxml import etree

from tallyhook import _lenient
from tallyhook.errors import DecodeError

Element = etree._Element

# Cheddar's elements have two attributes. A limit is needed because lxml's time grows with the square of the
# number of attributes.
_MOST_ATTRIBUTES = 500

SINGULAR = {
    "charges": "charge",
    "coupons": "coupon",
    "customers": "customer",
    "errors": "error",
    "incentives": "incentive",
    "invoices": "invoice",
    "items": "item",
    "metaData": "metaDatum",
    "plans": "plan",
    "promotions": "promotion",
    "subscriptions": "subscription",
    "transactions": "transaction",
}
"""Maps the name of each list element to the name of its entries."""


_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
    remove_blank_text=True,
)


def parse(body: bytes) -> Element:
    """Return a document's root element.

    Raises DecodeError if the XML isn't well-formed or declares a document type.
    """
    try:
        root = etree.fromstring(body, _PARSER)
    except (etree.LxmlError, ValueError, LookupError):
        raise DecodeError("the body is not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DecodeError("a document type is not allowed")
    return root


def node_of(element: Element) -> dict[str, Any]:
    """Return an element as a dict with its attributes and children.

    Raises DecodeError if two list elements have the same name, or if the element has too many attributes.
    """
    if len(element.attrib) > _MOST_ATTRIBUTES:
        raise DecodeError("an element has too many attributes")
    node: dict[str, Any] = {f"@{name!s}": value for name, value in element.items()}
    for child in element:
        tag = child.tag
        value = _value(child, tag)
        if tag not in node:
            node[tag] = value
        elif tag in SINGULAR:
            raise DecodeError("one list was expected", tag)
        elif isinstance(node[tag], list):
            node[tag].append(value)
        else:
            node[tag] = [node[tag], value]
    if not len(element) and element.text:
        node["#text"] = element.text
    return node


def list_of(element: Element, singular: str) -> Any:
    """Return a list element's entries, which are the children named `singular`.

    If the element has attributes or other children but no entries, return it as an object, like `node_of`.

    Raises DecodeError if it has entries and anything else.
    """
    children = list(element)
    if element.keys() or any(child.tag != singular for child in children):
        if any(child.tag == singular for child in children):
            raise DecodeError("a list was expected", element.tag)
        return node_of(element)
    if not children and not _lenient.is_blank(element.text):
        return element.text
    return [_value(child, singular) for child in children]


def _value(element: Element, tag: str) -> Any:
    if tag in SINGULAR:
        return list_of(element, SINGULAR[tag])
    return node_of(element) if len(element) or element.keys() else element.text or ""
