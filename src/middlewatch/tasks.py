"""Who does which task: the orchestrator its phases, the agents what they are asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from middlewatch.agents.calibration import calibrated
from middlewatch.agents.orchestrator import Orchestrator
from middlewatch.model_spans import spans_of
from middlewatch.records import Claim, Completion, Report, Snapshot, TaskKind

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.context_store.worker import Handler, Lease


def handlers_of(app: App) -> dict[TaskKind, Handler]:
    """What a worker of the application does for each kind of task."""
    specialists, spans = app.specialists, spans_of(app.settings)
    orchestrator = Orchestrator(specialists.agents, clock=lambda: datetime.now(UTC))

    def orchestrate(claim: Claim, lease: Lease) -> Completion:
        snapshot = app.store.snapshot(claim.task.tenant, claim.task.investigation)
        done = orchestrator.run(snapshot, claim.task)
        if done.preliminary is not None:
            shown = app.runbooks.cited_in(calibrated(done.preliminary, app.model_weights.calibration()))
            return done.model_copy(update={"preliminary": shown})
        if claim.task.kind is TaskKind.CHALLENGE:
            return app.reasoning.challenge(snapshot, claim, done, lease.lost)
        return done if done.report is None else done.model_copy(update={"report": finished(done.report, snapshot, claim, lease)})

    def finished(report: Report, snapshot: Snapshot, claim: Claim, lease: Lease) -> Report:
        whole = calibrated(report, app.model_weights.calibration())
        if claim.task.kind is TaskKind.WRITE:
            whole = app.reasoning.write(snapshot, claim, whole, lease.lost)
            lease.check()  # nothing is proposed by whoever has lost the task
        whole = app.runbooks.cited_in(app.approvals.propose(whole))
        spans.tell(whole.tenant, whole.investigation, whole.models.calls if whole.models else ())
        return whole

    def reason(claim: Claim, lease: Lease) -> Completion:
        return app.reasoning.reason(app.store.snapshot(claim.task.tenant, claim.task.investigation), claim, lease.lost)

    phases = (TaskKind.PLAN, TaskKind.HYPOTHESISE, TaskKind.CONCLUDE, TaskKind.CHALLENGE, TaskKind.WRITE)
    handlers: dict[TaskKind, Handler] = dict.fromkeys(phases, orchestrate)
    handlers[TaskKind.REASON] = reason
    handlers[TaskKind.INVESTIGATE] = lambda claim, _lease: specialists.investigate(claim)
    handlers[TaskKind.VOTE] = lambda claim, _lease: specialists.vote(claim)
    return handlers
