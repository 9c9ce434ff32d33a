"""The numbers of the team's own nights, as tables and pictures that need no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from middlewatch.frontends import nights_wording as words
from middlewatch.frontends.reading import count
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import Application, SignedIn
from middlewatch.looking_back import look_back
from middlewatch.nights import MOST_WEEKS, Figure, Nights, Step, Week

router = APIRouter(include_in_schema=False)

USUAL_WEEKS = 4
OFFERED = (1, 4, 12, 52)
"""Weeks that the page links to."""
MOST_NIGHTS = 50
"""Single investigations on the page; the API has all."""
BAR = 100.0
"""Width of the longest bar, in per cent of its picture."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A week's pages."""

    left: float
    width: float
    top: float
    height: float
    idle_top: float
    idle_height: float
    words: str
    """When it began."""
    number: int


@dataclass(frozen=True, slots=True)
class Line:
    """How long a step took: to its median, and on to nine of ten."""

    name: str
    median: float
    p90: float
    words: str


@router.get("/report")
def report(
    request: Request, app: Application, _visitor: SignedIn, weeks: Annotated[int, Query(ge=1, le=MOST_WEEKS)] = USUAL_WEEKS
) -> Response:
    """The last weeks."""
    nights = look_back(app, weeks)
    return render(
        request,
        "report.html",
        page="report",
        nights=nights,
        words=words,
        offered=OFFERED,
        asked=weeks,
        steps=tuple(Step),
        bars=bars(nights.weeks),
        lines=lines([(words.STEPS[step], nights.whole.steps[step]) for step in Step]),
        said=said(nights),
        most=MOST_NIGHTS,
    )


def bars(weeks: Sequence[Week]) -> tuple[Bar, ...]:
    """The weeks from left to right, the oldest first; the tallest reaches the top. In per cent."""
    most = max((week.pages for week in weeks), default=0) or 1
    step = 100 / len(weeks)
    found = []
    for number, week in enumerate(reversed(weeks)):
        height, idle = 100 * week.pages / most, 100 * week.without_action / most
        found.append(
            Bar(
                left=round(number * step + step / 10, 2),
                width=round(step * 8 / 10, 2),
                top=round(100 - height, 2),
                height=round(height, 2),
                idle_top=round(100 - idle, 2),
                idle_height=round(idle, 2),
                words=f"{week.start:%d %b}",
                number=week.pages,
            )
        )
    return tuple(found)


def lines(steps: Sequence[tuple[str, Figure]]) -> tuple[Line, ...]:
    """The steps that anything is known of, all on one scale. In per cent."""
    known = [(name, one.median_seconds, one.p90_seconds) for name, one in steps]
    longest = max((p90 for _, _, p90 in known if p90), default=0.0) or 1.0
    return tuple(
        Line(
            name,
            round(BAR * half / longest, 2),
            round(BAR * p90 / longest, 2),
            f"{words.took(half)}, 9 of 10 within {words.took(p90)}",
        )
        for name, half, p90 in known
        if half is not None and p90 is not None
    )


def said(nights: Nights) -> str:
    """The bars in words."""
    return "; ".join(
        f"from {words.week(week)}: {count(week.pages, 'page')}, {week.without_action} without an action" for week in nights.weeks
    )
