"""The audit events of requests. What people typed is in none of them; its salted digest is."""

from __future__ import annotations

from pydantic import JsonValue

from middlewatch.context_store.audit import Private
from middlewatch.context_store.redaction import redact
from middlewatch.records import ApprovalRequest, AuditEvent, Principal

GATEWAY = "system:gateway"
"""Who acts where time passes or something changed, and nobody said a word."""
UNKNOWN = "system:unknown"
"""Who tried something and is nobody whom policy knows."""


def event(request: ApprovalRequest, name: str, actor: str, **data: JsonValue) -> AuditEvent:
    """An event about a request. What the other end of an action said may stand in a reason; secrets in it are taken out."""
    if isinstance(why := data.get("why"), str):
        data["why"] = redact(why)
    return AuditEvent(
        tenant=request.tenant,
        actor=actor,
        event=name,
        obj=request.id,
        digest=request.digest,
        data={"action": request.remediation.action, "target": request.remediation.target, "state": request.state, **data},
    )


def name_of(principal: Principal | None) -> str:
    """Who acts, as the log has them."""
    return principal.id if principal else UNKNOWN


def typed(text: str) -> tuple[dict[str, JsonValue], tuple[Private, ...]]:
    """What people typed: as it stands in an event, and as it is kept beside the log, without secrets. Both empty for nothing."""
    if not text:
        return {}, ()
    private = Private.of(redact(text))
    return {"reason": {"sha256": private.digest}}, (private,)
