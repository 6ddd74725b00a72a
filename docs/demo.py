"""Draws demo.svg, what `tallyhook demo` prints, with rich: `python docs/demo.py`.

It doesn't move: PyPI has no maintained tool that records a terminal as an animated SVG.
"""

import re
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.terminal_theme import MONOKAI

from tallyhook_mock.cli import demo


def picture() -> str:
    console = Console(record=True, width=104, force_terminal=True)
    with mock.patch.object(demo, "Console", return_value=console):
        demo.demo.main([], standalone_mode=False)
    drawn = console.export_svg(title="tallyhook demo", theme=MONOKAI, unique_id="demo")
    # Its fonts would be asked of another site.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(picture(), "utf-8")
