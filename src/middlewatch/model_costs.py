"""What language models did and cost: by day, agent, model and investigation, from what is kept beside the headlines.

Of investigations without a report, which run or were cancelled, each call counts as soon as it is over. The doctor's test is in
none of it; what was really taken off a day's budget is in the budgets' own accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from middlewatch.records import Identifier, Investigation, ModelCall, Record, Snapshot, UtcDatetime
from middlewatch.records.model_spend import ModelSpend, ModelSum, spends, summed

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.context_store.model_calls import ModelCalls

MOST: Final = 5000
"""Investigations that are looked through, the newest; where there may be more in the days that are asked for, it is said. Chosen,
as for the nights."""
MOST_DAYS: Final = 366
USUAL_DAYS: Final = 7
MOST_NAMED: Final = 20
"""Investigations that are told one by one, the dearest."""


class Part(Record):
    """What one of them did: an agent, a model, a day, or an investigation."""

    name: str
    sum: ModelSum


class ModelCosts(Record):
    """All of it, of some days."""

    format: Literal["middlewatch.model-costs/v1"] = "middlewatch.model-costs/v1"
    first: date = Field(description="UTC")
    last: date
    whole: ModelSum
    investigations: int = Field(ge=0, description="in which a model was asked")
    days: tuple[Part, ...] = Field(description="newest first; days without a call are left out")
    agents: tuple[Part, ...] = Field(description="the dearest first")
    models: tuple[Part, ...] = Field(description="as provider/model, the dearest first")
    dearest: tuple[Part, ...] = Field(description="investigations, the dearest first, at most 20")
    cut: bool = Field(default=False, description="whether there are more investigations than are looked at: older ones are missing")


def model_costs(app: App, days: int) -> ModelCosts:
    """Of so many days up to now, today included."""
    return cost_of_models(lambda most: app.investigations(limit=most), _kept(app).of_all, app.approvals.now(), days)


def calls_of(app: App, snapshot: Snapshot) -> tuple[ModelCall, ...]:
    """The calls of an investigation: those of its report, or where it has none, those that are over so far."""
    investigation, report = snapshot.investigation, snapshot.report
    if report is not None:
        return report.models.calls if report.models else ()
    return _kept(app).of(investigation.id) if investigation.models else ()


def _kept(app: App) -> ModelCalls:
    from middlewatch.context_store.model_calls import ModelCalls  # noqa: PLC0415  no --help needs what it imports

    return ModelCalls(app.store.server, app.settings.tenant)


def cost_of_models(
    investigations: Callable[[int], Sequence[Investigation]],
    calls_of: Callable[[Sequence[Identifier]], Sequence[tuple[ModelCall, ...]]],
    now: UtcDatetime,
    days: int,
) -> ModelCosts:
    """The same of given investigations.

    Args:
        investigations: at most so many, newest first.
        calls_of: of each of some that have no report, the calls so far.
        now: by the store's clock.
        days: one at least.
    """
    last = now.date()
    first = last - timedelta(days=days - 1)
    kept = investigations(MOST)
    open_ = [row.id for row in kept if row.models and row.headline is None]
    spent_in = {row.id: row.headline.spent for row in kept if row.headline}
    spent_in |= {name: spends(calls) for name, calls in zip(open_, calls_of(open_), strict=True)}
    rows = [(name, spend) for name, spent in spent_in.items() for spend in spent if first <= spend.day <= last]
    oldest = kept[-1].opened_at if kept else None
    named = _parts(rows, lambda row: row[0])
    return ModelCosts(
        first=first,
        last=last,
        whole=summed(spend for _, spend in rows),
        investigations=len(named),
        days=tuple(sorted(_parts(rows, lambda row: row[1].day.isoformat()), key=lambda part: part.name, reverse=True)),
        agents=_parts(rows, lambda row: row[1].agent),
        models=_parts(rows, lambda row: f"{row[1].provider}/{row[1].model}"),
        dearest=named[:MOST_NAMED],
        cut=len(kept) == MOST and oldest is not None and oldest.date() >= first,
    )


def _parts(rows: Iterable[tuple[Identifier, ModelSpend]], key: Callable[[tuple[Identifier, ModelSpend]], str]) -> tuple[Part, ...]:
    """The dearest first; of equals, the one with the most calls."""
    found: dict[str, ModelSum] = {}
    for row in rows:
        found[key(row)] = found.get(key(row), ModelSum()) + row[1].sum
    return tuple(
        Part(name=name, sum=added)
        for name, added in sorted(found.items(), key=lambda item: (-(item[1].dollars or 0.0), -item[1].calls, item[0]))
    )
