"""The style of the picture: light and dark colours, and a shape for each sign."""

from tallyhook_mock.picture.story import Sign

__all__ = ["SHAPES", "SIZES", "STYLE"]

# Font sizes in pixels, by class. The layout uses them too.
SIZES = {"title": 20, "text": 13, "small": 12, "tip": 13}

_LIGHT = {
    "paper": "#ffffff",
    "ink": "#17202c",
    "soft": "#566173",
    "line": "#d8dee7",
    "band": "#f3f5f9",
    "plan": "#e4ebf7",
    "plan-next": "#d3e6e4",
    "open": "#ffffff",
    "good": "#157347",
    "bad": "#c4262e",
    "bad-soft": "#fbe3e3",
    "hold": "#b25e00",
    "hold-soft": "#fbdba7",
    "wait": "#2f63c9",
    "wait-soft": "#dce8fc",
    "money": "#5b3cc4",
    "count": "#0b6e83",
    "count-soft": "#d5eef2",
}
_DARK = {
    "paper": "#10151c",
    "ink": "#e8ecf2",
    "soft": "#9aa8ba",
    "line": "#2c3643",
    "band": "#171e28",
    "plan": "#22314a",
    "plan-next": "#1d3b3a",
    "open": "#10151c",
    "good": "#4ccb8b",
    "bad": "#ff716f",
    "bad-soft": "#43222a",
    "hold": "#f5b04c",
    "hold-soft": "#59401a",
    "wait": "#82acff",
    "wait-soft": "#1f3258",
    "money": "#b8a3ff",
    "count": "#54c8dd",
    "count-soft": "#123842",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


# A page may set `data-theme` on its root element. Otherwise the system's setting applies.
STYLE = f"""\
.life{{{_variables(_LIGHT)}font-variant-numeric:tabular-nums;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}}
@media (prefers-color-scheme:dark){{.life{{{_variables(_DARK)}}}}}
:root[data-theme=light] .life{{{_variables(_LIGHT)}}}
:root[data-theme=dark] .life{{{_variables(_DARK)}}}
.life text{{fill:var(--ink)}}
{"".join(f".life .{name}{{font-size:{size}px}}" for name, size in SIZES.items())}
.life .title,.life .name{{font-weight:600}}
.life .soft{{fill:var(--soft)}}
.life .end{{text-anchor:end}}
.life .middle{{text-anchor:middle}}
.life .halo{{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}}
.life .paper{{fill:var(--paper)}}
.life .band{{fill:var(--band)}}
.life .grid{{stroke:var(--line);stroke-width:1}}
.life .now{{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 3}}
.life .plan{{fill:var(--plan)}}
.life .plan.next{{fill:var(--plan-next)}}
.life .pause{{fill:var(--paper);stroke:var(--soft);stroke-dasharray:4 3}}
.life .period{{fill:var(--band);stroke:var(--line)}}
.life .period.current{{fill:var(--open);stroke:var(--soft);stroke-dasharray:4 3}}
.life .period.held{{fill:var(--hold-soft);stroke:var(--hold)}}
.life .period.lapsed{{fill:var(--paper);stroke:var(--bad);stroke-dasharray:4 3}}
.life .period.unpaid,.life .period.void{{fill:var(--bad-soft);stroke:var(--bad)}}
.life .period.coming{{fill:none;stroke:var(--money);stroke-dasharray:4 3}}
.life .step{{fill:none;stroke:var(--count);stroke-width:1.75}}
.life .under{{fill:var(--count-soft)}}
.life .hold{{fill:var(--hold-soft);stroke:var(--hold)}}
.life .hatch{{stroke:var(--hold);stroke-width:1.5;opacity:.45}}
.life .hatched{{fill:url(#life-hatch)}}
.life .wait{{fill:var(--wait-soft);stroke:var(--wait)}}
.life .break{{stroke:var(--soft);stroke-width:1.25}}
.life .again{{stroke:var(--bad);stroke-width:2;stroke-dasharray:2 4}}
.life .hit{{fill:transparent}}
.life .s{{stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round;fill:var(--paper)}}
.life .acknowledged .s{{fill:var(--good);stroke:var(--good)}}
.life .failed .s{{stroke:var(--bad)}}
.life .paid .s{{fill:var(--money);stroke:var(--money)}}
.life .coming .s{{fill:none;stroke:var(--money);stroke-dasharray:2.5 2}}
.life .declined .s{{stroke:var(--bad)}}
.life .givenBack .s{{stroke:var(--money)}}
.life .charge .s,.life .credit .s{{fill:var(--wait);stroke:var(--wait)}}
.life .used .s{{fill:var(--paper);stroke:var(--count)}}
.life .used.billed .s{{fill:var(--count)}}
.life .began .s,.life .reactivated .s,.life .changed .s{{fill:var(--ink);stroke:var(--ink)}}
.life .canceled .s{{fill:var(--bad);stroke:var(--bad)}}
.life .fault .s{{stroke:var(--bad);fill:none}}
.life .acknowledged .tick,.life .paid .tick{{fill:none;stroke:var(--paper);stroke-width:1.5}}
.life .tip{{visibility:hidden}}
.life .event{{outline:none}}
.life .event:hover .tip,.life .event:focus .tip{{visibility:visible}}
.life .hint{{visibility:visible}}
.life:has(.event:hover,.event:focus) .hint{{visibility:hidden}}
.life .event:hover .hit,.life .event:focus .hit{{stroke:var(--ink);stroke-width:1.5}}
.life .event:hover .edge,.life .event:focus .edge{{stroke:var(--ink);stroke-width:2;stroke-dasharray:none}}
"""

# Circles stand for hooks, diamonds for payments, and triangles for charges. The origin is the mark's moment.
_DIAMOND = '<path class="s" d="M0 -6.5L6.5 0 0 6.5 -6.5 0Z"/>'

SHAPES = {
    Sign.COMING: _DIAMOND,
    Sign.USED: '<circle class="s" r="3"/>',
    Sign.BEGAN: '<circle class="s" r="4"/>',
    Sign.REACTIVATED: '<path class="s" d="M-3.5 -5L5 0 -3.5 5Z"/>',
    Sign.CHANGED: '<path class="s" d="M-6 0L-2 -4V-1.2H2V-4L6 0 2 4V1.2H-2V4Z"/>',
    Sign.CHARGE: '<path class="s" d="M0 -5L5.5 4H-5.5Z"/>',
    Sign.CREDIT: '<path class="s" d="M0 5L5.5 -4H-5.5Z"/>',
    Sign.ACKNOWLEDGED: '<circle class="s" r="5"/><path class="tick" d="M-2.5 .2L-.7 2 2.6 -1.7"/>',
    Sign.PAID: f'{_DIAMOND}<path class="tick" d="M-2.3 .2L-.6 1.8 2.3 -1.5"/>',
    Sign.GIVEN_BACK: f'{_DIAMOND}<path class="s" d="M-2.5 0H2.5"/>',
    Sign.FAULT: '<path class="s" d="M1.5 -6L-3 1H2L-1.5 6"/>',
    Sign.CANCELED: '<path class="s" d="M-4 -4H4V4H-4Z"/>',
    Sign.FAILED: '<circle class="s" r="5.2"/><path class="s" d="M-1.9 -1.9L1.9 1.9M1.9 -1.9L-1.9 1.9"/>',
    Sign.DECLINED: f'{_DIAMOND}<path class="s" d="M-2 -2L2 2M2 -2L-2 2"/>',
}
