"""What language models weigh, in words: the same on every face."""

from __future__ import annotations

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import count
from middlewatch.records import Calibration, ModelEvaluation, ModelWeight

_SAY = Quotation()
COLUMNS = ("agent", "kind of cause", "evaluated", "judged", "Beta", "right", "at least", "weight")
FORMULA = (
    "A weight is max(0, 2 x at least - 1): 'at least' is the share of right answers that the Beta posterior exceeds with a "
    "probability of 90 %. Kinds without answers of their own borrow a little from the others."
)
NONE = "No language model was evaluated: none has a weight, and the answers are the rules'."


def evaluated(one: ModelEvaluation) -> str:
    """What an evaluation came to."""
    asked = f"{count(one.incidents, 'incident')} and {count(one.quiet, 'quiet moment')}"
    hidden = "names and times hidden" if one.masked else "names and times as they are"
    answers = one.incidents + one.quiet
    right = f"right by rules {one.right_by_rules} of {answers}, with models {one.right_with_models}"
    cost = "price unknown" if one.dollars is None else f"${one.dollars:,.4f}"
    took = f", {quantity.duration(one.seconds_median)} each at the median" if one.seconds_median is not None else ""
    when = f"{quantity.stamp(one.at)} UTC by {_SAY.named(one.by)}"
    return f"{when}: {asked}, {hidden}; {right}; {count(one.calls, 'call')}, {cost}{took}"


def speaking(weights: tuple[ModelWeight, ...], model: str) -> list[ModelWeight]:
    """The weights of a model that rest on answers of their own."""
    return [
        row
        for row in weights
        if row.model == model and (row.evaluated.right + row.evaluated.wrong + row.judged.right + row.judged.wrong)
    ]


def cells(row: ModelWeight) -> tuple[str, ...]:
    """A weight, as `COLUMNS` have it."""
    return (
        row.agent,
        row.kind.value,
        f"{row.evaluated.right} of {row.evaluated.right + row.evaluated.wrong}",
        f"{row.judged.right} of {row.judged.right + row.judged.wrong}",
        f"({row.alpha:.1f}, {row.beta:.1f})",
        quantity.percent(row.mean),
        quantity.percent(row.low),
        f"{row.weight:.2f}",
    )


def calibrated(found: Calibration) -> str:
    """What stated confidence is worth."""
    judged = f"{count(found.outcomes, 'finding')} judged by people, {found.right} right"
    if found.stated_brier is None or found.calibrated_brier is None:
        return f"as the votes state it: {judged}. {found.why}"
    briers = f"Brier score {found.stated_brier:.3f} as stated, {found.calibrated_brier:.3f} calibrated with each left out in turn"
    used = "calibrated" if found.applied else "as the votes state it"
    return f"{used}: {judged}; {briers}. {found.why}"
