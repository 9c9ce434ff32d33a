"""Invariants: whatever changes between a decision and its execution, nothing runs but what was decided, once, and people see why.

A freeze, a halt, a lost role, another rule, entry or target, a policy that is broken or gone, a stored record that was meddled
with, an executor that dies: each at every step.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from redis import Redis

from middlewatch.approval.desk import Desk
from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Gateway
from middlewatch.approval.policy import load_policy
from middlewatch.approval.timers import Sight, tend
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.live_file import LiveFile
from middlewatch.records import (
    AnomalyKind,
    ApprovalRequest,
    ChangeKind,
    Decision,
    Halt,
    Recovery,
    RiskTier,
    Scalar,
)
from middlewatch.records import RequestState as S
from middlewatch.records.errors import MiddlewatchError, Refused, SourceUnavailable
from tests.approval_data import INVESTIGATION, POLICY_TEXT, TARGET, TENANT, Office, remediation
from tests.fake_actions import FakeActions, fake_catalogue
from tests.integration.approval.working import (
    KEYS,
    aged,
    all_due,
    approved,
    asked,
    executed,
    freeze,
    look,
    now,
    once,
    open_office,
    resolve,
    rewrite,
    step,
    tended,
    with_role,
    without_person,
)
from tests.store_data import make_evidence

# A freeze and a halt at every step

MOMENTS = ("proposed", "pending", "approved")


def driven(
    office: Office, moment: str, meddle: Callable[[], None], *, action: str = "roll_back", **update: object
) -> ApprovalRequest:
    """A request on its whole way, with something that happens at a moment."""
    request = office.gateway.submit(remediation(action, **update))
    if moment == "proposed":
        meddle()
    step(office)
    request = look(office, request)
    if moment == "pending":
        meddle()
    if request.state is S.PENDING:
        resolve(office, request, "leo")
    if moment == "approved":
        meddle()
    for _ in range(3):
        all_due(office)
        step(office)
    return look(office, request)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_freeze_at_any_step_keeps_it_from_beginning_and_says_so(office: Office, moment: str) -> None:
    held = driven(office, moment, lambda: freeze(office))
    assert held.state is S.APPROVED
    assert "the freeze 'release' holds it up until" in held.why
    assert office.hands.runs == []
    assert office.events("execution.held") == ["execution.held"]  # said once, tried three times
    office.policy.write(POLICY_TEXT)
    all_due(office)
    step(office)
    assert look(office, held).state is S.SUCCEEDED
    assert len(office.hands.runs) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_takes_a_recorded_change_back_is_held_up_by_no_freeze(office: Office, moment: str) -> None:
    fact = make_evidence("deployed")
    change = fact.anomaly.model_copy(update={"kind": AnomalyKind.CHANGE, "change": ChangeKind.DEPLOY, "service": TARGET})
    office.facts.append(fact.model_copy(update={"tenant": TENANT, "investigation": INVESTIGATION, "anomaly": change}))
    done = driven(office, moment, lambda: freeze(office), undoes=fact.id)
    assert (done.state, done.undo, len(office.hands.runs)) == (S.SUCCEEDED, True, 1)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_halt_at_any_step_keeps_even_an_undo_from_beginning(office: Office, moment: str) -> None:
    def halt() -> None:
        office.desk.store.halt(TENANT, Halt(by="mia", reason="", at=now(office)), [])

    done = executed(office, "nudge")
    office.hands.runs.clear()
    held = driven(office, moment, halt, action="nudge", undoes=done.id, parameters={"by": -1})
    assert (held.state, held.undo) == (S.APPROVED, True)
    assert "everything is halted by mia" in held.why
    assert office.hands.runs == []
    office.desk.store.halt(TENANT, None, [])
    all_due(office)
    step(office)
    assert (look(office, held).state, len(office.hands.runs)) == (S.SUCCEEDED, 1)


def test_a_freeze_that_begins_between_the_judgement_and_the_write_is_seen_by_the_store(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = approved(office)
    monkeypatch.setattr(Desk, "next_freeze", lambda _desk, _request, moment: moment)
    step(office)
    held = look(office, request)
    assert (held.state, held.execution, office.hands.runs) == (S.APPROVED, None, [])
    assert "too late" in held.why


def test_a_halt_between_the_judgement_and_the_write_is_seen_by_the_store(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = approved(office)
    change = ApprovalStore.change
    halt = once(lambda: office.desk.store.halt(TENANT, Halt(by="mia", reason="", at=now(office)), []))

    def after_a_halt(store: ApprovalStore, *args: Any) -> Any:
        halt()
        return change(store, *args)

    monkeypatch.setattr(ApprovalStore, "change", after_a_halt)
    step(office)
    held = look(office, request)
    assert (held.state, held.execution, office.hands.runs) == (S.APPROVED, None, [])
    assert "halted" in held.why


def test_what_a_freeze_outlasts_expires_while_the_executor_lives(office: Office) -> None:
    request = approved(office)
    freeze(office)
    step(office)
    aged(office, request, 3600)
    step(office)
    assert look(office, request).state is S.EXPIRED
    assert office.hands.runs == []


def test_what_cannot_be_looked_at_says_so_and_expires_in_the_end(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object) -> None:
        raise SourceUnavailable("The cluster does not answer.")

    monkeypatch.setattr(office.hands, "inspect", away)
    request = office.gateway.submit(remediation())
    for _ in range(2):
        all_due(office)
        step(office)
    assert (look(office, request).state, look(office, request).why) == (S.PREPARING, "The cluster does not answer.")
    aged(office, request, 3600)
    step(office)
    assert look(office, request).state is S.EXPIRED


# Something changes between the approval and the beginning


def entry_changed(office: Office) -> None:
    entry = office.catalogue.specs["roll_back"]
    office.catalogue.specs["roll_back"] = entry.model_copy(update={"blast_radius": "everything"})


def entry_gone(office: Office) -> None:
    del office.catalogue.specs["roll_back"]


def policy(change: Callable[[str], str]) -> Callable[[Office], None]:
    return lambda office: office.policy.write(change(POLICY_TEXT))


def tier_raised(text: str) -> str:
    return text.replace(
        "[[rules]]\n", '[[rules]]\nactions = ["roll_back"]\ntargets = "*"\ntier_at_least = "high"\n\n[[rules]]\n', 1
    )


@pytest.mark.parametrize(
    ("change", "state", "why"),
    [
        (policy(lambda text: with_role(text, "leo", "member")), S.APPROVED, "those who approved it may not any more"),
        (policy(lambda text: without_person(text, "leo")), S.APPROVED, "those who approved it may not any more"),
        (policy(tier_raised), S.SUPERSEDED, "the rule for it changed"),
        (
            policy(lambda text: text.replace("least_modalities = 0", "least_modalities = 1", 1)),
            S.SUPERSEDED,
            "the rule for it changed",
        ),
        (policy(lambda text: text.replace("least_modalities = 0", "allowed = false", 1)), S.SUPERSEDED, "does not allow roll_back"),
        (entry_changed, S.SUPERSEDED, "the catalogue changed"),
        (entry_gone, S.SUPERSEDED, "There is no action 'roll_back'"),
        (lambda office: office.hands.version.update(revision=8), S.SUPERSEDED, "the target changed"),
    ],
)
def test_what_was_approved_does_not_run_where_something_changed(
    office: Office, change: Callable[[Office], None], state: S, why: str
) -> None:
    request = approved(office)
    change(office)
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (state, [])
    assert why in found.why
    aged(office, request, 3600)
    step(office)
    assert look(office, request).state.terminal


def test_a_role_that_is_given_back_in_time_counts_again(office: Office) -> None:
    request = approved(office)
    office.policy.write(with_role(POLICY_TEXT, "leo", "member"))
    step(office)
    office.policy.write(POLICY_TEXT)
    all_due(office)
    step(office)
    assert look(office, request).state is S.SUCCEEDED


def test_adding_a_person_voids_nothing(office: Office) -> None:
    request = approved(office)
    office.policy.write(POLICY_TEXT + '\n[principals.kim]\nname = "Kim"\nrole = "manager"\nlocal = ["kim"]\n')
    step(office)
    assert look(office, request).state is S.SUCCEEDED


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_broken_policy_lets_nothing_run_and_says_so(office: Office, moment: str) -> None:
    office.desk = replace(office.desk, policy=LiveFile(office.policy.path, load_policy))
    request = office.gateway.submit(remediation())
    if moment == "proposed":
        office.policy.path.write_text("[principals", encoding="utf-8")
        step(office)
        assert look(office, request).state is S.PREPARING
        return
    step(office)
    if moment == "approved":
        resolve(office, look(office, request), "leo")
    office.policy.path.write_text("[principals", encoding="utf-8")
    all_due(office)
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (S.APPROVED if moment == "approved" else S.PENDING, [])
    if moment == "approved":
        assert "policy.toml" in found.why
    aged(office, request, 3600)
    step(office)
    tended(office)
    assert look(office, request).state is S.EXPIRED  # time passes without a policy


def test_no_policy_any_more_voids_what_was_approved(office: Office) -> None:
    office.desk = replace(office.desk, policy=LiveFile(office.policy.path, load_policy))
    request = approved(office)
    office.policy.path.unlink()
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (S.SUPERSEDED, [])
    assert "policy" in found.why


def test_two_people_approved_and_one_lost_the_role(office: Office) -> None:
    request = approved(office, "both")
    office.policy.write(with_role(POLICY_TEXT, "leo", "member"))
    step(office)
    assert (look(office, request).state, office.hands.runs) == (S.APPROVED, [])


def test_a_sole_operator_who_is_none_any_more_did_not_approve_it(office: Office) -> None:
    request = resolve(office, asked(office, "nudge", proposer="max"), "max").request
    office.policy.write(POLICY_TEXT.replace('sole_operator = ["low"]\n', ""))
    step(office)
    assert (look(office, request).state, office.hands.runs) == (S.APPROVED, [])


def test_an_intent_that_cannot_be_signed_is_not_carried_out(office: Office) -> None:
    request = approved(office)
    office.audit.problem = MiddlewatchError("the disk is full")
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (S.FAILED, [])
    assert "could not be signed" in found.why


def test_an_approval_of_an_epoch_before_is_void(office: Office, server: Redis, tmp_path: Any) -> None:
    waiting, request, proposed = asked(office, "drain"), approved(office), office.gateway.submit(remediation("nudge"))
    later = open_office(server, tmp_path, epoch=2)
    all_due(later)
    while step(later) or tended(later):
        pass
    assert {look(later, one).state for one in (request, waiting)} == {S.SUPERSEDED}
    assert look(later, proposed).state is S.REFUSED
    assert later.hands.runs == []
    with pytest.raises(MiddlewatchError):
        step(office)


# Somebody meddles with the stored record


PARAMETERS: dict[str, dict[str, Scalar]] = {
    "restart_instance": {"instance": "checkout-1"},
    "scale_up": {"by": 2},
    "scale_down": {"by": 1},
    "set_flag": {"flag": "dark_mode", "value": False},
    "shed_traffic": {"percent": 10},
    "drain_traffic": {"percent": 10},
}
CATALOGUE = fake_catalogue(TARGET)

DECIDES_NOTHING = {
    # In words, for people; the log has the true ones.
    ("why",),
    ("asked",),
    ("approvals", 0, "role"),
    ("approvals", 0, "reason"),
    ("approvals", 0, "face"),
    ("approvals", 0, "sole_operator"),
    # Another who may approve it just as well, by live policy.
    ("approvals", 0, "principal"),
    # Earlier or later the approval is still good, and its end is the earlier one of two.
    ("approvals", 0, "at"),
    ("approved_until",),
    # The same approval twice is one.
    ("approvals",),
    # No freeze is on; where one is, see below.
    ("break_glass",),
}
"""Fields of a request after whose change exactly what was approved runs nevertheless."""

FILLED: dict[str, object] = {
    "break_glass": {"principal": "mara", "reason": "r", "at": "2026-01-01T00:00:00Z", "reviewed_by": ""},
    "execution": {"executor": "executor:1/0", "fence": 1, "began_at": "2026-01-01T00:00:00Z"},
    "requires": {"quantifier": "any_of", "seats": [{"role": "member", "principal": None}]},
    "asked": [{"asked": [{"role": "member", "principal": None}], "at": "2026-01-01T00:00:00Z"}],
    "escalation": [{"after_seconds": 1.0, "asked": [{"role": "member", "principal": None}]}],
    "similar": [{"request": "apr-0", "target": "t", "at": "2026-01-01T00:00:00Z", "outcome": "o", "recovered": True}],
    "modalities": ["logs"],
    "role": "manager",
}
"""Something for what is null or empty."""


def opened(redis: Redis, folder: Any) -> tuple[Office, FakeActions]:
    """An office with the real catalogue, and every action of it in memory."""
    office = open_office(redis, folder)
    names = ", ".join(f'"{name}"' for name in CATALOGUE.actions)
    office.policy.write(POLICY_TEXT + f'\n[[rules]]\nactions = [{names}]\ntargets = ["{TARGET}"]\nleast_modalities = 0\n')
    office.desk = replace(office.desk, catalogue=CATALOGUE)
    office.gateway = Gateway(office.desk)
    actions = FakeActions(CATALOGUE)
    return office, actions


def leaves(  # noqa: C901  one case a kind of value
    value: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], list[object]]]:
    """Every field of a record, however deep, with other values for it."""
    name = path[-1] if path else ""
    match value:
        case dict() if path:
            yield path, [{**value, "more": 1}, dict(list(value.items())[1:]) if value else {"by": 9}, None]
        case list():
            yield path, [[*value, *value[:1]] if value else FILLED.get(str(name), ["more"]), value[1:] if value else []]
    match value:
        case dict():
            for key, item in value.items():
                yield from leaves(item, (*path, key))
        case list():
            for n, item in enumerate(value):
                yield from leaves(item, (*path, n))
        case bool():
            yield path, [not value]
        case int() | float():
            yield path, [value + 1, value - 1, 0.999 if isinstance(value, float) else 0]
        case str() if "T" in value and value.endswith("Z"):
            yield path, [value.replace("20", "21", 1), value.replace("20", "19", 1)]
        case str():
            others = [
                *S,
                *RiskTier,
                *Decision,
                "all_of",
                "any_of",
                "mara",
                "max",
                "mia",
                "member",
                "manager",
                "system:orchestrator",
            ]
            yield path, [f"{value}x", "0" * 64, "", *(str(other) for other in others if other != value)]
        case None:
            yield path, [FILLED.get(str(name), "apr-0")]


def readable(record: dict[str, Any]) -> str | None:
    """What it means; None where it is no request, which everybody passes over (see test_upgrade)."""
    try:
        return ApprovalRequest.model_validate_json(json.dumps(record)).model_dump_json()
    except ValidationError:
        return None


def changed(record: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    found = copy.deepcopy(record)
    inner: Any = found
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return found


@pytest.mark.parametrize("action", CATALOGUE.actions)
def test_a_change_of_any_one_field_after_the_approval_is_refused_at_the_beginning(
    server: Redis, tmp_path: Any, action: str
) -> None:
    server.flushall()
    office, actions = opened(server, tmp_path)
    executor = Executor(office.desk, actions, name="executor:one")

    def work() -> None:
        with suppress(MiddlewatchError):  # where the record names another request
            executor.step(TENANT)

    office.desk.store.halt(TENANT, Halt(by="mia", reason="", at=now(office)), [])  # the lowest tier is begun at once otherwise
    request = office.gateway.submit(remediation(action, parameters=PARAMETERS.get(action, {})))
    work()
    request = look(office, request)
    if request.state is S.PENDING:
        resolve(office, request, "mara")
    assert look(office, request).state is S.APPROVED
    office.desk.store.halt(TENANT, None, [])
    record: dict[str, Any] = json.loads(str(server.hget(KEYS.requests, request.id)))
    revision = str(server.hget(KEYS.revisions, request.id))
    events = server.lrange(KEYS.audit, 0, -1)

    def put(content: dict[str, Any]) -> None:
        server.hset(KEYS.requests, request.id, json.dumps(content))
        server.hset(KEYS.states, request.id, str(content["state"]))
        server.hset(KEYS.revisions, request.id, revision)
        server.zadd(KEYS.due, {request.id: 1})
        actions._lines.clear()

    tried, ran = 0, set()
    for path, values in leaves(record):
        others = [other for value in values if readable(other := changed(record, path, value)) not in {None, readable(record)}]
        for other in others if path == ("state",) else others[:2]:
            tried += 1
            put(other)
            work()
            if actions.executions:
                ran.add(path)
                assert actions.executions == {request.digest: 1} or path == ("state",)
                assert sum(actions.executions.values()) == 1
                assert actions._lines[0]["parameters"] == request.remediation.parameters
    by_policy = {("state",)} if request.rule.requires is None else set()  # prepared anew it is decided anew, by nobody
    assert ran <= DECIDES_NOTHING | by_policy
    assert tried > 100
    assert server.lrange(KEYS.audit, 0, len(events) - 1) == events  # nothing of all that rewrote the log
    put(record)
    work()
    assert actions.executions == {request.digest: 1}, "as it was approved it runs"


def test_a_request_that_becomes_an_undo_in_the_store_does_not_slip_through_a_freeze(office: Office) -> None:
    request = approved(office)
    freeze(office)
    rewrite(office, request, undo=True)
    step(office)
    assert office.hands.runs == []
    assert "not the one that was shown" in look(office, request).why


def test_steps_that_were_not_shown_are_not_approved(office: Office) -> None:
    request = asked(office)
    rewrite(office, request, plan=("nothing much",))
    with pytest.raises(Refused, match="not the one that was shown"):
        resolve(office, request, "leo")


def test_who_proposed_it_cannot_be_rewritten_to_approve_it(office: Office) -> None:
    request = asked(office, proposer="leo")
    rewrite(office, request, remediation=request.remediation.model_copy(update={"proposed_by": "lea"}))
    with pytest.raises(Refused, match="not the one that was shown"):
        resolve(office, request, "leo")


def test_an_approval_does_not_live_longer_than_its_rule_says(office: Office) -> None:
    request = approved(office)
    aged(office, request, 3600)
    rewrite(office, request, approved_until=now(office).replace(year=2100))
    step(office)
    assert (look(office, request).state, office.hands.runs) == (S.EXPIRED, [])


def test_a_taken_back_approval_does_not_come_alive_in_the_store(office: Office) -> None:
    request = approved(office)
    until = request.approved_until
    resolve(office, request, "mia", deny=True)
    rewrite(office, request, state=S.APPROVED, approved_until=until)
    step(office)
    assert office.hands.runs == []


@pytest.mark.parametrize("state", [S.EXECUTING, S.UNKNOWN])
def test_a_record_that_forgot_its_execution_runs_nothing_and_stops_nobody(office: Office, state: S) -> None:
    request = approved(office)
    rewrite(office, request, state=state)
    other = approved(office, "nudge")
    for _ in range(3):
        all_due(office)
        tended(office)
        step(office)
        step(office)
    assert [run.request for run in office.hands.runs] == [other.id]


# The executor, or whoever asks, dies at every step


class Died(BaseException):
    """As a SIGKILL leaves it: nothing else of the process runs."""


class Mortal:
    """Passes everything on, and dies before or after one of the calls."""

    def __init__(self, of: object, at: Callable[[], bool], *, after: bool) -> None:
        self._of, self._at, self._after = of, at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            dies = self._at()
            if dies and not self._after:
                raise Died
            answer = found(*args, **kwargs)
            if dies:
                raise Died
            return answer

        return call


def at_call(number: int) -> Callable[[], bool]:
    calls = itertools.count()
    return lambda: next(calls) == number


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("action", ["annotate", "nudge"])
def test_whoever_dies_at_any_step_it_runs_once_at_most_and_is_never_forgotten(
    server: Redis,
    tmp_path: Any,
    action: str,
    after: bool,  # noqa: FBT001
) -> None:
    for n in itertools.count():
        server.flushall()
        office = open_office(server, tmp_path)
        dies = at_call(n)
        mortal = [Mortal(one, dies, after=after) for one in (office.desk.store, office.desk.audit, office.hands)]
        desk = replace(office.desk, store=mortal[0], audit=mortal[1])  # type: ignore[arg-type]
        try:
            whole_way(desk, mortal[2], office, action)
        except Died:
            pass
        else:
            assert n > 20
            break
        office.desk.store.tenants()
        for _ in range(12):
            whole_way(office.desk, office.hands, office, action)
            all_due(office)
            if not office.redis.exists(KEYS.due):
                break
        end = office.desk.store.list(TENANT)
        assert len(end) == 1
        request = end[0].request
        assert request.state in {S.SUCCEEDED, S.FAILED}, n
        assert len(office.hands.runs) == (request.state is S.SUCCEEDED), n
        assert office.events("execution.began") == ["execution.began"]
        assert office.redis.zcard(KEYS.due) == 0


def whole_way(desk: Desk, hands: Any, office: Office, action: str) -> None:
    """Propose it, let the executor work, approve it, let it begin, look at the symptom. What is done already stays so."""
    gateway, executor = Gateway(desk), Executor(desk, hands, name="executor:x")
    request = gateway.submit(remediation(action))
    executor.step(TENANT)
    request = desk.store.look(TENANT, request.id).request
    if request.state is S.PENDING and request.rule.requires:
        gateway.resolve(TENANT, request.id, Decision.APPROVE, office.policy.person("leo"), digest=request.digest)
    executor.step(TENANT)
    all_due(office)
    tend(desk, TENANT, lambda _request, _now: Sight(Recovery.RECOVERED, "gone"))
