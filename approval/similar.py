"""What was done before in such a case, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from middlewatch.context_store.approvals import EXECUTED, ApprovalStore, Kept
from middlewatch.records import ApprovalRequest, PastAction, Recovery, Remediation, RequestState

SHOWN = 3
"""Earlier actions on a card; a person reads no more."""


def latest(store: ApprovalStore, remediation: Remediation) -> tuple[Kept, ...]:
    """What a card can show of the executions of an action: those on its target, and those on any; no more of them are read."""
    here = store.executed(remediation.tenant, remediation.action, target=remediation.target)
    anywhere = store.executed(remediation.tenant, remediation.action)
    return (*islice(here, SHOWN), *islice(anywhere, SHOWN))


def similar_actions(past: Iterable[Kept], remediation: Remediation) -> tuple[PastAction, ...]:
    """The latest executions of the same action, those on the same target first.

    Args:
        past: requests, newest first within a target; one may be there twice.
        remediation: what is proposed now.
    """
    executed = {
        kept.request.id: kept.request
        for kept in past
        if kept.request.state in EXECUTED and kept.request.execution and kept.request.remediation.action == remediation.action
    }
    same = [*executed.values()]
    same.sort(key=lambda request: request.remediation.target != remediation.target)  # stable: newest first within each
    return tuple(_past(request) for request in same[:SHOWN])


def _past(request: ApprovalRequest) -> PastAction:
    execution = request.execution
    assert execution is not None  # noqa: S101  chosen by it
    recovered = execution.recovery is Recovery.RECOVERED
    return PastAction(
        request=request.id,
        target=request.remediation.target,
        at=execution.began_at,
        outcome=outcome_in_words(request),
        recovered=recovered,
    )


def outcome_in_words(request: ApprovalRequest) -> str:
    """Such as 'recovered after 310 s'."""
    execution = request.execution
    if execution is None or request.state is not RequestState.SUCCEEDED:
        return {RequestState.FAILED: "failed", RequestState.UNKNOWN: "nobody knows what became of it"}.get(
            request.state, str(request.state)
        )
    if execution.recovery is Recovery.RECOVERED and execution.recovered_at and execution.ended_at:
        return f"recovered after {(execution.recovered_at - execution.ended_at).total_seconds():.0f} s"
    return {
        Recovery.RECOVERED: "recovered",
        Recovery.NOT_RECOVERED: "done, and the symptom stayed",
        Recovery.NOT_SEEN: "done; whether the symptom went away could not be seen",
    }.get(execution.recovery or Recovery.WATCHING, "done")
