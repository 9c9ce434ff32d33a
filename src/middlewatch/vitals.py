"""How middlewatch itself does, as numbers for a monitoring system: what waits, since when, and what was given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from middlewatch import __version__
from middlewatch.app import App
from middlewatch.context_store.audit import AuditStore
from middlewatch.looking_back import look_back
from middlewatch.model_costs import ModelCosts, model_costs
from middlewatch.nights import Nights, Step
from middlewatch.records import Investigation, InvestigationState, RequestState, UtcDatetime, Verdict
from middlewatch.records.errors import UnknownInvestigation
from middlewatch.records.model_spend import ModelSum
from middlewatch.remembered import Remembered

WEEKS: Final = 4
"""Of the nights that are counted: as `middlewatch report` has them."""
KEPT_SECONDS: Final = 10.0
"""What was counted is told again for so long, however many ask. Chosen: below any usual interval of scrapes."""
NIGHTS_SECONDS: Final = 60.0
"""Likewise of the nights, which take longer to count and change slowly. Chosen."""
ALERTS: Final = 1000
"""The newest alerts, which are looked at. Chosen."""

Sample = tuple[dict[str, str], float]
"""Labels, none of which holds foreign text (a model's name is the operator's own), and a value."""


@dataclass(frozen=True, slots=True)
class Vital:
    """One number, or one for each value of its labels."""

    name: str
    kind: Literal["counter", "gauge"]
    words: str
    samples: tuple[Sample, ...]


class Vitals:
    """The numbers of one application, as of a moment ago."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._now: Remembered[tuple[Vital, ...]] = Remembered(KEPT_SECONDS)
        self._nights: Remembered[Nights] = Remembered(NIGHTS_SECONDS)
        self._models: Remembered[ModelCosts] = Remembered(NIGHTS_SECONDS)

    def __call__(self) -> tuple[Vital, ...]:
        """All of them.

        Raises:
            Unavailable: the store does not answer.
        """
        return self._now(lambda: tuple(self._all()))

    def _all(self) -> Iterator[Vital]:
        now = self._app.approvals.now()
        yield Vital("middlewatch_info", "gauge", "The version that answers.", (({"version": __version__}, 1.0),))
        yield from self._investigations(now)
        yield from self._queue(now)
        yield from self._approvals(now)
        yield from self._alerts()
        yield from self._log()
        yield from self._memory()
        yield from _of_models(self._models(lambda: model_costs(self._app, WEEKS * 7)))
        yield from _of_nights(self._nights(lambda: look_back(self._app, WEEKS)))

    def _investigations(self, now: UtcDatetime) -> Iterator[Vital]:
        app, tenant = self._app, self._app.settings.tenant
        kept, maybe_open = app.store.identifiers(tenant)
        opened = [one.opened_at for one in map(self._look, maybe_open) if one and one.state is InvestigationState.OPEN]
        known = len({*kept, *app.archive.list(tenant)})
        yield _counter("investigations", "Investigations that were ever opened and are kept.", known)
        yield _gauge("investigations_open", "Investigations that run.", len(opened))
        yield _gauge("investigations_oldest_open_seconds", "Since when the oldest that runs does.", _age(opened, now))
        yield _gauge(
            "tasks_given_up", "Tasks that failed too often; their investigations are stalled.", len(app.store.dead_tasks(tenant))
        )

    def _look(self, investigation: str) -> Investigation | None:
        try:
            return self._app.store.investigation(self._app.settings.tenant, investigation)
        except UnknownInvestigation:
            return None

    def _queue(self, now: UtcDatetime) -> Iterator[Vital]:
        backlog = self._app.store.backlog()
        yield _gauge("queue_tasks", "Tasks that wait for a worker.", backlog.hints)
        yield _gauge("queue_oldest_seconds", "For how long the first of them could have been taken.", _age([backlog.oldest], now))

    def _approvals(self, now: UtcDatetime) -> Iterator[Vital]:
        waiting = self._app.approvals.waiting()
        states = Counter(one.state for one in waiting)
        yield Vital(
            "middlewatch_approvals",
            "gauge",
            "Requests that wait for somebody or something, by where they stand.",
            tuple(({"state": str(state)}, float(states[state])) for state in RequestState if not state.terminal),
        )
        undecided = [one.created_at for one in waiting if one.state is RequestState.PENDING]
        yield _gauge("approvals_oldest_pending_seconds", "For how long the oldest waits for a decision.", _age(undecided, now))
        yield _gauge("halted", "1 while everything is halted.", int(self._app.approvals.halted() is not None))

    def _alerts(self) -> Iterator[Vital]:
        firing = [one for one in self._app.occurrences.list(limit=ALERTS) if one.resolved_at is None]
        yield _gauge("alerts_firing", f"Alerts that fire, of the newest {ALERTS:,}.", len(firing))
        yield _gauge(
            "alerts_held",
            "Of these, alerts that opened nothing: no service, or maintenance.",
            sum(bool(one.held) for one in firing),
        )

    def _log(self) -> Iterator[Vital]:
        seal = AuditStore(self._app.store.server).sealed(self._app.settings.tenant)
        yield _counter("audit_events", "Events of the audit log.", seal.log_size)
        yield _gauge("audit_unsigned_events", "Of these, events that are under no checkpoint yet.", seal.log_size - seal.size)

    def _memory(self) -> Iterator[Vital]:
        health = self._app.store.health()
        yield _gauge("store_memory_bytes", "Memory that Redis uses.", health.memory_used_bytes)
        if health.memory_limit_bytes is not None:
            yield _gauge("store_memory_limit_bytes", "Above it no investigation is opened.", health.memory_limit_bytes)


def _of_nights(nights: Nights) -> Iterator[Vital]:
    whole, weeks = nights.whole, f"of the last {WEEKS} weeks"
    yield _gauge("nights_investigations", f"Investigations of live telemetry {weeks}.", whole.investigations)
    yield _gauge("nights_pages", f"Investigations that an alert opened, {weeks}.", whole.pages)
    yield _gauge("nights_pages_without_action", "Of these, those for which no action was executed.", whole.without_action)
    figures = [({"step": str(step)}, whole.steps[step]) for step in Step]
    seconds = [
        (labels | {"quantile": name}, value)
        for labels, one in figures
        for name, value in (("0.5", one.median_seconds), ("0.9", one.p90_seconds))
        if value is not None
    ]
    words = f"From the alert's start to each step, {weeks}; absent where nothing is known."
    yield Vital("middlewatch_nights_step_seconds", "gauge", words, tuple(seconds))
    known = tuple((labels, float(one.known)) for labels, one in figures)
    yield Vital("middlewatch_nights_step_known", "gauge", "For how many investigations that is known.", known)
    verdicts = Counter(one.verdict for one in nights.nights)
    said = tuple(({"verdict": str(verdict)}, float(verdicts[verdict])) for verdict in Verdict)
    yield Vital("middlewatch_nights_feedback", "gauge", f"Investigations with feedback, {weeks}.", said)
    wrong = nights.false_positives.wrong
    yield _gauge("nights_findings_with_feedback", f"Findings with feedback, {weeks}.", wrong.of)
    yield _gauge("nights_findings_wrong", "Of these, findings that were wrong.", wrong.hits)
    yield _gauge("nights_wrong_objective_ratio", "The share of them that may be.", nights.false_positives.objective)


def _of_models(found: ModelCosts) -> Iterator[Vital]:
    words = f"of the last {WEEKS} weeks, by agent"
    agents = [({"agent": part.name}, part.sum) for part in found.agents]

    def each(name: str, said: str, value: Callable[[ModelSum], float]) -> Vital:
        return Vital(
            f"middlewatch_models_{name}", "gauge", f"{said} {words}.", tuple((labels, float(value(one))) for labels, one in agents)
        )

    yield each("calls", "Calls of language models", lambda one: one.calls)
    yield each("unanswered_calls", "Of these, calls that gave no answer,", lambda one: one.unanswered)
    yield each("calls_not_made", "Calls that a budget did not allow,", lambda one: one.not_made)
    yield each("read_tokens", "Tokens that they read, those of the provider's cache included,", lambda one: one.tokens.prompt)
    yield each("cached_tokens", "Of these, tokens of the provider's cache,", lambda one: one.tokens.cached)
    yield each("written_tokens", "Tokens that they wrote, thought included,", lambda one: one.tokens.output)
    yield each("reasoning_tokens", "Of these, thought,", lambda one: one.tokens.reasoning)
    yield each("dollars", "What they cost where the price is known,", lambda one: one.dollars or 0.0)
    yield each("seconds", "How long calls took, added up,", lambda one: one.seconds)
    models = tuple(({"model": part.name}, part.sum.dollars or 0.0) for part in found.models)
    yield Vital("middlewatch_models_dollars_by_model", "gauge", f"The same cost of the last {WEEKS} weeks, by model.", models)


def _counter(name: str, words: str, value: float) -> Vital:
    return Vital(f"middlewatch_{name}_total", "counter", words, (({}, float(value)),))


def _gauge(name: str, words: str, value: float) -> Vital:
    return Vital(f"middlewatch_{name}", "gauge", words, (({}, float(value)),))


def _age(moments: Iterable[datetime | None], now: UtcDatetime) -> float:
    """Seconds since the oldest; 0 where there is none."""
    oldest = min((one for one in moments if one is not None), default=now)
    return max(0.0, (now - oldest).total_seconds())
