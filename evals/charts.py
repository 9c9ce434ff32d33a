"""Pictures of what was measured, as SVG that is legible on light and on dark pages. Two charts are no reason for a library."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from middlewatch.evals.ablation import Ablation, Confidence, Group
from middlewatch.evals.tables import set_name

STYLE = """
svg { background: #ffffff; color-scheme: light dark; font: 13px system-ui, sans-serif; }
text { fill: #1f2328; } .small { font-size: 11px; fill: #59636e; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: #d1d9e0; } .ideal { stroke: #818b98; stroke-dasharray: 4 4; } .track { fill: #eff2f5; }
.value { fill: #0969da; } .line { stroke: #0969da; stroke-width: 2; fill: none; } .mark { stroke: #1f2328; stroke-width: 2; }
.range { stroke: #1f2328; stroke-width: 1.5; stroke-opacity: .7; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; } text { fill: #f0f6fc; } .small { fill: #9198a1; } .grid { stroke: #3d444d; } .track { fill: #1b222b; }
.value { fill: #4493f8; } .line { stroke: #4493f8; } .mark { stroke: #f0f6fc; } .range { stroke: #f0f6fc; }
}
"""
"""The colours of GitHub's pages, where the pictures are mostly looked at."""

SIDE = 280
"""Pixels of the reliability diagram's square."""
LEFT, TOP, BOTTOM, RIGHT = 64, 28, 52, 24
LARGEST_DOT = 14.0

NAMES = 200
PANEL = 170
GAP = 58
ROW = 22
BAR = 10


def reliability_diagram(confidence: Confidence) -> str:
    """Stated confidence against the share that was right; the area of a dot is the number of its answers."""

    def x(value: float) -> float:
        return LEFT + value * SIDE

    def y(value: float) -> float:
        return TOP + (1 - value) * SIDE

    parts = []
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts += [
            _line("grid", x(tick), y(0), x(tick), y(1)),
            _line("grid", x(0), y(tick), x(1), y(tick)),
            _label("small middle", x(tick), y(0) + 18, f"{tick:.0%}"),
            _label("small end", x(0) - 8, y(tick) + 4, f"{tick:.0%}"),
        ]
    parts.append(_line("ideal", x(0), y(0), x(1), y(1)))
    most = max(each.answers for each in confidence.reliability)
    for each in confidence.reliability:
        at, share = x(each.confidence), y(each.right)
        radius = LARGEST_DOT * (each.answers / most) ** 0.5
        parts += [
            _line("range", at, y(each.interval.low), at, y(each.interval.high)),
            f'<circle class="value" cx="{at:.1f}" cy="{share:.1f}" r="{max(radius, 3):.1f}" fill-opacity=".8"/>',
            _label("small", at + max(radius, 3) + 4, share + 4, str(each.answers)),
        ]
    parts += [
        _label("middle", x(0.5), y(0) + 42, "stated confidence"),
        f'<text class="middle" transform="translate(16 {y(0.5):.0f}) rotate(-90)">share that was right</text>',
    ]
    title = f"Reliability of {confidence.answers} answers: stated confidence against the share that was right"
    return _picture(LEFT + SIDE + RIGHT + 16, TOP + SIDE + BOTTOM, title, parts)


def accuracy_by_agents(ablation: Ablation) -> str:
    """A row for each set of agents, a panel for each system: bars are AC@1 after abstention, marks that of the ranking."""
    systems = [group.system for group in ablation.vote.groups if group.system and not group.kind]
    bottom = TOP + len(ablation.scores) * ROW
    parts = []
    for number, system in enumerate(systems):
        left = NAMES + number * (PANEL + GAP)
        parts += [_label("", left, TOP - 8, system), *_axis(left, bottom)]
        for row, score in enumerate(ablation.scores):
            group = next(each for each in score.groups if each.system == system and not each.kind)
            parts += _bar(group, left, TOP + row * ROW)
    for row, score in enumerate(ablation.scores):
        parts.append(_label("end", NAMES - 10, TOP + row * ROW + BAR + 3, set_name(score.agents, ablation.vote.agents)))
    legend = "bar: AC@1, inconclusive is a miss; thin line: its 95 % interval; mark: AC@1 of the ranking alone"
    parts.append(_label("small", NAMES, bottom + 42, legend))
    width = max(NAMES + len(systems) * (PANEL + GAP), NAMES + 540)
    return _picture(width, bottom + 56, "AC@1 of every set of agents on every system", parts)


def _axis(left: float, bottom: float) -> list[str]:
    ticks = [(left + share * PANEL, f"{share:g}".removeprefix("0") or "0") for share in (0, 0.5, 1)]
    return [
        each for x, text in ticks for each in (_line("grid", x, TOP, x, bottom + 4), _label("small middle", x, bottom + 18, text))
    ]


def _bar(group: Group, left: float, top: float) -> list[str]:
    after, middle = group.answered, top + BAR / 2 + 3
    ranked = left + group.ranked.at_1 * PANEL
    return [
        f'<rect class="track" x="{left}" y="{top + 3}" width="{PANEL}" height="{BAR}"/>',
        f'<rect class="value" x="{left}" y="{top + 3}" width="{after.at_1 * PANEL:.1f}" height="{BAR}"/>',
        _line("range", left + after.at_1_interval.low * PANEL, middle, left + after.at_1_interval.high * PANEL, middle),
        _line("mark", ranked, top + 1, ranked, top + BAR + 5),
        _label("small", left + PANEL + 6, top + BAR + 2, f"{after.at_1:.3f}".removeprefix("0")),
    ]


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _label(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">'
    return "\n".join([opening, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"
