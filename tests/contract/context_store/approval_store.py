"""Requests and events for the tests of the store of approvals; the store does not care what they say."""

from __future__ import annotations

from datetime import UTC, datetime

from redis import Redis

from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.records import ApprovalRequest, AuditEvent, Remediation, RequestState, RiskTier, Rule

TENANT = "acme"


def requests_at(redis: Redis, epoch: int = 1) -> ApprovalStore:
    return ApprovalStore(Server(redis, Epoch(epoch)))


def log_at(redis: Redis, epoch: int = 1) -> AuditStore:
    return AuditStore(Server(redis, Epoch(epoch)))


def made(
    name: str = "apr-1", *, tenant: str = TENANT, state: RequestState = RequestState.PENDING, why: str = ""
) -> ApprovalRequest:
    return ApprovalRequest(
        tenant=tenant,
        id=name,
        epoch=1,
        remediation=Remediation(
            tenant=tenant, investigation="inv-1", action="roll_back", target="checkout", proposed_by="leo", confidence=0.9
        ),
        rule=Rule(
            tier=RiskTier.LOW,
            tier_because=(),
            requires=None,
            deadline_seconds=60,
            life_seconds=60,
            least_modalities=0,
            least_confidence=0,
        ),
        state=state,
        why=why,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def said(name: str, obj: str = "apr-1", *, tenant: str = TENANT) -> AuditEvent:
    return AuditEvent(tenant=tenant, actor="leo", event=name, obj=obj)
