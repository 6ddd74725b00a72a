"""Writes docs/architecture.svg: how a hook travels, from the bill date to the execution.

Run it with `python docs/architecture.py`. One column for each room, one row for each thing that happens.
"""

from html import escape
from pathlib import Path

COLUMNS = (
    ("Billing system", "Cheddar, or the mock"),
    ("Receiver", "door and pipeline"),
    ("Inbox", "SQLite or PostgreSQL"),
    ("Your handler", "declares"),
    ("Review", "compares and applies"),
)
SYSTEM, RECEIVER, INBOX, HANDLER, REVIEW = range(5)

# What happens in order: from where to where, and in which words. What stays in its column is done there.
STEPS = (
    (SYSTEM, SYSTEM, "the invoice is due: held"),
    (SYSTEM, RECEIVER, "signed hook"),
    (RECEIVER, RECEIVER, "verify, decode"),
    (RECEIVER, INBOX, "remember, and lease"),
    (RECEIVER, HANDLER, "the review of this invoice"),
    (HANDLER, REVIEW, "quantities, charges, credits"),
    (REVIEW, SYSTEM, "read the customer"),
    (REVIEW, REVIEW, "compare"),
    (REVIEW, INBOX, "journal: what is about to be added"),
    (REVIEW, SYSTEM, "set-item-quantity, add-charge … outstanding"),
    (REVIEW, INBOX, "journal: the ids that were given"),
    (REVIEW, SYSTEM, "read back; run-outstanding if asked"),
    (RECEIVER, INBOX, "the outcome"),
    (RECEIVER, SYSTEM, "200: the release"),
    (SYSTEM, SYSTEM, "executed an hour later"),
)
PITCH, ROW, TOP = 214, 38, 92
STYLE = """
svg { --ink: #1c2733; --soft: #5b6b7b; --line: #c9d3dd; --fill: #ffffff; --room: #f1f5f9; --go: #0b6e99 }
svg { --key: #b4540a }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6edf3; --soft: #9fb0c0; --line: #3a4754; --fill: #10171e; --room: #1a232c; --go: #6cc4ea }
  svg { --key: #f0a35e }
}
text { font: 14px Inter, system-ui, sans-serif; fill: var(--ink) }
.soft { fill: var(--soft); font-size: 12px } .name { font-weight: 600 }
.paper { fill: var(--fill) } .room { fill: var(--room); stroke: var(--line) } .life { stroke: var(--line) }
.way { stroke: var(--go); stroke-width: 1.5; fill: none } .tip { fill: var(--go) } .dot { fill: var(--soft) }
.key .way { stroke: var(--key); stroke-width: 2.5 } .key .tip { fill: var(--key) }
.key text { font-weight: 600 }
.word { paint-order: stroke; stroke: var(--fill); stroke-width: 5px; stroke-linejoin: round }
"""


def x(column: int) -> int:
    return PITCH // 2 + column * PITCH


def step(place: int, start: int, end: int, words: str) -> str:
    """One row: an arrow between two columns, or a dot in one."""
    y, said = TOP + ROW * place, escape(words)
    kind = "key" if "release" in words else "step"
    if start == end:
        at = x(start)
        anchor, shift = ("end", -12) if start == REVIEW else ("start", 12)
        word = f'<text class="word" x="{at + shift}" y="{y + 5}" text-anchor="{anchor}">{said}</text>'
        return f'<g class="{kind}"><circle class="dot" cx="{at}" cy="{y}" r="4.5"/>{word}</g>'
    tip, toward = x(end), 1 if end > start else -1
    head = f'<path class="tip" d="M{tip} {y} l{-9 * toward} -4.5 v9 z"/>'
    way = f'<path class="way" d="M{x(start)} {y} H{tip - 6 * toward}"/>'
    word = f'<text class="word" x="{(x(start) + tip) / 2:g}" y="{y - 6}" text-anchor="middle">{said}</text>'
    return f'<g class="{kind}">{way}{head}{word}</g>'


def document() -> str:
    width, height = PITCH * len(COLUMNS), TOP + ROW * len(STEPS)
    rooms = "".join(
        f'<line class="life" x1="{x(column)}" y1="60" x2="{x(column)}" y2="{height - 14}"/>'
        f'<rect class="room" x="{x(column) - 96}" y="10" width="192" height="50" rx="8"/>'
        f'<text class="name" x="{x(column)}" y="32" text-anchor="middle">{name}</text>'
        f'<text class="soft" x="{x(column)}" y="49" text-anchor="middle">{words}</text>'
        for column, (name, words) in enumerate(COLUMNS)
    )
    steps = "\n".join(step(place, *told) for place, told in enumerate(STEPS))
    title = "How a hook travels: " + "; ".join(words for _, _, words in STEPS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect class="paper" width="{width}" height="{height}"/>{rooms}\n{steps}</svg>\n'
    )


if __name__ == "__main__":
    Path(__file__).with_name("architecture.svg").write_text(document())
