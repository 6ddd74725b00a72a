"""How the site is built: Sphinx reads these pages, MyST their Markdown, and docstrings are the reference.

`make docs` builds it. It asks nothing of other hosts, neither while it is built nor while it is read.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

from tallyhook import cleverbridge
from tallyhook.cheddar import client
from tallyhook.review import driver, review
from tallyhook_receiver.sources import cheddar as cheddar_source
from tallyhook_receiver.sources import cleverbridge as cleverbridge_source

sys.path.insert(0, str(Path(__file__).parent))  # for `docstrings` and `pictures`

# These modules import the clients for type checkers only, so that commands start fast. Annotations need them.
for module in (review, driver, cheddar_source):
    vars(module).update(Client=client.Client, AsyncClient=client.AsyncClient)
vars(cleverbridge_source).update(AsyncClient=cleverbridge.AsyncClient, Subscription=cleverbridge.Subscription)

project = "Tallyhook"
author = project_copyright = "The Tallyhook authors"
version = release = version_of("tallyhook")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "pictures"]
exclude_patterns = ["screenshots"]

myst_heading_anchors = 4

# In docstrings `this` is code, and leads to where it is described if that is on the site.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = f"Tallyhook {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["demo.svg", "timeline.svg"]  # for the README
html_favicon = "../mock_server/tallyhook_mock/console/static/icon.svg"
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is, until they choose
html_theme_options = {
    "logo": {"text": "Tallyhook"},
    "navbar_center": ["navbar-nav"],
    "navbar_end": ["theme-switcher"],
    "search_bar_text": "Search",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "primary_sidebar_end": [],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # browsers don't let a page opened from disk fetch other pages
