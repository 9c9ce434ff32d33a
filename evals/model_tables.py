"""What a language model was found to be worth, as Markdown tables that can be read in a terminal as well."""

from __future__ import annotations

from middlewatch.evals.model_ablation import ModelAblation, Spent, Way
from middlewatch.evals.tables import NOTHING, WIDEST_REASON, cell_text, markdown_table, shown_interval, shown_share

MOST_CHANGED = 30
"""Incidents that models made right or wrong, as a table tells them."""


def of_models(measured: ModelAblation) -> str:
    """All of it."""
    parts = [_asked(measured), ways(measured), _spent(measured.spent), trials(measured)]
    if measured.changed:
        listed = [f"- {cell_text(line, WIDEST_REASON)}" for line in measured.changed[:MOST_CHANGED]]
        parts.append("Changed by models:\n\n" + "\n".join(listed))
    if measured.problems:
        parts.append("Given up:\n\n" + "\n".join(f"- {cell_text(line, WIDEST_REASON)}" for line in measured.problems))
    return "\n\n".join(parts)


def ways(measured: ModelAblation) -> str:
    """Every way of answering."""
    header = ["", "AC@1", "95 %", "AC@1 of the ranking", "quiet blamed", "right of all", "Brier"]
    return markdown_table(header, [_way(way) for way in measured.ways])


def trials(measured: ModelAblation) -> str:
    """How each agent's model did."""
    if not measured.trials:
        return "The model voted on nothing of which the truth is known, or favoured several causes alike: it cannot be judged."
    rows = [[trial.agent, trial.kind.value, str(trial.right), str(trial.wrong)] for trial in measured.trials]
    return markdown_table(["agent's model", "kind of cause", "right", "wrong"], rows)


def _asked(measured: ModelAblation) -> str:
    hidden = "names and times hidden" if measured.masked else "names and times as they are"
    worse = f", {' and '.join(measured.degraded)}" if measured.degraded else ""
    what = f"{measured.incidents} incidents and {measured.quiet} quiet moments"
    return f"{cell_text(f'{measured.provider} {measured.model}')}: {what}, {hidden}{worse}."


def _way(way: Way) -> list[str]:
    return [
        way.name,
        shown_share(way.named.share),
        shown_interval(way.named.interval) if way.named.of else NOTHING,
        shown_share(way.ranked.share),
        f"{way.blamed.hits} of {way.blamed.of}" if way.blamed.of else NOTHING,
        f"{way.right.hits} of {way.right.of}",
        NOTHING if way.brier is None else f"{way.brier:.3f}",
    ]


def _spent(spent: Spent) -> str:
    tokens = spent.tokens
    cells = {
        "calls": str(spent.calls),
        "unanswered": str(spent.unanswered),
        "tokens read": f"{tokens.prompt:,}",
        "of them cached": f"{tokens.cached:,}",
        "written": f"{tokens.output:,}",
        "dollars": _dollars(spent.dollars),
        "each": _dollars(spent.dollars_each),
        "seconds by rules": f"{spent.seconds_rules:.1f}",
        "whole": f"{spent.seconds:.1f}",
        "longest": f"{spent.seconds_longest:.1f}",
    }
    return markdown_table(list(cells), [list(cells.values())])


def _dollars(value: float | None) -> str:
    return NOTHING if value is None else f"${value:,.4f}"
