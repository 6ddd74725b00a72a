"""How the site is built: Sphinx reads these pages, MyST their Markdown, and docstrings are the reference.

`make docs` builds it. It asks nothing of other hosts, neither while it is built nor while it is read.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `docstrings` and `pictures`

project = "Tallyhook"
author = project_copyright = "The Tallyhook authors"
version = release = version_of("tallyhook")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "pictures"]
exclude_patterns = ["screenshots"]
pygments_style = "friendly"

myst_heading_anchors = 4

# In docstrings `this` is code, and leads to where it is described if that is on the site.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 110

html_theme = "furo"
html_title = f"Tallyhook {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "../mock_server/tallyhook_mock/console/static/icon.svg"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6363", "color-brand-content": "#0b6363"},
    "dark_css_variables": {"color-brand-primary": "#62cfc4", "color-brand-content": "#62cfc4"},
}
html_copy_source = False
html_show_sphinx = False
# A page that was opened from a disk may not fetch the pages that it has found.
html_show_search_summary = False
