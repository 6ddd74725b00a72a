"""Records what `tallyhook demo` prints as demo.svg, with rich: `python docs/demo.py`.

The lines appear one after the other within five seconds. Readers who prefer less motion see them at once.
"""

import re
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.terminal_theme import MONOKAI

from tallyhook_mock.cli import demo

_SECONDS = 5.0


def picture() -> str:
    console = Console(record=True, width=104, force_terminal=True)
    with mock.patch.object(demo, "Console", return_value=console):
        demo.demo.main([], standalone_mode=False)
    drawn = console.export_svg(title="tallyhook demo", theme=MONOKAI, unique_id="demo")
    # Its fonts would be loaded from another site.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    return drawn.replace("</style>", f"{_motion(drawn)}</style>", 1)


def _motion(drawn: str) -> str:
    lines = dict.fromkeys(re.findall(r'clip-path="(url\(#demo-line-\d+\))"', drawn))
    delays = (
        f'[clip-path="{line}"] {{ animation: line 1ms {_SECONDS * number / len(lines):.2f}s backwards }}\n'
        for number, line in enumerate(lines)
    )
    return (
        "    @keyframes line { from { visibility: hidden } }\n"
        f"    @media (prefers-reduced-motion: no-preference) {{\n{''.join(delays)}    }}\n    "
    )


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(picture(), "utf-8")
