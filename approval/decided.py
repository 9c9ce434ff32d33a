"""What holds for a decision that comes late: said as the request stands, it is the same answer again; otherwise it is refused."""

from __future__ import annotations

from datetime import datetime

from middlewatch.records import ApprovalRequest, Decision, RequestState
from middlewatch.records.errors import AlreadyDecided

S = RequestState
_APPROVED = frozenset({S.APPROVED, S.EXECUTING, S.UNKNOWN, S.SUCCEEDED, S.FAILED})
_OPEN = frozenset({S.PREPARING, S.PENDING, S.APPROVED})
"""In which a request can be denied still."""

_VERBS = {S.EXECUTING: "runs", S.UNKNOWN: "began", S.SUCCEEDED: "was done", S.FAILED: "failed"}
"""Of states whose name does not follow "is"."""


def is_settled(request: ApprovalRequest) -> bool:
    """Whether there is nothing left to decide: it began, or it is over."""
    return request.state not in _OPEN


def stands(request: ApprovalRequest, decision: Decision) -> bool:
    """Whether a request is what a decision makes of it, whoever made it so."""
    return request.state in (_APPROVED if decision is Decision.APPROVE else {S.DENIED})


def verb(state: RequestState) -> str:
    """How a request stands, as it follows its name: "is denied", "was done"."""
    return _VERBS.get(state, f"is {state}")


def already(request: ApprovalRequest) -> AlreadyDecided:
    """Why a decision comes too late: who said what before, and when; of what ended, how."""
    if request.state is S.EXPIRED:
        return AlreadyDecided("It expired before you decided. Nothing ran.", remedy="Propose it again if it is still right.")
    return AlreadyDecided(
        f"It {verb(request.state)} already: {_how(request)}. What you said was not recorded.",
        remedy=f"Look at how it stands now: middlewatch approvals show {request.id}",
    )


def _how(request: ApprovalRequest) -> str:
    """Whose word it is that holds: of a request that came to nothing after an approval, not the approval's."""
    void = request.state in {S.SUPERSEDED, S.REFUSED}
    last = request.approvals[-1] if request.approvals and not void else None
    who = f"{last.words} at {_clock(last.at)}" if last else request.why.rstrip(".")
    execution = request.execution
    if execution is None or execution.ended_at is None:
        return who
    detail = f": {execution.result.detail.rstrip('.')}" if execution.result and execution.result.detail else ""
    if execution.reconciled_by:
        return f"{execution.reconciled_by} found that out at {_clock(execution.ended_at)}{detail}"
    return f"{who}, and it ended at {_clock(execution.ended_at)}{detail}"


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
