"""Writes the table of settings in operations.md from the code: `python docs/settings.py`."""

from collections.abc import Iterator
from pathlib import Path

from tallyhook_receiver.options import ARGUMENTS, Setting
from tallyhook_receiver.settings import PREFIX, SETTINGS

PAGE = Path(__file__).parent / "operations.md"
HEAD = "| argument | variable | holds | means | default |\n|---|---|---|---|---|\n"


def document() -> str:
    """The page with its table."""
    before, head, after = PAGE.read_text("utf-8").partition(HEAD)
    rest = after[after.index("\n\n") :]
    return before + head + "\n".join(lines()) + rest


def lines() -> Iterator[str]:
    for setting in (*SETTINGS, *(it for it in ARGUMENTS.values() if it.read is None)):
        variable = f"`{PREFIX}{setting.name}`" if setting.read else ""
        cells = (f"`{setting.argument}`", variable, setting.what, setting.meaning, default(setting))
        yield f"| {' | '.join(cells)} |"


def default(setting: Setting) -> str:
    value = setting.default
    if setting.missing:
        return "required"
    if value is None or value == () or callable(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(document(), "utf-8")
