"""Where an investigation stands as a whole: what is known of it, and what became of the actions that it led to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from middlewatch.records import ApprovalRequest, Investigation, InvestigationState, Outcome, Recovery, RequestState


class Standing(StrEnum):
    """The states, those that need a person first."""

    AWAITING_APPROVAL = "awaiting approval"
    """A request waits for a decision."""
    UNKNOWN = "outcome unknown"
    """Nobody knows what became of an execution: a person must find out."""
    INCONCLUSIVE = "inconclusive"
    """There is no answer, and it says so."""
    NOT_RECOVERED = "not recovered"
    """Something was done, and the symptom did not go away."""
    ACTING = "acting"
    """An approved action is to begin, or runs."""
    VERIFYING = "verifying recovery"
    """It was done; the symptom is being watched."""
    INVESTIGATING = "investigating"
    FINDING = "finding"
    """There is an answer, and nothing more under way."""
    RECOVERED = "recovered"
    CANCELLED = "cancelled"


_PRESSING = (
    (frozenset({RequestState.UNKNOWN}), Standing.UNKNOWN),
    (frozenset({RequestState.PREPARING, RequestState.PENDING}), Standing.AWAITING_APPROVAL),
    (frozenset({RequestState.APPROVED, RequestState.EXECUTING}), Standing.ACTING),
)
_AFTER = {
    Recovery.WATCHING: Standing.VERIFYING,
    Recovery.RECOVERED: Standing.RECOVERED,
    Recovery.NOT_RECOVERED: Standing.NOT_RECOVERED,
}


def standing_of(investigation: Investigation, requests: Sequence[ApprovalRequest]) -> Standing:
    """Where it stands.

    Args:
        investigation: which.
        requests: those that were made of it, in any order.
    """
    if investigation.state is InvestigationState.CANCELLED:
        return Standing.CANCELLED
    acted = _acted(requests)
    if acted is not None:
        return acted
    if investigation.headline is None:
        return Standing.INVESTIGATING
    return Standing.FINDING if investigation.headline.outcome is Outcome.FINDING else Standing.INCONCLUSIVE


def by_investigation(requests: Iterable[ApprovalRequest]) -> dict[str, list[ApprovalRequest]]:
    """Requests by the investigation that they were made of."""
    found: dict[str, list[ApprovalRequest]] = {}
    for request in requests:
        found.setdefault(request.remediation.investigation, []).append(request)
    return found


def recovered(requests: Iterable[ApprovalRequest]) -> frozenset[str]:
    """The investigations whose symptom was seen to be gone after what was executed for them."""
    return frozenset(
        one.remediation.investigation
        for one in requests
        if one.execution is not None and one.execution.recovery is Recovery.RECOVERED
    )


def _acted(requests: Sequence[ApprovalRequest]) -> Standing | None:
    """What the most pressing of the requests says; None where none says anything that is not over."""
    states = {request.state for request in requests}
    for pressing, standing in _PRESSING:
        if states & pressing:
            return standing
    done = [one.execution for one in requests if one.state is RequestState.SUCCEEDED and one.execution is not None]
    looked_after = [execution for execution in done if execution.recovery in _AFTER]
    last = max(looked_after, key=lambda execution: execution.began_at, default=None)
    return None if last is None or last.recovery is None else _AFTER[last.recovery]
