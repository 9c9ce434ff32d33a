"""The figures of an evaluation on the lab, with Wilson intervals, and every miss by name."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from middlewatch.evals.kinds import ACCEPTED
from middlewatch.evals.lab.evaluation.answers import LabAnswer
from middlewatch.evals.lab.evaluation.matrix import LOOKED_AT, seed_of
from middlewatch.evals.lab.faults import HELD_OUT
from middlewatch.evals.tables import markdown_table
from middlewatch.intervals import Share
from middlewatch.records import ChangeKind

NOTHING = "-"


def cells(counted: Share) -> list[str]:
    """Of a table: the counts, the share, its interval."""
    if counted.share is None:
        return ["0 of 0", NOTHING, NOTHING]
    interval = counted.interval
    return [_of(counted), f"{counted.share:.1%}", f"{interval.low:.1%} to {interval.high:.1%}"]


def share(answers: Iterable[LabAnswer], hit: Callable[[LabAnswer], bool]) -> Share:
    """How many of the answers are hits."""
    found = [hit(answer) for answer in answers]
    return Share.counted(sum(found), len(found))


def is_real(answer: LabAnswer) -> bool:
    """Whether something was wrong."""
    return bool(answer.truth.causes)


def is_held_out(answer: LabAnswer) -> bool:
    """Whether no rule was tuned on its fault."""
    return any(name.partition("@")[0] in HELD_OUT for name in answer.truth.name.split("+"))


def is_looked_at(answer: LabAnswer) -> bool:
    """Whether its recording is one whose misses were looked into while rules were written."""
    return seed_of(answer.recording) in LOOKED_AT


def found(answer: LabAnswer) -> bool:
    """A true service stands first in the ranking."""
    ranking = answer.prediction.ranking
    return bool(ranking) and ranking[0][0] in {cause.service for cause in answer.truth.causes}


def named(answer: LabAnswer) -> bool:
    """The finding names a true service first."""
    return answer.prediction.causes[:1] != () and answer.prediction.causes[0] in {cause.service for cause in answer.truth.causes}


def right_kind(answer: LabAnswer) -> bool:
    """The kind that is named is one that counts as right for the first cause's fault."""
    kind = answer.prediction.kind
    if kind is None:
        return False
    cause = next((each for each in answer.truth.causes if each.service in answer.prediction.causes[:1]), answer.truth.causes[0])
    general, _, special = cause.kind.partition("/")
    accepted = ACCEPTED.get(special) or ACCEPTED.get(general, ())
    return any(kind.kind is wanted and detail in ("", kind.detail) for wanted, detail in accepted)


def bad_deploys(answer: LabAnswer) -> set[str]:
    """The services whose deploy was to blame."""
    return {change.service for change in answer.truth.changes if change.kind == ChangeKind.DEPLOY}


def blames(answer: LabAnswer) -> set[str]:
    """The services whose deploy is blamed."""
    return {each.service for each in answer.blamed if each.kind == ChangeKind.DEPLOY}


def blamed_wrongly(answer: LabAnswer) -> bool:
    """An innocent deploy is blamed, or anything at all in a quiet moment."""
    return bool(blames(answer) - bad_deploys(answer)) or (not is_real(answer) and bool(answer.prediction.causes))


def overview(answers: Sequence[LabAnswer]) -> str:
    """All figures in one table."""
    rows = []
    for title, chosen in (
        ("all", answers),
        ("looked at", [a for a in answers if not is_held_out(a) and is_looked_at(a)]),
        ("not looked at", [a for a in answers if not is_held_out(a) and not is_looked_at(a)]),
        ("faults held out", [a for a in answers if is_held_out(a)]),
    ):
        if not chosen:
            continue
        real = [a for a in chosen if is_real(a)]
        quiet = [a for a in chosen if not is_real(a)]
        rows += [
            [title, "cause service first in the ranking", *cells(share(real, found))],
            [title, "cause service named by the finding", *cells(share(real, named))],
            [title, "kind of cause right, where the service is named", *cells(share([a for a in real if named(a)], right_kind))],
            [
                title,
                "true bad deploy found",
                *cells(share([a for a in real if bad_deploys(a)], lambda a: bad_deploys(a) <= blames(a))),
            ],
            [title, "innocent deploy blamed in an incident", *cells(share(real, lambda a: bool(blames(a) - bad_deploys(a))))],
        ]
        if quiet:
            rows += [
                [title, "quiet or decoy moment blamed on anything", *cells(share(quiet, blamed_wrongly))],
                [title, "innocent deploy or quiet moment blamed, of all", *cells(share(chosen, blamed_wrongly))],
            ]
    return markdown_table(["", "", "", "share", "95 % (Wilson)"], rows)


def times(answers: Sequence[LabAnswer]) -> str:
    """Medians and the slowest of ten."""
    real = [a for a in answers if is_real(a)]
    detect = [(a.truth.detected_at - min(cause.at for cause in a.truth.causes)).total_seconds() for a in real]
    recover = [
        (a.truth.recovered_at - a.truth.mended_at).total_seconds() for a in real if a.truth.recovered_at and a.truth.mended_at
    ]
    rows = [
        _seconds("to detect: from the fault to the alert", detect),
        _seconds("to cause: from the alert to the report", [a.seconds_to_cause for a in real]),
        _seconds("to recover: from the mending until the objective was met again", recover),
    ]
    return markdown_table(["time", "incidents", "median", "90 %", "longest"], rows)


def by_fault(answers: Sequence[LabAnswer]) -> str:
    """One row for each fault and decoy."""
    rows = []
    names = sorted({_name(a) for a in answers}, key=lambda name: (name in HELD_OUT, name))
    for name in names:
        chosen = [a for a in answers if _name(a) == name]
        real = [a for a in chosen if is_real(a)]
        deploys = [a for a in real if bad_deploys(a)]
        cells = [f"`{name}`" + (" (held out)" if name in HELD_OUT else ""), str(len(chosen))]
        cells += [_of(share(real, found)), _of(share(real, named)), _of(share([a for a in real if named(a)], right_kind))]
        cells += [_of(share(deploys, lambda a: bad_deploys(a) <= blames(a))), _of(share(chosen, blamed_wrongly))]
        rows.append(cells)
    header = ["", "moments", "service first", "service named", "kind right", "deploy found", "blamed wrongly"]
    return markdown_table(header, rows)


def by_load(answers: Sequence[LabAnswer]) -> str:
    """The first figure under each load."""
    rates = sorted({a.requests_per_second for a in answers})
    rows = [
        [
            f"{rate:g} requests/s",
            *cells(share([a for a in answers if a.requests_per_second == rate and is_real(a)], found)),
        ]
        for rate in rates
    ]
    return markdown_table(["", "cause service first", "share", "95 % (Wilson)"], rows)


def misses(answers: Sequence[LabAnswer]) -> str:
    """Everything that went wrong, one by one."""
    rows = []
    for answer in answers:
        said = answer.prediction
        problems = []
        if is_real(answer) and not found(answer):
            problems.append("another service first")
        elif is_real(answer) and not named(answer):
            problems.append("inconclusive" if said.inconclusive else "another service named")
        if is_real(answer) and bad_deploys(answer) - blames(answer):
            problems.append("deploy not blamed")
        if blamed_wrongly(answer):
            problems.append("blamed wrongly")
        if problems:
            truth = " + ".join(cause.service for cause in answer.truth.causes) or "nothing"
            first = said.ranking[0][0] if said.ranking else NOTHING
            told = f"{' + '.join(said.causes) or 'inconclusive, first ' + first} ({said.confidence:.0%})"
            blamed = ", ".join(f"{each.kind} of {each.service}" for each in answer.blamed) or NOTHING
            rows.append([answer.recording, f"`{answer.truth.name}`", truth, told, blamed, ", ".join(problems)])
    return markdown_table(["recording", "what was done", "cause", "answer", "change blamed", "what is wrong"], rows)


def _name(answer: LabAnswer) -> str:
    return "+".join(word.partition("@")[0] for word in answer.truth.name.split("+"))


def _of(counted: Share) -> str:
    return f"{counted.hits} of {counted.of}" if counted.of else NOTHING


def _seconds(name: str, values: Sequence[float]) -> list[str]:
    if not values:
        return [name, "0", NOTHING, NOTHING, NOTHING]
    ordered = sorted(values)
    shown = (statistics.median(ordered), ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)], ordered[-1])
    return [name, str(len(values)), *(f"{each:.1f} s" for each in shown)]
