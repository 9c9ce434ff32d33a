"""The table is the one of the design: compared in every case with an independent model, which notices each guard that is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from middlewatch.approval import transitions
from middlewatch.approval.transitions import BINDING, TABLE, Event, Guard, Row, judge, opens, row_for
from middlewatch.records import Principal, Requirement, Role, Seat
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Refused
from tests.unit.approval.approval_attempts import VALUES, attempt_of
from tests.unit.approval.approval_model import NAMED, cases, differences

GOOD = tuple(values[0] for values in VALUES.values())


def said(row: Row) -> str:
    return f"{row.event}-from-{'-'.join(row.states)}"


def with_rows(monkeypatch: pytest.MonkeyPatch, rows: list[Row]) -> None:
    monkeypatch.setattr(transitions, "TABLE", tuple(rows))


def notices(event: Event) -> bool:
    """Whether the comparison finds that the table is not the model's."""
    return next(differences(event), None) is not None


@pytest.mark.parametrize("event", Event)
def test_the_code_does_what_the_table_says(event: Event) -> None:
    assert list(differences(event)) == []


def test_every_event_is_compared_in_every_state_and_under_every_value_of_its_conditions() -> None:
    assert set(NAMED) == set(Event)
    for event, named in NAMED.items():
        seen = {name: {case[n] for case in cases(event)} for n, name in enumerate(VALUES) if name in named}
        assert seen == {name: set(VALUES[name]) for name in named}


@pytest.mark.parametrize(
    ("row", "guard"),
    [pytest.param(row, guard, id=f"{said(row)}-{guard.__name__}") for row in TABLE for guard in row.guards],
)
def test_a_guard_that_is_taken_out_is_noticed(monkeypatch: pytest.MonkeyPatch, row: Row, guard: Guard) -> None:
    without = replace(row, guards=tuple(other for other in row.guards if other is not guard))
    with_rows(monkeypatch, [without if other is row else other for other in TABLE])
    assert notices(row.event)


@pytest.mark.parametrize("guard", BINDING, ids=lambda guard: guard.__name__)
def test_something_that_no_longer_voids_is_noticed(monkeypatch: pytest.MonkeyPatch, guard: Guard) -> None:
    monkeypatch.setattr(transitions, "BINDING", tuple(other for other in BINDING if other is not guard))
    assert notices(Event.VOID)


@pytest.mark.parametrize("row", TABLE, ids=said)
def test_another_target_and_a_row_that_is_gone_are_noticed(monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    others = [other for other in TABLE if other is not row]
    for to in set(S) - {row.to}:
        with_rows(monkeypatch, [replace(row, to=to), *others])
        assert notices(row.event), to
    with_rows(monkeypatch, others)
    assert notices(row.event)


@pytest.mark.parametrize("row", TABLE, ids=said)
def test_a_row_from_elsewhere_is_noticed(monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    taken = {state for other in TABLE if other.event is row.event for state in other.states}
    for state in set(S) - taken:
        with_rows(monkeypatch, [*TABLE, Row((state,), row.event, (), row.to)])
        assert notices(row.event), state


@pytest.mark.parametrize("state", [state for state in S if state.terminal])
def test_nothing_follows_on_a_terminal_state(state: S) -> None:
    assert [event for event in Event if row_for(state, event)] == []
    for event in Event:
        with pytest.raises(Refused, match=f"is {state}"):
            judge(event, attempt_of(state, GOOD))


def test_no_row_is_hidden_behind_another() -> None:
    pairs = [(state, row.event) for row in TABLE for state in row.states]
    assert len(pairs) == len(set(pairs))


def test_everything_that_waits_can_be_denied_edited_voided_and_runs_out() -> None:
    for state in (S.PREPARING, S.PENDING, S.APPROVED):
        assert all(row_for(state, event) for event in (Event.DENY, Event.EDIT, Event.VOID, Event.FINAL_TIMEOUT))


def test_only_what_is_approved_begins_and_only_by_its_own_row() -> None:
    assert [(row.states, row.event) for row in TABLE if row.to is S.EXECUTING] == [((S.APPROVED,), Event.BEGIN)]


def test_a_refusal_says_which_request_and_why() -> None:
    attempt = replace(attempt_of(S.PENDING, GOOD), digest="e" * 64, approvers=())
    with pytest.raises(Refused, match="apr-1 is not let through: what was shown is not what would run now") as stale:
        judge(Event.APPROVE, attempt)
    assert "decide on that" in stale.value.remedy


def test_an_approval_opens_when_it_is_the_last_that_is_asked_for() -> None:
    attempt = replace(attempt_of(S.PENDING, GOOD), approvers=())
    assert opens(attempt)  # one lead
    both = Requirement(quantifier="all_of", seats=(Seat(role=Role.LEAD), Seat(role=Role.MANAGER)))
    rule = attempt.request.rule.model_copy(update={"requires": both})
    first = replace(attempt, request=attempt.request.model_copy(update={"rule": rule}))
    assert not opens(first)
    assert not opens(replace(first, approvers=(first.actor,) if first.actor else ()))  # the same person twice
    assert opens(replace(first, approvers=(Principal(id="mara", name="Mara", role=Role.MANAGER),)))
    nobody = replace(first, request=first.request.model_copy(update={"rule": rule.model_copy(update={"requires": None})}))
    assert opens(replace(nobody, actor=None))
