"""The numbers of nights in words: the same on every face, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from middlewatch.frontends.markdown import plain
from middlewatch.frontends.quantity import duration, number
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import count
from middlewatch.intervals import Share
from middlewatch.nights import FalsePositives, Figure, Group, Nights, ServiceNights, Standing, Step, Week

_SAY = Quotation()
STEPS: Final = {
    Step.DETECT: "investigated",
    Step.ACKNOWLEDGE: "acknowledged",
    Step.CAUSE: "cause named",
    Step.MITIGATE: "action done",
    Step.RESOLVE: "over",
}
"""What has happened when a step is done."""
FROM_THE_START: Final = "From the alert on"
UNKNOWN: Final = "unknown"
_TENTHS: Final = 10


def head(nights: Nights) -> str:
    """Which weeks, and how many investigations."""
    weeks, investigations = count(len(nights.weeks), "week"), count(nights.whole.investigations, "investigation")
    return f"{weeks}, {nights.start:%Y-%m-%d %H:%M} to {nights.end:%Y-%m-%d %H:%M} UTC: {investigations}."


def pages(nights: Nights) -> str:
    """How often somebody was woken, and for what."""
    whole = nights.whole
    if not whole.pages:
        return "No alert opened an investigation."
    of = f"{count(whole.pages, 'page')}, {number(nights.pages_a_week, 2)} a week."
    idle = f"{whole.without_action} without an action" if whole.without_action else "None without an action"
    left = f", and {whole.untouched} of these nobody took or said anything of" if whole.untouched else ""
    return f"{of} {idle}{left}."


def wrong(found: FalsePositives) -> str:
    """Whether the objective for false positives is kept."""
    objective = f"the objective of at most {100 * found.objective:.0f} %"
    if not found.findings:
        return f"No finding that could be wrong ({objective})."
    if not found.wrong.of:
        return f"No feedback on any of {count(found.findings, 'finding')}: nobody knows how often it was wrong ({objective})."
    counted = f"{found.wrong.hits} of {count(found.wrong.of, 'finding')} with feedback found wrong ({share(found.wrong)})"
    without = found.findings - found.wrong.of
    rest = f" {without} without feedback." if without else ""
    match found.standing:
        case Standing.TOO_FEW:
            return f"{counted}: too few to tell, {objective} is judged from {found.least} on.{rest}"
        case Standing.KEPT:
            return f"{counted}: {objective} is kept{_doubt(found)}.{rest}"
        case Standing.MISSED:
            return f"{counted}: {objective} is missed{_doubt(found)}.{rest}"


def _doubt(found: FalsePositives) -> str:
    return "" if found.certain else ", though the interval holds it"


def share(found: Share) -> str:
    """A share with its interval."""
    if found.share is None:
        return UNKNOWN
    return f"{_percent(found.share)} %, 95 % interval {_percent(found.interval.low)} to {_percent(found.interval.high)} %"


def _percent(value: float) -> str:
    return number(100 * value, 2 if value < 1 / _TENTHS else 3)


def notes(nights: Nights) -> tuple[str, ...]:
    """What is left out."""
    found = []
    if nights.recorded:
        found.append(f"{count(nights.recorded, 'investigation')} of recordings left out: they were no nights.")
    if nights.cut:
        found.append("There are more investigations than are looked at: the oldest are missing.")
    return tuple(found)


def took(seconds: float | None) -> str:
    """A length of time, where it is known."""
    return UNKNOWN if seconds is None else duration(seconds)


def median(group: Group, step: Step) -> str:
    """How long a step took in the middle, with for how many that is known."""
    figure = group.steps[step]
    return f"{took(figure.median_seconds)} ({figure.known}/{figure.known + figure.unknown})" if figure.known else UNKNOWN


def service(row: ServiceNights) -> str:
    """Its name, as a text that is not ours."""
    return _SAY.named(row.service) if row.service else "service not known"


def week(row: Week) -> str:
    """When it began."""
    return f"{row.start:%Y-%m-%d}"


def figure_cells(figure: Figure) -> tuple[str, str, str, str]:
    """Median, nine of ten, known for, unknown for."""
    return took(figure.median_seconds), took(figure.p90_seconds), f"{figure.known:,}", f"{figure.unknown:,}"


FIGURE_COLUMNS: Final = ("half within", "9 of 10 within", "known for", "unknown for")
SHOWN_STEPS: Final = (Step.ACKNOWLEDGE, Step.CAUSE, Step.RESOLVE)
"""Of weeks and services; JSON has all."""
GROUP_COLUMNS: Final = ("investigations", "pages", "without action", *(STEPS[step] for step in SHOWN_STEPS))


def group_cells(row: Group, steps: Sequence[Step] = SHOWN_STEPS) -> tuple[str, ...]:
    """Counts, and the medians of a few steps."""
    return f"{row.investigations:,}", f"{row.pages:,}", f"{row.without_action:,}", *(median(row, step) for step in steps)


def markdown(nights: Nights) -> str:
    """All of it but single investigations."""
    return "\n".join(_markdown(nights)) + "\n"


def _markdown(nights: Nights) -> Iterator[str]:
    yield "# Nights"
    yield ""
    for line in (head(nights), pages(nights), wrong(nights.false_positives), *notes(nights)):
        yield f"- {line}"
    yield ""
    yield from _table((FROM_THE_START, *FIGURE_COLUMNS), [(STEPS[step], *figure_cells(nights.whole.steps[step])) for step in Step])
    yield "## By week"
    yield ""
    yield from _table(("from", *GROUP_COLUMNS), [(week(row), *group_cells(row)) for row in nights.weeks])
    yield "## By service that alarmed"
    yield ""
    rows = [(plain(row.service, in_table=True) or "not known", *group_cells(row)) for row in nights.services]
    yield from _table(("service", *GROUP_COLUMNS), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
