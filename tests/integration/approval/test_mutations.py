"""Invariants: whatever of a stored request is changed past everything that guards it, nothing runs but what was approved."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from redis import Redis

from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Gateway
from middlewatch.records import ApprovalRequest, Decision, Halt, RiskTier, Scalar
from middlewatch.records import RequestState as S
from middlewatch.records.errors import MiddlewatchError, Refused
from tests.approval_data import POLICY_TEXT, TARGET, TENANT, Office, remediation
from tests.fake_actions import FakeActions, fake_catalogue
from tests.integration.approval.working import (
    KEYS,
    aged,
    all_due,
    approved,
    asked,
    freeze,
    look,
    now,
    open_office,
    resolve,
    rewrite,
    step,
    tended,
)

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
