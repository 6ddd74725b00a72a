"""HTML that nothing can be smuggled into: it is built as a tree, and only a tree is written."""

from lxml import etree

__all__ = ["Element", "element", "printable", "written"]

Element = etree._Element


def printable(text: str) -> str:
    """The text on one line, as any terminal and any document can hold it.

    White space of any kind becomes one space. What controls a terminal, turns the direction of writing or has
    no place in a document is replaced by a sign that shows it.
    """
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))


def element(tag: str, *content: str | Element, **attributes: str) -> Element:
    """An element. Texts are made printable and are never read as markup; `class_` stands for `class`."""
    made = etree.Element(tag, {name.rstrip("_"): printable(value) for name, value in attributes.items()})
    last: Element | None = None
    for part in content:
        if not isinstance(part, str):
            made.append(part)
            last = part
        elif last is None:
            made.text = (made.text or "") + printable(part)
        else:
            last.tail = (last.tail or "") + printable(part)
    return made


def written(root: Element) -> str:
    """The element as HTML."""
    return etree.tostring(root, method="html", encoding="unicode")
