"""Which changes were blamed, against which should have been. What is semi-synthetic is called so wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pydantic import Field

from middlewatch.evals.overlay_cases import Placed, Role, Sort
from middlewatch.evals.tables import markdown_table, shown_interval, shown_share
from middlewatch.intervals import Share
from middlewatch.records import Record

SEMI_SYNTHETIC = f"Semi-synthetic, but for `{Sort.REAL}`: real telemetry of real faults with changes laid over it that nobody made."


class Answered(Record):
    """One case, and what the report of its investigation says."""

    system: str
    incident: str
    kind: str = Field(description="fault kind")
    sort: Sort
    seed: int
    truth: str | None = Field(description="the service that broke; None at a quiet moment")
    first: str | None = Field(description="first in the ranking; None on a tie")
    named: tuple[str, ...] = Field(description="services that the finding names; empty where it was inconclusive")
    changes: tuple[Placed, ...]
    blamed: tuple[Placed, ...] = Field(description="those of them that the finding blames")

    @property
    def found(self) -> bool:
        """Whether the finding names the true service first."""
        return self.truth is not None and self.named[:1] == (self.truth,)

    @property
    def cause_blamed(self) -> bool:
        return any(change.role is Role.CAUSE for change in self.blamed)

    @property
    def innocent_blamed(self) -> bool:
        return any(change.role is not Role.CAUSE for change in self.blamed)


class Row(Record):
    """What was measured on some cases."""

    name: str
    cases: int
    found: Share = Field(description="finding names the true service first")
    ranked: Share = Field(description="ranking has the true service first")
    true_blamed: Share = Field(description="of cases with a true deploy whose service was found: it is the change that is blamed")
    innocent_blamed: Share = Field(description="of cases with changes: an innocent one is blamed")


class Measured(Record):
    """Everything that `python -m middlewatch.evals.overlay measure` measures."""

    note: str = SEMI_SYNTHETIC
    sorts: tuple[Row, ...]
    systems: tuple[Row, ...] = Field(description="all sorts of each system together")
    decoys: Share = Field(description="innocent changes that were blamed, of all")
    roles: dict[Role, Share] = Field(description="the same by what they are there for")
    wrong: tuple[Answered, ...] = Field(
        description="cases whose true deploy was not blamed though its service was found, or an innocent one was"
    )


def measure(answered: Sequence[Answered]) -> Measured:
    """Count."""
    systems = sorted({each.system for each in answered})
    return Measured(
        sorts=tuple(_row(sort, [each for each in answered if each.sort is sort]) for sort in Sort),
        systems=tuple(_row(s, [each for each in answered if each.system == s]) for s in systems),
        decoys=_decoys(answered, lambda role: role is not Role.CAUSE),
        roles={role: _decoys(answered, lambda other, role=role: other is role) for role in Role if role is not Role.CAUSE},  # type: ignore[misc]
        wrong=tuple(
            each for each in answered if each.innocent_blamed or (_with_cause(each) and each.found and not each.cause_blamed)
        ),
    )


def tables(measured: Measured) -> str:
    """The figures as Markdown."""
    header = [
        "",
        "cases",
        "service found",
        "first in the ranking",
        "true deploy blamed, where the service was found",
        "an innocent one blamed",
    ]
    rows = [_cells(row) for row in (*measured.sorts, *measured.systems) if row.cases]
    roles = [[role.value, shown(share)] for role, share in measured.roles.items() if share.of]
    wrong = [
        [
            e.system,
            e.incident,
            e.kind,
            e.sort.value,
            str(e.seed),
            ", ".join(e.named),
            ", ".join(b.role.value for b in e.blamed) or "none",
        ]
        for e in measured.wrong
    ]
    return "\n\n".join(
        (
            SEMI_SYNTHETIC,
            markdown_table(header, rows),
            markdown_table(["innocent changes blamed", "share"], [["of all innocent changes", shown(measured.decoys)], *roles]),
            markdown_table(["cases in which an innocent change is blamed", "share"], _by_cases(measured)),
            markdown_table(["system", "incident", "fault", "sort", "seed", "finding", "blamed"], wrong),
        )
    )


def shown(counted: Share) -> str:
    """Share, interval and counts, as they stand in a table."""
    return f"{shown_share(counted.share)} ({shown_interval(counted.interval)}), {counted.hits} of {counted.of}"


def _by_cases(measured: Measured) -> list[list[str]]:
    """The same errors by cases, each of which has several innocent changes."""
    sorts = [(row.name, row.innocent_blamed) for row in measured.sorts if row.innocent_blamed.of]
    hits, of = sum(share.hits for _, share in sorts), sum(share.of for _, share in sorts)
    every = Share.counted(hits, of)
    return [["of all that have one", shown(every)], *([f"of those of sort: {name}", shown(share)] for name, share in sorts)]


def _row(name: str, cases: Sequence[Answered]) -> Row:
    real = [each for each in cases if each.truth is not None]
    with_cause = [each for each in cases if _with_cause(each) and each.found]
    return Row(
        name=name,
        cases=len(cases),
        found=_share(each.found for each in real),
        ranked=_share(each.first == each.truth for each in real),
        true_blamed=_share(each.cause_blamed for each in with_cause),
        innocent_blamed=_share(each.innocent_blamed for each in cases if each.changes),
    )


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        str(row.cases),
        *(shown(share) if share.of else "-" for share in (row.found, row.ranked, row.true_blamed, row.innocent_blamed)),
    ]


def _with_cause(case: Answered) -> bool:
    return any(change.role is Role.CAUSE for change in case.changes)


def _decoys(cases: Iterable[Answered], chosen: Callable[[Role], bool]) -> Share:
    return _share(change in each.blamed for each in cases for change in each.changes if chosen(change.role))


def _share(hits: Iterable[bool]) -> Share:
    counted = list(hits)
    return Share.counted(sum(counted), len(counted))
