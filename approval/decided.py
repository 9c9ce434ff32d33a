"""What holds for a decision that comes late: said as the request stands, it is the same answer again; otherwise it is refused."""

from __future__ import annotations

from middlewatch.records import ApprovalRequest, Decision, RequestState
from middlewatch.records.errors import AlreadyDecided

S = RequestState
_APPROVED = frozenset({S.APPROVED, S.EXECUTING, S.UNKNOWN, S.SUCCEEDED, S.FAILED})
_OPEN = frozenset({S.PREPARING, S.PENDING, S.APPROVED})
"""In which a request can be denied still."""


def is_settled(request: ApprovalRequest) -> bool:
    """Whether there is nothing left to decide: it began, or it is over."""
    return request.state not in _OPEN


def stands(request: ApprovalRequest, decision: Decision) -> bool:
    """Whether a request is what a decision makes of it, whoever made it so."""
    return request.state in (_APPROVED if decision is Decision.APPROVE else {S.DENIED})


def already(request: ApprovalRequest) -> AlreadyDecided:
    """Why a decision comes too late: who said what before, and when."""
    remedy = "Look at how it stands now."
    if request.state is S.EXPIRED:
        return AlreadyDecided("It expired before you decided. Nothing ran.", remedy="Propose it again if it is still right.")
    void = request.state in {S.SUPERSEDED, S.REFUSED}  # whoever approved it before did not bring that about
    last = request.approvals[-1] if request.approvals and not void else None
    who = f"{last.words} at {last.at:%Y-%m-%d %H:%M:%S} UTC" if last else request.why.rstrip(".")
    return AlreadyDecided(f"It is {request.state} already: {who}. What you said was not recorded.", remedy=remedy)
