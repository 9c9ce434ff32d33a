"""How it spread: the services between the cause and the symptom, one below the other, with their neighbours beside them."""

from __future__ import annotations

from dataclasses import dataclass

from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.wording import Wording
from middlewatch.records import Edge, Outcome, PathStep, Report
from middlewatch.records.quoting import cut

ROW = 76
BOX = (190, 46)
BESIDE = (236, 154)
"""Left edge and width of the neighbours' column."""
_NEIGHBOURS = 2
"""Beside each service of the path; the others are counted."""
_LONGEST = 24
"""Characters of a name that fit into a box."""
_SAY = Quotation()


@dataclass(frozen=True, slots=True)
class Box:
    """A service."""

    name: str
    title: str
    """The whole name."""
    remark: str
    left: int
    top: int
    width: int
    height: int
    on_path: bool


@dataclass(frozen=True, slots=True)
class MapView:
    """Boxes, the arrows of the fault between those of the path, and thin lines to neighbours."""

    boxes: tuple[Box, ...]
    arrows: tuple[tuple[int, int, int], ...]
    """x, and y from and to."""
    lines: tuple[tuple[int, int, int, int], ...]
    height: int
    words: str
    more: int
    """Neighbours that are not drawn."""


def map_view(report: Report) -> MapView | None:
    """The map of a finding's path, or of the best guess's; None where nothing is known to be between cause and symptom."""
    leading = report.hypotheses[0] if report.hypotheses else None
    if leading is None or leading.explanation is None or not leading.explanation.path:
        return None
    path = leading.explanation.path
    words = Wording(report)
    boxes, arrows, lines, more = [], [], [], 0
    on_path = {step.service for step in path}
    drawn: set[str] = set()
    for row, step in enumerate(path):
        top = row * ROW
        boxes.append(_box(step.service, _remark(words, report, step, row, len(path)), 0, top, on_path=True))
        if row:
            arrows.append((BOX[0] // 2, top - ROW + BOX[1], top))
        near = [name for name in _neighbours(report.service_map, step.service) if name not in on_path | drawn]
        more += max(0, len(near) - _NEIGHBOURS)
        for place, name in enumerate(near[:_NEIGHBOURS]):
            drawn.add(name)
            y = top + place * (BOX[1] // 2 + 2)
            boxes.append(_box(name, "", BESIDE[0], y, on_path=False))
            lines.append((BOX[0], top + BOX[1] // 2, BESIDE[0], y + BOX[1] // 4))
    return MapView(
        boxes=tuple(boxes),
        arrows=tuple(arrows),
        lines=tuple(lines),
        height=(len(path) - 1) * ROW + BOX[1] + 4,
        words=f"{'From' if report.outcome is Outcome.FINDING else 'Perhaps from'} {words.path(leading.explanation)}.",
        more=more,
    )


def _box(name: str, remark: str, left: int, top: int, *, on_path: bool) -> Box:
    plain = _SAY.clean(name)
    short = cut(plain, _LONGEST)
    width, height = (BOX[0], BOX[1]) if on_path else (BESIDE[1], BOX[1] // 2)
    return Box(short, plain, remark, left, top, width, height, on_path=on_path)


def _remark(words: Wording, report: Report, step: PathStep, row: int, length: int) -> str:
    role = "root cause" if report.outcome is Outcome.FINDING else "best guess"
    alarmed = row == length - 1 and report.alert.symptom is not None and report.alert.symptom.service == step.service
    parts = [role if row == 0 else "", "alarmed" if alarmed else "", f"since {words.clock(step.onset.at)}" if step.onset else ""]
    return ", ".join(filter(None, parts)) or "no fact of its own"


def _neighbours(edges: tuple[Edge, ...], service: str) -> list[str]:
    """Who calls it and whom it calls, busiest first."""
    near = [
        (edge.calls, edge.callee if edge.caller == service else edge.caller)
        for edge in edges
        if service in (edge.caller, edge.callee)
    ]
    ordered = sorted(near, key=lambda pair: (-pair[0], pair[1]))
    return list(dict.fromkeys(name for _, name in ordered if name != service))
