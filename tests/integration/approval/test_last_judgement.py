"""Whatever changes while the executor looks at the target, signs or waits is judged before something is done to the world."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from middlewatch.approval import controls
from middlewatch.approval.executor import LATEST_CALL_SECONDS, last_look
from middlewatch.approval.outcomes import order_of
from middlewatch.records import Execution, Inspection, RequestState, Scalar
from middlewatch.records.errors import Halted, LeaseLost
from tests.approval_data import POLICY_TEXT, TENANT, FakeCatalogue, Office, spec
from tests.integration.approval.working import S, asked, look, now, resolve, rewrite, step

FORBIDDEN = """
[[rules]]
actions = ["nudge"]
targets = "*"
{what}
"""


class Meddled:
    """Hands; somebody does something else while they look at the target."""

    def __init__(self, office: Office, meddle: Callable[[], None]) -> None:
        self._inspect = office.hands.inspect
        self._meddle = meddle

    def __call__(self, action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:
        self._meddle()
        return self._inspect(action, target, parameters)


@pytest.mark.parametrize("what", ["allowed = false", 'tier_at_least = "high"'])
def test_policy_that_changes_during_the_inspection_counts(office: Office, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    request = asked(office, "nudge")
    resolve(office, request, "mia")
    changed = POLICY_TEXT + FORBIDDEN.format(what=what)
    monkeypatch.setattr(office.hands, "inspect", Meddled(office, lambda: office.policy.write(changed)))
    assert step(office)
    assert (look(office, request).state, office.hands.runs) == (S.SUPERSEDED, [])


def test_a_catalogue_that_changes_during_the_inspection_counts(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(office, "nudge")
    resolve(office, request, "mia")
    assert isinstance(office.catalogue, FakeCatalogue)
    other = spec("nudge", request.rule.tier).model_copy(update={"effect": "another one"})
    meddle = Meddled(office, lambda: office.catalogue.specs.update(nudge=other))
    monkeypatch.setattr(office.hands, "inspect", meddle)
    assert step(office)
    assert (look(office, request).state, office.hands.runs) == (S.SUPERSEDED, [])


def test_a_halt_while_the_intent_is_signed_stops_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(office, "nudge")
    resolve(office, request, "mia")

    def halt_and_seal(_tenant: str) -> None:
        if "halt.set" not in office.events() and "execution.began" in office.events():
            monkeypatch.undo()
            controls.halt(office.desk, TENANT, office.policy.person("mia"), "stop", face="test")

    monkeypatch.setattr(office.audit, "seal", halt_and_seal)
    assert step(office)
    after = look(office, request)
    assert (after.state, office.hands.runs) == (S.FAILED, [])
    assert "halted" in after.why


def test_of_two_undos_of_one_execution_the_second_does_not_begin(office: Office) -> None:
    done = asked(office, "nudge")
    resolve(office, done, "mia")
    assert step(office)
    undos = [office.gateway.undo(TENANT, done.id, office.policy.person("leo")) for _ in range(2)]
    for undo in undos:
        while look(office, undo).state is S.PREPARING:
            assert step(office)
        resolve(office, look(office, undo), "lea")
    while any(look(office, undo).state is S.APPROVED for undo in undos):
        assert step(office)
    assert sorted(look(office, undo).state for undo in undos) == sorted([S.SUCCEEDED, S.SUPERSEDED])
    assert len(office.hands.runs) == 2


def test_what_takes_back_an_undo_is_a_forward_change(office: Office) -> None:
    done = asked(office, "nudge")
    resolve(office, done, "mia")
    assert step(office)
    undo = office.gateway.undo(TENANT, done.id, office.policy.person("leo"))
    assert undo.undo
    while look(office, undo).state is RequestState.PREPARING:
        assert step(office)
    resolve(office, look(office, undo), "lea")
    assert step(office)
    again = office.gateway.undo(TENANT, undo.id, office.policy.person("leo"))
    assert not again.undo


def test_two_clicks_on_again_ask_once(office: Office) -> None:
    request = asked(office, "nudge")
    resolve(office, request, "mia", deny=True)
    leo = office.policy.person("leo")
    first, second = (office.gateway.propose_again(TENANT, request.id, leo) for _ in range(2))
    assert first.id == second.id


def test_the_last_look_is_right_before_the_call(office: Office) -> None:
    request = asked(office, "nudge")
    resolve(office, request, "mia")
    order = order_of(look(office, request))
    with pytest.raises(LeaseLost):  # it has not begun, or was given up
        last_look(office.desk, order)
    execution = Execution(executor="one", fence=3, began_at=now(office))
    begun = rewrite(office, request, state=S.EXECUTING, execution=execution)
    last_look(office.desk, order)
    late = execution.model_copy(update={"began_at": now(office) - timedelta(seconds=LATEST_CALL_SECONDS + 1)})
    rewrite(office, request, execution=late)
    with pytest.raises(LeaseLost):  # nobody may believe any more that it is still to come
        last_look(office.desk, order)
    rewrite(office, request, execution=execution)
    controls.halt(office.desk, TENANT, office.policy.person("mia"), "stop", face="test")
    with pytest.raises(Halted):
        last_look(office.desk, order_of(begun))
