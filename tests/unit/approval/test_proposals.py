"""Invariant: what is proposed is in the catalogue, on a target that the operator configured, with parameters out of the
configuration, and does not make the named cause worse. Text of telemetry selects by exact match, and does nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from middlewatch.approval.evidence_rule import counted
from middlewatch.approval.proposals import Proposed, propose
from middlewatch.records import (
    ORCHESTRATOR,
    ActionSpec,
    AgentName,
    Anomaly,
    AnomalyKind,
    Cause,
    CauseKind,
    ChangeKind,
    Evidence,
    FoundCause,
    Report,
    Scalar,
    Signal,
)
from middlewatch.records.errors import Refused
from middlewatch.tools.actions.entries import BUILT_IN
from tests.hostile import HOSTILE
from tests.report_parts import fact
from tests.reports import finding, inconclusive

SERVICE = "checkout-api"
EVERYTHING = tuple(BUILT_IN)


@dataclass
class Configured:
    """A catalogue of the built-in actions, for targets as the operator configured them."""

    targets: Mapping[str, Sequence[str]] = field(default_factory=lambda: {SERVICE: EVERYTHING})
    flags: Mapping[str, bool] = field(default_factory=dict)
    """Flags with the value that each is switched back to."""

    def spec(self, action: str) -> ActionSpec:
        if action not in BUILT_IN:
            raise Refused(f"no action {action}")
        return BUILT_IN[action].spec

    def offers(self, target: str) -> tuple[str, ...]:
        return tuple(self.targets.get(target, ()))

    def checked(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        if action not in self.offers(target):
            raise Refused(f"{target} does not offer {action}")
        try:
            return dict(BUILT_IN[action].model.model_validate(dict(parameters)).model_dump())
        except ValidationError as error:
            raise Refused(f"wrong parameters for {action}") from error

    def plan(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[str, ...]:
        raise NotImplementedError

    def parameters_to_undo(self, action: str, target: str, change: Anomaly) -> dict[str, Scalar] | None:
        if action == "set_flag":
            named = [flag for flag in self.flags if flag == change.subject]
            return {"flag": named[0], "value": self.flags[named[0]]} if named else None
        return {} if change.change in self.spec(action).undoes and action in self.offers(target) else None


def a_change(kind: ChangeKind | None, *, service: str = SERVICE, subject: str = "2.3.1", strength: float = 2.0) -> Evidence:
    more: dict[str, Any] = {} if kind is None else {"change": kind}
    return fact(
        AgentName.DEPLOYS,
        AnomalyKind.CHANGE,
        service,
        subject,
        (None, None, ""),
        summary="s",
        strength=strength,
        query="changes",
        **more,
    )


def a_report(
    kind: CauseKind = CauseKind.SATURATION,
    *,
    change: Evidence | None = None,
    service: str = SERVICE,
    probability: float = 0.8,
) -> Report:
    """A finding with one metric and one log fact, and perhaps a change."""
    seen = tuple(
        fact(agent, AnomalyKind.METRIC, service, "cpu", (1.0, 2.0, "1"), summary="s", strength=2.0, query=agent.value)
        for agent in (AgentName.METRICS, AgentName.LOGS)
    )
    base = finding()
    leading = base.hypotheses[0]
    cause = Cause(kind=kind, probability=probability, why="because")
    hypothesis = leading.hypothesis.model_copy(update={"service": service, "cause": cause})
    found = FoundCause(
        service=service,
        hypothesis=hypothesis.id,
        confidence=0.82,
        evidence=tuple(each.id for each in seen),
        change=change.id if change else None,
    )
    return base.model_copy(
        update={
            "evidence": (*seen, *((change,) if change else ())),
            "hypotheses": (leading.model_copy(update={"hypothesis": hypothesis}),),
            "causes": (found,),
        }
    )


def actions(proposed: Proposed) -> list[str]:
    return [each.action for each in proposed.remediations]


def why_not(proposed: Proposed) -> dict[str, str]:
    return dict(proposed.considered)


def test_a_deploy_that_is_blamed_is_rolled_back_with_the_evidence_that_it_rests_on() -> None:
    change = a_change(ChangeKind.DEPLOY)
    report = a_report(CauseKind.CODE, change=change)
    proposed = propose(report, Configured())
    assert actions(proposed) == ["rollback_deploy", "open_ticket"]
    undo = proposed.remediations[0]
    assert (undo.target, undo.parameters, undo.undoes) == (SERVICE, {}, change.id)
    assert undo.evidence == (change.id, *report.causes[0].evidence)
    assert (undo.proposed_by, undo.confidence) == (ORCHESTRATOR, 0.82)
    assert undo.expected_effect == "The deploy that is blamed is taken back, so the symptom should go away."
    assert counted(report.evidence, undo, 3).modalities == (Signal.METRICS, Signal.LOGS, Signal.CHANGES)


def test_a_blamed_deploy_is_not_met_with_a_restart_or_more_instances() -> None:
    """It would come back with the same version."""
    proposed = propose(a_report(CauseKind.SATURATION, change=a_change(ChangeKind.DEPLOY)), Configured())
    assert actions(proposed) == ["rollback_deploy", "open_ticket"]
    assert why_not(proposed)["restart_service"] == "a change is blamed, and this does not take it back"


def test_a_flag_is_switched_back_only_where_the_configuration_knows_it() -> None:
    report = a_report(CauseKind.CONFIGURATION, change=a_change(ChangeKind.FLAG, subject="new-cart"))
    assert propose(report, Configured(flags={"new-cart": False})).remediations[0].parameters == {"flag": "new-cart", "value": False}
    proposed = propose(report, Configured(flags={"new-cart2": False}))
    assert actions(proposed) == ["open_ticket"]
    assert why_not(proposed)["set_flag"].startswith("the configuration of the target does not say")
    assert why_not(proposed)[""] == "nothing that is configured for the target takes back the change that is blamed"


@pytest.mark.parametrize("kind", [ChangeKind.MIGRATION, None])
def test_what_nothing_takes_back_is_not_taken_back(kind: ChangeKind | None) -> None:
    assert actions(propose(a_report(CauseKind.CODE, change=a_change(kind)), Configured())) == ["open_ticket"]


def test_only_one_action_takes_back_a_change_and_it_is_the_least_risky() -> None:
    class Twice(Configured):
        def spec(self, action: str) -> ActionSpec:
            spec = super().spec(action)
            return spec.model_copy(update={"undoes": (ChangeKind.DEPLOY,)}) if action == "shed_traffic" else spec

        def checked(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
            return dict(parameters) if action == "shed_traffic" else super().checked(action, target, parameters)

    proposed = propose(a_report(CauseKind.CODE, change=a_change(ChangeKind.DEPLOY)), Twice())
    assert actions(proposed) == ["rollback_deploy", "open_ticket"]
    assert why_not(proposed)["shed_traffic"] == "rollback_deploy takes back the same change"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (CauseKind.SATURATION, ["scale_up", "restart_service"]),
        (CauseKind.LOAD, ["scale_up"]),
        (CauseKind.INFRASTRUCTURE, []),  # an instance's name and a share of traffic are a person's to choose
        (CauseKind.NETWORK, []),
        (CauseKind.DEPENDENCY, []),
        (CauseKind.CODE, []),
        (CauseKind.CONFIGURATION, []),
        (CauseKind.DATA, []),
        (CauseKind.UNKNOWN, []),
    ],
)
def test_without_a_change_the_least_risky_actions_that_relieve_the_kind_of_trouble_are_proposed(
    kind: CauseKind, expected: list[str]
) -> None:
    proposed = propose(a_report(kind), Configured())
    assert actions(proposed) == [*expected, "open_ticket"]
    assert all(each.undoes is None for each in proposed.remediations)
    assert expected or why_not(proposed)[""]


def test_an_instance_of_telemetry_is_never_restarted_by_name() -> None:
    report = a_report(CauseKind.INFRASTRUCTURE)
    leading = report.hypotheses[0]
    assert leading.hypothesis.cause is not None
    cause = leading.hypothesis.cause.model_copy(update={"instance": "checkout-api-7f"})
    hypotheses = (leading.model_copy(update={"hypothesis": leading.hypothesis.model_copy(update={"cause": cause})}),)
    proposed = propose(report.model_copy(update={"hypotheses": hypotheses}), Configured())
    assert actions(proposed) == ["open_ticket"]
    assert why_not(proposed)["restart_instance"] == "a person has to choose its instance"
    assert "7f" not in repr(proposed)


def test_at_most_two_are_proposed() -> None:
    class Anything(Configured):
        def checked(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
            return dict(parameters) if action in self.offers(target) else {}

    proposed = propose(a_report(CauseKind.SATURATION), Anything())
    assert actions(proposed) == ["restart_instance", "scale_up", "open_ticket"]
    assert why_not(proposed) == dict.fromkeys(("restart_service", "shed_traffic"), "less risky actions come first")


def test_a_kind_that_is_less_likely_than_not_is_not_acted_on() -> None:
    proposed = propose(a_report(CauseKind.SATURATION, probability=0.5), Configured())
    assert actions(proposed) == ["open_ticket"]
    assert proposed.told == ("what kind of trouble it is, is not known well enough to act on it",)


def test_what_a_target_does_not_offer_is_not_proposed() -> None:
    proposed = propose(a_report(CauseKind.SATURATION), Configured({SERVICE: ("restart_service",)}))
    assert actions(proposed) == ["restart_service"]


def test_a_ticket_names_the_investigation_and_nothing_else() -> None:
    report = a_report(CauseKind.CODE)
    assert propose(report, Configured()).remediations[-1].parameters == {"investigation": report.investigation}


def test_an_inconclusive_report_proposes_nothing() -> None:
    assert propose(inconclusive(), Configured({row.service: EVERYTHING for row in inconclusive().ranking})) == Proposed()


def test_a_target_that_nobody_configured_gets_nothing_and_that_is_said() -> None:
    proposed = propose(a_report(), Configured({SERVICE.upper(): EVERYTHING, f"{SERVICE} ": EVERYTHING, "checkout": EVERYTHING}))
    assert proposed.remediations == ()
    assert proposed.told == ("no target is configured under the name of the service that is blamed",)


def test_each_of_two_causes_is_met_and_tickets_come_last() -> None:
    first = a_report(CauseKind.SATURATION)
    second = a_report(CauseKind.CODE, change=a_change(ChangeKind.DEPLOY, service="payment"), service="payment")
    row = second.hypotheses[0]
    renamed = row.model_copy(update={"hypothesis": row.hypothesis.model_copy(update={"id": "hy-second"})})
    both = first.model_copy(
        update={
            "causes": (*first.causes, second.causes[0].model_copy(update={"hypothesis": "hy-second"})),
            "hypotheses": (*first.hypotheses, renamed),
            "evidence": (*first.evidence, *second.evidence),
        }
    )
    found = propose(both, Configured({SERVICE: EVERYTHING, "payment": EVERYTHING})).remediations
    assert [(each.action, each.target) for each in found] == [
        ("scale_up", SERVICE),
        ("restart_service", SERVICE),
        ("rollback_deploy", "payment"),
        ("open_ticket", SERVICE),
        ("open_ticket", "payment"),
    ]


def test_a_change_of_another_service_is_not_undone_for_this_one() -> None:
    """A report that was tampered with, or one of another program."""
    proposed = propose(a_report(CauseKind.CODE, change=a_change(ChangeKind.DEPLOY, service="other")), Configured())
    assert actions(proposed) == ["open_ticket"]


FLAG = "new-cart"
NEARLY = st.sampled_from([SERVICE, f"{SERVICE}\n", f" {SERVICE}", SERVICE.upper(), FLAG, "prod", ""])


@given(
    service=HOSTILE | NEARLY.filter(bool),
    subject=HOSTILE | NEARLY,
    words=HOSTILE,
    kind=st.sampled_from(CauseKind),
    change=st.none() | st.sampled_from(ChangeKind),
)
def test_whatever_telemetry_says_a_proposal_is_made_of_what_is_configured_or_is_not_made(
    service: str, subject: str, words: str, kind: CauseKind, change: ChangeKind | None
) -> None:
    blamed = None if change is None else a_change(change, service=service, subject=subject)
    report = a_report(kind, change=blamed, service=service)
    spoken = [
        e.model_copy(update={"anomaly": e.anomaly.model_copy(update={"summary": words, "instance": words})})
        for e in report.evidence
    ]
    proposed = propose(report.model_copy(update={"evidence": tuple(spoken), "answer": words}), Configured(flags={FLAG: False}))
    for each in proposed.remediations:
        assert service == each.target == SERVICE
        assert each.action in BUILT_IN
        assert each.parameters in ({"by": 1}, {}, {"investigation": report.investigation}, {"flag": FLAG, "value": False})
        assert each.expected_effect.isprintable()
        assert each.note == ""
        assert set(each.evidence) <= {e.id for e in spoken}
    assert proposed.remediations or service != SERVICE
    harmless = propose(a_report(kind, change=None if change is None else a_change(change)), Configured(flags={FLAG: False}))
    if service == SERVICE and change is not ChangeKind.FLAG:
        assert [(r.action, r.parameters) for r in proposed.remediations] == [
            (r.action, r.parameters) for r in harmless.remediations
        ]
        assert proposed.considered == harmless.considered


def test_the_property_above_can_fail() -> None:
    """A catalogue that takes names by their beginning, which is the guard that the exact match is."""

    class Loose(Configured):
        def offers(self, target: str) -> tuple[str, ...]:
            return EVERYTHING if target.startswith(SERVICE) else ()

    found = propose(a_report(service=f"{SERVICE}\n"), Loose()).remediations
    assert [each.target for each in found] != [SERVICE] * len(found)
