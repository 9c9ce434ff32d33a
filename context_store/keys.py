"""Where things are kept in Redis.

Every key of one investigation has the hash tag ``{tenant:investigation}``, so that a script over it stays in one slot of a
Redis Cluster. Tenants and identifiers are checked against their patterns first: neither can hold a brace, a tenant holds no
colon, and so no text can name somebody else's key.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from middlewatch.records import Identifier, Tenant
from middlewatch.records.errors import BadInput

PREFIX = "middlewatch"
"""Every key starts with it, so that a Redis server can be shared with other programs."""

TENANTS = f"{PREFIX}:index:{{index}}:tenants"
"""The set of all tenants that ever opened an investigation."""

_TENANT: TypeAdapter[str] = TypeAdapter(Tenant)
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)


@dataclass(frozen=True, slots=True)
class IndexKeys:
    """The slot that knows the tenants."""

    meta: str = f"{PREFIX}:index:{{index}}:meta"
    tenants: str = TENANTS


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """One tenant's directory of investigations."""

    meta: str
    """Hash: the epoch."""
    alerts: str
    """Hash: alert digest -> the investigation that was opened for it last."""
    opening: str
    """Hash: investigation -> what it was to be opened with, until that is done."""
    open: str
    """Set: investigations that may be open."""
    recent: str
    """Sorted set: every investigation that is in Redis, by the time it was opened, in milliseconds."""


@dataclass(frozen=True, slots=True)
class InvestigationKeys:
    """Everything of one investigation."""

    meta: str
    """Hash: the investigation, its state, the epoch, the fence counter, the count of live tasks, the report."""
    tasks: str
    """Hash: ``task|field`` -> value."""
    records: str
    """Hash: ``kind|id`` -> evidence, hypothesis or vote."""
    order: str
    """List: ``kind|id`` of tasks and records in the order in which they were written."""
    outbox: str
    """Sorted set: tasks that are ready and need a hint in a queue, by the time from which they may be claimed, in ms."""
    leases: str
    """Sorted set: claimed tasks by the end of their lease, in ms."""
    groups: str
    """Hash: ``group|left`` and ``group|then`` of every fan-out that is not complete."""
    grants: str
    """Hash: request id of a claim -> the task that it was granted."""
    events: str
    """Stream: what happened."""
    gone: str
    """String: stands for a day after the investigation was archived, so that nothing opens it again."""


@dataclass(frozen=True, slots=True)
class ApprovalKeys:
    """A tenant's approval requests and audit log: one slot, so that a transition and its audit events are written in one step."""

    meta: str
    """Hash: the epoch, the halt while there is one, and `indexed`: of how many requests `waiting` is."""
    requests: str
    """Hash: request -> the record."""
    revisions: str
    """Hash: request -> how often it was written; the fencing token of whoever changes it."""
    states: str
    """Hash: request -> its state."""
    due: str
    """Sorted set: requests that somebody must look at, by the time from which, in milliseconds."""
    recent: str
    """Sorted set: every request by the time it was made, in milliseconds."""
    notes: str
    """Hash: name -> what the gateway remembers beside the requests: which policy was seen last, tiers that were moved down."""
    audit: str
    """List: the events of the log in order, each as the time in milliseconds, a blank, and its JSON."""
    texts: str
    """Hash: salted digest -> the salt and the text that the log holds only the digest of. Can be deleted."""
    checkpoints: str
    """List: the signed checkpoints, oldest first."""
    sealed: str
    """Hash: how far the log is sealed, and what is needed to go on from there."""
    waiting: str
    """Sorted set: the requests that wait for somebody or something, as in `recent`. It may hold some that are over; it lacks none.
    It follows from the others, so no backup has it."""


@dataclass(frozen=True, slots=True)
class OccurrenceKeys:
    """A tenant's occurrences of alerts: one slot, so that what is decided of several is written in one step."""

    meta: str
    """Hash: the epoch."""
    records: str
    """Hash: occurrence -> the record."""
    tokens: str
    """Hash: occurrence -> the name of the call that wrote it last; whoever changes it must have seen that."""
    current: str
    """Hash: digest of sender and fingerprint -> the latest occurrence of that alert."""
    due: str
    """Sorted set: occurrences that somebody must look at, by the time from which, in milliseconds."""
    recent: str
    """Sorted set: every occurrence by the time of its first message, in milliseconds."""
    links: str
    """Sorted set, all of one score: ``investigation|occurrence`` for every investigation that an occurrence is shown in."""
    plans: str
    """Hash: investigation -> what it is to be opened with, until that is done."""


@dataclass(frozen=True, slots=True)
class LeaseKeys:
    """Who does a thing that one process at a time does."""

    meta: str
    """Hash: the epoch; the tenant's own."""
    held: str
    """String: who has it. It expires."""


@dataclass(frozen=True, slots=True)
class CountKeys:
    """What one series of an objective counted."""

    meta: str
    """Hash: the epoch; the tenant's own."""
    buckets: str
    """Hash: bucket -> good ones, a blank, and all; `at` -> when they were counted. It expires."""


@dataclass(frozen=True, slots=True)
class RaisedKeys:
    """What we watch by ourselves found last."""

    meta: str
    """Hash: the epoch; the tenant's own."""
    raised: str
    """Hash: fingerprint -> the message that was sent last, of our own alerts that fire."""
    looks: str
    """Hash: name of a look -> what it found."""


@dataclass(frozen=True, slots=True)
class OnceKeys:
    """What came of one request that somebody may repeat."""

    meta: str
    """Hash: the epoch; the tenant's own."""
    kept: str
    """Hash: what was asked, who does it and until when, since when, and the answer once there is one. It expires."""


@dataclass(frozen=True, slots=True)
class BudgetKeys:
    """What language models spent, in one investigation and by the day."""

    meta: str
    """Hash: the epoch; the tenant's own."""
    spent: str
    """Hash: ``1``, ``2``, ``3`` -> calls, millionths of a dollar and tokens of the investigation; ``held|reservation`` -> its day
    and amounts, until it is settled. It expires."""
    days: str
    """Hash: ``day|1`` and so on -> the same of all investigations on a day, counted from 1970; ``day|window`` -> the last ten
    minutes in which anything was asked for, and ``day|until1`` and so on -> how far the day may be spent in these. It expires."""


@dataclass(frozen=True, slots=True)
class CallKeys:
    """What language models did in one investigation."""

    meta: str
    """Hash: the epoch; the tenant's own."""
    kept: str
    """Hash: call -> the record. It expires."""


@dataclass(frozen=True, slots=True)
class SaltKeys:
    """What makes the placeholders of one investigation its own."""

    meta: str
    """Hash: the epoch; the tenant's own."""
    kept: str
    """String: the salt. It expires."""


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """One shard of the ready queue; holds hints only."""

    meta: str
    """Hash: the epoch."""
    hints: str
    """Sorted set: hints by the time from which the task may be claimed, in milliseconds."""
    taken: str
    """String: the hint that one request took."""


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """A tenant's sign-ins. All of these keys expire with the last of them."""

    meta: str
    """Hash: the epoch."""
    records: str
    """Hash: ``kind|SHA-256 of the secret`` -> the record."""
    ends: str
    """Sorted set: the same names by the end of each, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Names a task that may be ready. Whether it is, is decided in the task's own slot."""

    tenant: str
    investigation: str
    task: str

    def __str__(self) -> str:
        """As stored: no identifier can hold the bar between the parts."""
        return f"{self.tenant}|{self.investigation}|{self.task}"

    @classmethod
    def parse(cls, text: str) -> Hint:
        tenant, investigation, task = text.split("|")
        return cls(tenant, investigation, task)


def checked_tenant(tenant: str) -> str:
    """The tenant, if it may stand in a key.

    Raises:
        BadInput: when it may not.
    """
    try:
        return _TENANT.validate_python(tenant)
    except ValidationError:
        raise BadInput(
            f"{tenant!r} is not a tenant.", remedy="Use lower-case letters, digits, '.', '_' and '-', at most 63 of them."
        ) from None


def checked_identifier(identifier: str) -> str:
    """The identifier, if it may stand in a key.

    Raises:
        BadInput: when it may not.
    """
    try:
        return _IDENTIFIER.validate_python(identifier)
    except ValidationError:
        raise BadInput(
            f"{identifier!r} is not an id.", remedy="Use letters, digits, '.', '_', ':' and '-', at most 128 of them."
        ) from None


@lru_cache(maxsize=1024)
def tenant_keys(tenant: str) -> TenantKeys:
    """The keys of a tenant's directory."""
    tag = f"{PREFIX}:tenant:{{{checked_tenant(tenant)}}}"
    return TenantKeys(f"{tag}:meta", f"{tag}:alerts", f"{tag}:opening", f"{tag}:open", f"{tag}:recent")


@lru_cache(maxsize=4096)
def investigation_keys(tenant: str, investigation: str) -> InvestigationKeys:
    """The keys of one investigation."""
    tag = f"{PREFIX}:investigation:{{{checked_tenant(tenant)}:{checked_identifier(investigation)}}}"
    names = ("meta", "tasks", "records", "order", "outbox", "leases", "groups", "grants", "events", "gone")
    return InvestigationKeys(*(f"{tag}:{name}" for name in names))


@lru_cache(maxsize=1024)
def approval_keys(tenant: str) -> ApprovalKeys:
    """The keys of a tenant's approvals and audit log."""
    tag = f"{PREFIX}:approvals:{{{checked_tenant(tenant)}}}"
    return ApprovalKeys(*(f"{tag}:{field.name}" for field in fields(ApprovalKeys)))


@lru_cache(maxsize=1024)
def occurrence_keys(tenant: str) -> OccurrenceKeys:
    """The keys of a tenant's occurrences."""
    tag = f"{PREFIX}:occurrences:{{{checked_tenant(tenant)}}}"
    return OccurrenceKeys(*(f"{tag}:{field.name}" for field in fields(OccurrenceKeys)))


def lease_keys(tenant: str, name: str) -> LeaseKeys:
    """The keys of a lease."""
    return LeaseKeys(tenant_keys(tenant).meta, f"{PREFIX}:lease:{{{checked_tenant(tenant)}}}:{checked_identifier(name)}")


def count_keys(tenant: str, series: str) -> CountKeys:
    """The keys of what a series counted."""
    return CountKeys(tenant_keys(tenant).meta, f"{PREFIX}:counts:{{{checked_tenant(tenant)}}}:{checked_identifier(series)}")


def raised_keys(tenant: str) -> RaisedKeys:
    """The keys of what we watch by ourselves."""
    tag = f"{PREFIX}:watched:{{{checked_tenant(tenant)}}}"
    return RaisedKeys(tenant_keys(tenant).meta, f"{tag}:raised", f"{tag}:looks")


def once_keys(tenant: str, digest: str) -> OnceKeys:
    """The keys of one request; the digest stands for who asks and the key that they gave it."""
    return OnceKeys(tenant_keys(tenant).meta, f"{PREFIX}:once:{{{checked_tenant(tenant)}}}:{checked_identifier(digest)}")


def budget_keys(tenant: str, investigation: str) -> BudgetKeys:
    """The keys of what language models spent."""
    tag = f"{PREFIX}:models:{{{checked_tenant(tenant)}}}"
    return BudgetKeys(tenant_keys(tenant).meta, f"{tag}:spent:{checked_identifier(investigation)}", f"{tag}:days")


def call_keys(tenant: str, investigation: str) -> CallKeys:
    """The keys of what language models did in an investigation."""
    calls = f"{PREFIX}:models:{{{checked_tenant(tenant)}}}:calls:{checked_identifier(investigation)}"
    return CallKeys(tenant_keys(tenant).meta, calls)


def salt_keys(tenant: str, investigation: str) -> SaltKeys:
    """The keys of the salt of an investigation's placeholders."""
    salt = f"{PREFIX}:models:{{{checked_tenant(tenant)}}}:salt:{checked_identifier(investigation)}"
    return SaltKeys(tenant_keys(tenant).meta, salt)


def session_keys(tenant: str) -> SessionKeys:
    """The keys of a tenant's sign-ins."""
    tag = f"{PREFIX}:sessions:{{{checked_tenant(tenant)}}}"
    return SessionKeys(f"{tag}:meta", f"{tag}:records", f"{tag}:ends")


def queue_keys(shard: int, request: str) -> QueueKeys:
    """The keys of one shard, and of what one request took there."""
    tag = f"{PREFIX}:queue:{{q:{shard}}}"
    return QueueKeys(f"{tag}:meta", f"{tag}:hints", f"{tag}:taken:{checked_identifier(request)}")
