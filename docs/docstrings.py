"""How docstrings become the reference: a Sphinx extension for the few habits that autodoc doesn't know."""

import inspect
from collections.abc import Iterator
from enum import Enum
from itertools import groupby
from pkgutil import resolve_name

import msgspec
from docutils.nodes import Element, TextElement, document
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.inspect import stringify_signature
from sphinx.util.typing import ExtensionMetadata, stringify_annotation

from tallyhook._client import Method

SECTIONS = ("Args:", "Attributes:", "Raises:")  # napoleon's


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("autodoc-process-docstring", mark_code, priority=100)  # before napoleon
    app.connect("autodoc-process-signature", sign)
    app.connect("doctree-read", spare_type)
    app.connect("missing-reference", find)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mark_code(
    app: Sphinx, what: str, name: str, described: object, options: object, lines: list[str]
) -> None:
    """What is indented, or what an opening line begins, is code, unless it is a list such as `Args:`."""
    marked: list[str] = []
    was_code = False
    for has_text, paragraph in groupby(lines, bool):
        text = list(paragraph)
        if has_text:
            is_code = _is_code(text)
            if is_code and not was_code:
                marked += [".. code-block:: python", ""]
            marked += [f"   {line}" for line in text] if is_code else text
            was_code = is_code
        else:
            marked += text
    # Of `The first: it …` napoleon would make a type and its description, were it the first line.
    lines[:] = ["", *marked] if what == "property" else marked


def _is_code(text: list[str]) -> bool:
    first, *others = text
    return first.startswith(" ") or (
        bool(others)
        and first.endswith(":")
        and first not in SECTIONS
        and all(line.startswith("    ") for line in others)
    )


def sign(
    app: Sphinx, what: str, name: str, described: object, options: object, signature: str, returned: str
) -> tuple[str, str | None] | None:
    """A call is signed as the client's method that it is; a model and an enum are told by their members."""
    if isinstance(described, type) and issubclass(described, (msgspec.Struct, Enum)):
        return "", None
    if what != "method":
        return None
    owner, _, method_name = name.rpartition(".")
    method = inspect.getattr_static(resolve_name(owner), method_name)
    if not isinstance(method, Method):
        return None
    _, *parameters = method.__signature__.parameters.values()
    shown = method.__signature__.replace(parameters=parameters)
    result = stringify_annotation(shown.return_annotation, "smart")
    return stringify_signature(shown, show_return_annotation=False, unqualified_typehints=True), result


def spare_type(app: Sphinx, page: document) -> None:
    """`type` in an annotation is the builtin, whatever has a field of that name."""
    for node in page.findall(pending_xref):
        if node.get("reftarget") == "type":
            node["reftarget"] = "builtins.type"


def find(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: TextElement) -> Element | None:
    """What is called by the name of the module that it lives in is described under its public name."""
    if node["refdomain"] != "py":
        return None
    python = env.domains.python_domain
    known = python.objects
    name = next((name for name in _names(node["reftarget"]) if name in known), None)
    if name is None and node["reftarget"][:1].isupper():
        namesakes = [other for other in known if other.endswith(f".{node['reftarget']}")]
        name = namesakes[0] if len(namesakes) == 1 else None
    if name is None:
        return None
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)


def _names(target: str) -> Iterator[str]:
    """`a.b.C.d`, then `a.C.d`: the modules before a name fall away one by one."""
    parts = target.split(".")
    begins = next((place for place, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    for end in range(begins, 0, -1):
        yield ".".join((*parts[:end], *parts[begins:]))
