"""Writes the tables of docs/conform.md from the probes: `python docs/conform.py`."""

from pathlib import Path

from tallyhook_mock.conform.plans import PLANS
from tallyhook_mock.conform.probe import Need
from tallyhook_mock.conform.probes import PROBES
from tallyhook_mock.conform.run import PREFIX
from tallyhook_mock.systems.cheddar.settings import SETTINGS

PAGE = Path(__file__).with_name("conform.md")
_BEGIN, _END = "<!-- {} -->\n", "<!-- end -->\n"
# In the order of the list that the page gives.
_NEEDS = (Need.LISTENER, Need.TIME, Need.COUPON, Need.DECLINES, Need.ALONE)


def document() -> str:
    """The page as it should be."""
    text = PAGE.read_text("utf-8")
    for name, table in (("probes", _probes()), ("plans", _plans())):
        head, begin, rest = text.partition(_BEGIN.format(name))
        _, end, tail = rest.partition(_END)
        text = f"{head}{begin}{table}{end}{tail}"
    return text


def _probes() -> str:
    alternatives = sum(len(setting.meanings) for setting in SETTINGS.values() if setting.alternatives)
    lines = [
        f"{len(SETTINGS)} rules, {alternatives} alternatives and the pauses of `dunning`,"
        f" {len(PROBES)} probes.\n",
        "| rule | alternatives | its probe needs |",
        "|---|---|---|",
    ]
    for rule, setting in SETTINGS.items():
        values = ", ".join(f"`{name}`" for name in setting.meanings)
        needs = ", ".join(need for need in _NEEDS if need in PROBES[rule].needs)
        lines.append(
            f"| `{rule}` | {values if setting.alternatives else 'any pauses'} | {needs or 'nothing'} |"
        )
    return "\n".join(lines) + "\n"


def _plans() -> str:
    lines = ["| plan | terms |", "|---|---|"]
    for name, terms in PLANS.items():
        lines.append(f"| `{PREFIX}{name}` | {', '.join(f'{key} {value}' for key, value in terms.items())} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(document(), "utf-8")
