"""A Sphinx extension: pictures with a light and a dark version follow the theme that the reader chose."""

import re
import shutil
from pathlib import Path

from docutils.nodes import Text, document, raw
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

# Plain HTML follows the system; the theme's two classes follow what the reader chose on the site.
PICTURE = re.compile(r'<picture>\s*<source [^>]*srcset="([^"]+)">\s*<img src="([^"]+)"([^>]*)>\s*</picture>')
BOTH = r'<img class="only-light" src="\2"\3><img class="only-dark" src="\1"\3>'


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("doctree-read", follow_theme)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def follow_theme(app: Sphinx, page: document) -> None:
    for node in page.findall(raw):
        node.children = [Text(PICTURE.sub(BOTH, node.astext()))]


def copy(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        shutil.copytree(Path(app.srcdir, "screenshots"), Path(app.outdir, "screenshots"), dirs_exist_ok=True)
