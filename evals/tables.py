"""What was measured, as Markdown tables that can be read in a terminal as well."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.evals.ablation import Ablation, Confidence, Group, Rates, Score
from middlewatch.evals.assessments import AgentSet, Assessed
from middlewatch.evals.leave_one_out import JUDGED, judge, leave_one_out, present
from middlewatch.evals.scoring import Interval

NOTHING = "-"
WIDEST_CELL = 60
WIDEST_REASON = 200
BAR = 20
"""Characters of a whole bar."""


def overview(ablation: Ablation) -> str:
    """The vote of all agents on every system."""
    score = ablation.vote
    rows = [
        [
            cell_text(group.system or "all"),
            str(group.incidents),
            shown_share(group.answered.at_1),
            shown_interval(group.answered.at_1_interval),
            shown_share(group.answered.at_3),
            shown_share(group.answered.average_5),
            shown_share(group.ranked.at_1),
            shown_share(group.inconclusive),
            shown_share(group.right_when_answered),
        ]
        for group in _systems(score)
    ]
    if score.macro is not None:
        macro = score.macro
        rows.append(
            ["mean of systems", "", shown_share(macro.at_1), "", shown_share(macro.at_3), shown_share(macro.average_5), "", "", ""]
        )
    header = ["", "incidents", "AC@1", "95 %", "AC@3", "Avg@5", "AC@1 of the ranking", "inconclusive", "right when answered"]
    return markdown_table(header, rows)


def by_agents(ablation: Ablation) -> str:
    """Every set of agents: AC@1 after abstention (and by the ranking alone) on every system, false blame, confidence, seconds."""
    systems = [group.system for group in _systems(ablation.vote) if group.system]
    header = ["agents", *map(cell_text, systems), "mean", "quiet blamed", "Brier (constant)", "calibration error", "seconds"]
    rows = []
    for score in ablation.scores:
        groups = {group.system: group for group in _systems(score)}
        rows.append(
            [
                set_name(score.agents, ablation.vote.agents),
                *(f"{shown_share(groups[system].answered.at_1)} ({shown_share(groups[system].ranked.at_1)})" for system in systems),
                shown_share(score.macro.at_1 if score.macro else None),
                f"{score.quiet[0].blamed} of {score.quiet[0].moments}" if score.quiet else NOTHING,
                _brier(score.confidence),
                shown_share(score.confidence.calibration_error if score.confidence else None),
                f"{score.seconds_median:.1f}",
            ]
        )
    return markdown_table(header, rows)


def by_kind(ablation: Ablation) -> str:
    """AC@1 of each agent alone by its ranking, and of the vote by its ranking and after abstention, for every kind of fault."""
    alone = [score for score in ablation.scores if len(score.agents) == 1]
    header = ["", "fault", "incidents", *(score.agents[0].value for score in alone), "vote", "vote after abstention", "95 %"]
    rows = []
    for number, group in enumerate(ablation.vote.groups):
        if group.kind:
            each = [shown_share(score.groups[number].ranked.at_1) for score in alone]
            rows.append([cell_text(group.system), cell_text(group.kind), str(group.incidents), *each, *_before_and_after(group)])
    return markdown_table(header, rows)


def quiet(ablation: Ablation) -> str:
    """How often the vote blamed somebody where nothing was wrong."""
    rows = [
        [
            cell_text(row.system or "all"),
            str(row.moments),
            str(row.blamed),
            shown_share(row.blamed / row.moments),
            shown_interval(row.interval),
        ]
        for row in ablation.vote.quiet
    ]
    return markdown_table(["quiet moments", "moments", "blamed", "share", "95 %"], rows)


def confidence(ablation: Ablation) -> str:
    """What the vote's confidence is worth."""
    rows = []
    score = ablation.vote
    for name, measured in (("answers", score.confidence), ("all, inconclusive ones included", score.confidence_of_all)):
        if measured is not None:
            better = 1 - measured.brier / measured.brier_of_constant if measured.brier_of_constant else None
            rows.append(
                [
                    name,
                    str(measured.answers),
                    shown_share(measured.brier),
                    shown_share(measured.brier_of_constant),
                    NOTHING if better is None else f"{better:+.0%}",
                    shown_share(measured.calibration_error),
                    shown_interval(measured.calibration_interval),
                ]
            )
    header = ["confidence of", "n", "Brier score", "of the best constant", "better by", "calibration error", "95 % (bootstrap)"]
    return markdown_table(header, rows)


def reliability(ablation: Ablation) -> str:
    """The reliability diagram of the vote's answers in numbers and bars."""
    measured = ablation.vote.confidence
    rows = [
        [
            f"{each.low:.1f} to {each.high:.1f}",
            str(each.answers),
            shown_share(each.confidence),
            shown_share(each.right),
            shown_interval(each.interval),
            "#" * round(each.right * BAR),
        ]
        for each in (measured.reliability if measured else ())
    ]
    return markdown_table(["confidence", "answers", "mean confidence", "right", "95 %", ""], rows)


def misses(ablation: Ablation) -> str:
    """Every miss and every false blame of the vote, one by one, with the reason."""
    asked = ablation.vote.agents
    rows = [
        [
            cell_text(miss.system),
            cell_text(miss.incident),
            cell_text(miss.kind),
            cell_text(miss.truth or "nothing"),
            f"{cell_text(miss.answer)} ({miss.confidence:.0%})"
            if miss.answer
            else f"inconclusive; first: {cell_text(miss.top or NOTHING)}",
            cell_text(miss.reason, WIDEST_REASON),
            _rank(miss.rank),
            *(_rank(miss.rank_by_agent[name]) for name in asked),
        ]
        for miss in ablation.misses
    ]
    header = ["", "incident", "fault", "truth", "answer", "why", "truth stood", *(f"{name.value}" for name in asked)]
    return markdown_table(header, rows)


def onsets(ablation: Ablation) -> str:
    """How well the onsets of the vote's right answers agree with the labels."""
    rows = [
        [
            cell_text(row.system or "all"),
            str(row.answers),
            str(row.told),
            shown_share(row.inside / row.told),
            shown_interval(row.interval),
            *(f"{seconds:.0f} s" for seconds in (row.width, row.away, row.worst)),
        ]
        for row in ablation.vote.onsets
    ]
    header = [
        "",
        "right answers",
        "with an onset",
        "interval holds the beginning",
        "95 %",
        "median width",
        "estimate off by",
        "worst miss",
    ]
    return markdown_table(header, rows)


def left_out(incidents: Sequence[Assessed]) -> str:
    """Every constant of the vote, judged on each system with the value that the others would choose; nothing for one system."""
    if len({incident.system for incident in incidents}) == 1:
        return markdown_table([], [])
    rows = [
        [
            f"`{judged.name.rpartition('.')[2]}` = {present(judged.name):g}",
            judged.in_words,
            cell_text(left.system),
            f"{left.chosen:g}",
            *(f"{figure:.4f}" for figure in (left.reached, left.present, left.best)),
        ]
        for judged in JUDGED
        for left in leave_one_out(judge(judged, incidents))
    ]
    header = ["constant", "judged by", "left out", "the others choose", "reached with it", "with the present value", "best"]
    return markdown_table(header, rows)


def by_degradation(ablations: Sequence[Ablation]) -> str:
    """What the vote reaches on degraded recordings: AC@1 by the ranking and after abstention, and false blame where measured."""
    systems = list(dict.fromkeys(group.system for each in ablations for group in _systems(each.vote) if group.system))
    measured = [
        what for what in ("ranking", "after abstention", "quiet blamed") if what != "quiet blamed" or ablations[0].vote.quiet
    ]
    header = ["recordings", *(f"{cell_text(system)}: {what}" for system in systems for what in measured)]
    rows = []
    for ablation in ablations:
        groups = {group.system: group for group in _systems(ablation.vote)}
        blamed = {row.system: f"{row.blamed} of {row.moments}" for row in ablation.vote.quiet}
        cells = [" + ".join(ablation.degraded) or "as they are"]
        for system in systems:
            group = groups.get(system)
            figures = [shown_share(group.ranked.at_1), shown_share(group.answered.at_1)] if group else [NOTHING, NOTHING]
            cells += [*figures, blamed.get(system, NOTHING)][: len(measured)]
        rows.append(cells)
    return markdown_table(header, rows)


def set_name(agents: AgentSet, everybody: AgentSet) -> str:
    """How a set of agents is called."""
    return "all (the vote)" if agents == everybody and len(everybody) > 1 else " + ".join(agents)


def _systems(score: Score) -> list[Group]:
    return [group for group in score.groups if not group.kind]


def _before_and_after(group: Group) -> list[str]:
    after: Rates = group.answered
    return [shown_share(group.ranked.at_1), shown_share(after.at_1), shown_interval(after.at_1_interval)]


def _brier(measured: Confidence | None) -> str:
    return f"{shown_share(measured.brier)} ({shown_share(measured.brier_of_constant)})" if measured else NOTHING


def _rank(rank: int | None) -> str:
    return NOTHING if rank is None else str(rank)


def shown_share(value: float | None) -> str:
    """Three digits without the leading zero, as the figures of other methods are given."""
    return NOTHING if value is None else f"{value:.3f}".removeprefix("0")


def shown_interval(interval: Interval) -> str:
    """Both ends, as `shown_share` shows them."""
    return f"{shown_share(interval.low)} to {shown_share(interval.high)}"


def cell_text(text: str, widest: int = WIDEST_CELL) -> str:
    """Foreign text in a cell: nothing in it is Markdown, and it does not end the cell."""
    short = text if len(text) <= widest else f"{text[: widest // 2 - 2]}...{text[1 - widest // 2 :]}"
    return "".join("\\" + c if c in "\\`*[]<>|" else c if c.isprintable() else " " for c in short)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, so that it reads well as plain text too."""
    if not rows:
        return "None."
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def everything(ablation: Ablation) -> str:
    """All tables of one ablation, under headings."""
    parts = {
        "The vote of all agents": overview(ablation),
        "Quiet moments": quiet(ablation),
        "Confidence": confidence(ablation),
        "Reliability of the answers": reliability(ablation),
        "Onset of the right answers against the labelled beginning": onsets(ablation),
        "Sets of agents: AC@1 after abstention (by the ranking alone)": by_agents(ablation),
        "Kinds of fault: AC@1 by the ranking of each agent, and of the vote": by_kind(ablation),
        "Misses and false blames of the vote, and where the truth stood for each agent": misses(ablation),
    }
    if len(ablation.scores) == 1:
        parts.pop("Sets of agents: AC@1 after abstention (by the ranking alone)")
    return "\n\n".join(f"{heading}\n\n{table}" for heading, table in parts.items())
