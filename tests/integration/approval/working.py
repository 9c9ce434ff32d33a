"""What tests of approvals do over and over: propose, let the executor work, decide, let time pass, and meddle with the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from redis import Redis

from middlewatch.approval.binding import digest_of_bound, digest_of_shown
from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Answer, Gateway
from middlewatch.approval.timers import Sight, tend
from middlewatch.context_store.approvals import Kept
from middlewatch.context_store.keys import approval_keys
from middlewatch.context_store.stored import text_of
from middlewatch.records import ApprovalRequest, Decision, Order, Principal, Recovery, RequestState, Scalar, UtcDatetime
from tests.approval_data import POLICY_TEXT, TENANT, Office, remediation
from tests.store_fixtures import set_times

KEYS = approval_keys(TENANT)
S = RequestState


def open_office(redis: Redis, folder: Path, *, epoch: int = 1) -> Office:
    """An office where what a person proposes is as sure as a finding."""
    office = Office.open(redis, folder, epoch=epoch)
    office.desk = replace(office.desk, confidence=lambda _tenant, _investigation, _target: 0.95)
    office.gateway = Gateway(office.desk)
    return office


def at_once(_order: Order) -> float:
    """For an executor that believes at once that nothing was done: no other one lives that may still act."""
    return 0.0


def step(office: Office, name: str = "executor:one") -> bool:
    """Let an executor take up one request."""
    return Executor(office.desk, office.hands, name=name, acting_seconds=at_once).step(TENANT)


def look(office: Office, request: ApprovalRequest | str) -> ApprovalRequest:
    return kept(office, request).request


def kept(office: Office, request: ApprovalRequest | str) -> Kept:
    return office.desk.store.look(TENANT, request if isinstance(request, str) else request.id)


def now(office: Office) -> UtcDatetime:
    return office.desk.store.halted(TENANT)[1]


def asked(office: Office, action: str = "roll_back", *, proposer: str = "", **parameters: Scalar) -> ApprovalRequest:
    """A request that waits for people, of the orchestrator or of a person."""
    wanted = remediation(action, parameters=parameters)
    made = office.gateway.propose(wanted, office.policy.person(proposer)) if proposer else office.gateway.submit(wanted)
    while look(office, made).state is S.PREPARING:
        assert step(office)
    return look(office, made)


def resolve(
    office: Office,
    request: ApprovalRequest,
    who: str | Principal | None,
    *,
    deny: bool = False,
    digest: str | None = None,
    reason: str = "",
) -> Answer:
    person = office.policy.person(who) if isinstance(who, str) else who
    return office.gateway.resolve(
        TENANT,
        request.id,
        Decision.DENY if deny else Decision.APPROVE,
        person,
        digest=request.digest if digest is None else digest,
        reason=reason,
        face="test",
    )


def approved(office: Office, action: str = "roll_back", *, proposer: str = "") -> ApprovalRequest:
    request = asked(office, action, proposer=proposer)
    for who in {"both": ("leo", "mara"), "drain": ("mara",)}.get(action, ("leo",)):
        request = resolve(office, request, who).request
    assert request.state is S.APPROVED
    return request


def executed(office: Office, action: str = "roll_back") -> ApprovalRequest:
    request = approved(office, action)
    while look(office, request).state is S.APPROVED:
        assert step(office)
    return look(office, request)


def tended(office: Office, sight: Sight | None = None) -> bool:
    """Do one thing that is due."""
    return tend(office.desk, TENANT, lambda _request, _now: sight or Sight(Recovery.WATCHING, ""))


def all_due(office: Office) -> None:
    """Let whatever waits be due, and for so long that anybody takes it."""
    set_times(office.redis, KEYS.due, 1)


def rewrite(office: Office, request: ApprovalRequest, **update: object) -> ApprovalRequest:
    """Change the stored record past everything that guards it, as a fault or somebody with access to Redis could."""
    changed = look(office, request).model_copy(update=update)
    office.redis.hset(KEYS.requests, request.id, text_of(changed))
    office.redis.hset(KEYS.states, request.id, str(changed.state))
    all_due(office)
    return changed


def aged(office: Office, request: ApprovalRequest, seconds: float) -> ApprovalRequest:
    """The request as it would stand had everything that happened to it happened so much earlier; what is due then is due."""
    back = timedelta(seconds=seconds)
    old = look(office, request)
    changed = old.model_copy(
        update={
            "created_at": old.created_at - back,
            "approved_until": old.approved_until and old.approved_until - back,
            "asked": tuple(one.model_copy(update={"at": one.at - back}) for one in old.asked),
        }
    )
    if old.bound is not None:
        shown = digest_of_shown(changed)
        bound = old.bound.model_copy(update={"expires_at": old.bound.expires_at - back, "shown": shown})
        changed = changed.model_copy(update={"bound": bound, "digest": digest_of_bound(bound)})
    said = tuple(one.model_copy(update={"at": one.at - back, "digest": changed.digest}) for one in old.approvals)
    if old.execution is not None:
        moments = {name: getattr(old.execution, name) for name in ("began_at", "ended_at", "recovered_at")}
        moved = {name: moment and moment - back for name, moment in moments.items()}
        changed = changed.model_copy(update={"execution": old.execution.model_copy(update=moved)})
    changed = changed.model_copy(update={"approvals": said})
    office.redis.hset(KEYS.requests, request.id, text_of(changed))
    due = office.redis.zscore(KEYS.due, request.id)
    if due is not None:
        office.redis.zadd(KEYS.due, {request.id: due - seconds * 1000})
    return changed


def freeze(office: Office, *, since_seconds: float = -60, until_seconds: float = 3600, more: str = "") -> None:
    """Write a freeze of everything into the policy, around the store's time."""
    office.policy.write(POLICY_TEXT + more + freeze_text(now(office), since_seconds, until_seconds))


def freeze_text(around: datetime, since_seconds: float, until_seconds: float) -> str:
    begins, ends = (
        (around + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="milliseconds")
        for seconds in (since_seconds, until_seconds)
    )
    return f'\n[[freezes]]\nname = "release"\ntargets = "*"\nzone = "UTC"\nfrom = {begins}\nto = {ends}\n'


def without_person(text: str, name: str) -> str:
    """The policy with somebody deactivated."""
    return text.replace(f"[principals.{name}]\n", f"[principals.{name}]\nactive = false\n")


def with_role(text: str, name: str, role: str) -> str:
    """The policy with another role for somebody."""
    head, _, rest = text.partition(f"[principals.{name}]\n")
    before, _, after = rest.partition('role = "')
    return f'{head}[principals.{name}]\n{before}role = "{role}"{after.partition(chr(34))[2]}'


def once(act: Callable[[], object]) -> Callable[..., None]:
    """Does it at the first call, and nothing after that."""
    left = [act]

    def at_first(*_args: object, **_kwargs: object) -> None:
        if left:
            left.pop()()

    return at_first
