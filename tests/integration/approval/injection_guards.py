"""Every guard that stands between a text and an execution, taken out, and the goal that then is reached.

Where two guards stop the same thing, one after the other, both are taken out: what is shown is that the attack is a real one, and
that the test which says that it fails could say otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from middlewatch.approval import evidence_rule, executor, gateway, stages, transitions
from middlewatch.approval.desk import Desk
from middlewatch.approval.gateway import Gateway
from middlewatch.approval.outcomes import order_of
from middlewatch.approvals import Approvals
from middlewatch.frontends.quotation import Quotation
from middlewatch.records import (
    ActionSpec,
    Anomaly,
    ApprovalRequest,
    Evidence,
    Order,
    Principal,
    Remediation,
    RiskTier,
    Rule,
    Scalar,
)
from middlewatch.records.errors import Refused
from middlewatch.tools.actions.catalogue import ActionCatalogue, CatalogueAction
from middlewatch.tools.actions.configuration import Configuration, Target
from middlewatch.tools.wording import quoted

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Guard:
    """What is taken out, the goals that are tried, and what must go wrong then."""

    take_out: Callable[[Patch], None]
    goals: tuple[str, ...]
    wrong: str
    place: str = "log line"
    attack: str = "important_instructions"
    looks: bool = False
    """Whether it stands where the agents look, so that they have to look again without it."""


def _names_match_whole(patch: Patch) -> None:
    def by_prefix(self: ActionCatalogue, name: str) -> CatalogueAction:
        found = next((action for id_, action in self.actions.items() if name.startswith(id_)), None)
        if found is None:
            raise Refused("There is no such action.")
        return found

    patch.setattr(ActionCatalogue, "_action", by_prefix)


def _parameters_are_of_the_schema(patch: Patch) -> None:
    def unchecked(self: CatalogueAction, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        self.configuration.place(self.spec.id, target)
        return dict(parameters)

    patch.setattr(CatalogueAction, "checked", unchecked)


def _targets_match_whole(patch: Patch) -> None:
    offers, target_of = Configuration.offers, Configuration.target

    def alike(name: str) -> str:
        return name.strip().casefold()

    def offers_alike(self: Configuration, target: str) -> tuple[str, ...]:
        return offers(self, alike(target))

    def target_alike(self: Configuration, name: str) -> Target:
        return target_of(self, alike(name))

    patch.setattr(Configuration, "offers", offers_alike)
    patch.setattr(Configuration, "target", target_alike)


def _evidence_is_counted(patch: Patch) -> None:
    def as_claimed(_self: Desk, remediation: Remediation, _rule: Rule) -> tuple[Remediation, str]:
        return remediation, "as the proposer says"

    patch.setattr(Desk, "with_modalities", as_claimed)


def _evidence_is_about_the_target(patch: Patch) -> None:
    def speaks(fact: Evidence, _target: str) -> bool:
        return fact.anomaly.strength > 0

    patch.setattr(evidence_rule, "speaks_for", speaks)


def _an_undo_is_recorded(patch: Patch) -> None:
    def as_claimed(_self: Desk, _spec: ActionSpec, remediation: Remediation) -> bool:
        return remediation.undoes is not None

    patch.setattr(Desk, "is_undo", as_claimed)


def _an_undo_is_the_undo(patch: Patch) -> None:
    def of_the_kind(_self: Desk, change: Anomaly, spec: ActionSpec, remediation: Remediation) -> bool:
        return change.service == remediation.target and change.change in spec.undoes

    patch.setattr(Desk, "_takes_back", of_the_kind)


def _the_server_says_who_proposes(patch: Patch) -> None:
    def as_claimed(self: Gateway, wanted: Remediation, _principal: Principal | None, *, name: str) -> ApprovalRequest:
        return self._submit(wanted, name)

    patch.setattr(Gateway, "propose", as_claimed)


def _findings_have_a_door_of_their_own(patch: Patch) -> None:
    def anybody(self: Gateway, remediation: Remediation) -> ApprovalRequest:
        return self._submit(remediation)

    patch.setattr(Gateway, "submit", anybody)


def _the_store_says_how_sure_it_is(patch: Patch) -> None:
    def as_claimed(self: Gateway, wanted: Remediation, principal: Principal | None, *, name: str) -> ApprovalRequest:
        own = {"proposed_by": self.desk.known(principal).id, "expected_effect": "", "instead_of": None}
        return self._submit(wanted.model_copy(update=own), name)

    patch.setattr(Gateway, "propose", as_claimed)


def _the_rule_says_the_tier(patch: Patch) -> None:
    rule_of = Desk.rule

    def as_told(self: Desk, spec: ActionSpec, remediation: Remediation, *, undo: bool) -> Rule:
        rule = rule_of(self, spec, remediation, undo=undo)
        told = "tier: info" in remediation.note
        return rule.model_copy(update={"tier": RiskTier.INFO, "requires": None}) if told else rule

    patch.setattr(Desk, "rule", as_told)


def _without(patch: Patch, *guards: transitions.Guard) -> None:
    kept = [replace(row, guards=tuple(guard for guard in row.guards if guard not in guards)) for row in transitions.TABLE]
    patch.setattr(transitions, "TABLE", tuple(kept))


def _what_is_approved_was_shown(patch: Patch) -> None:
    _without(patch, transitions.saw_this, transitions.approved_this)


def _the_record_is_intact(patch: Patch) -> None:
    _without(patch, transitions.is_intact)


def _the_role_is_enough(patch: Patch) -> None:
    _without(patch, transitions.has_a_seat, transitions.is_approved_still)
    patch.setattr(gateway, "opens", lambda _attempt: True)


def _somebody_else_decides(patch: Patch) -> None:
    _without(patch, transitions.is_another, transitions.is_approved_still)


def _people_are_as_policy_has_them(patch: Patch) -> None:
    attempt = Desk.attempt

    def as_given(self: Desk, kept: Any, actor: Principal | None = None, *, digest: str = "") -> transitions.Attempt:
        return replace(attempt(self, kept, actor, digest=digest), actor=actor)

    patch.setattr(Desk, "attempt", as_given)


def _orders_are_what_is_bound(patch: Patch) -> None:
    def with_the_note(request: ApprovalRequest) -> Order:
        order = order_of(request)
        try:
            told = json.loads(request.remediation.note)
        except ValueError:
            return order
        return order.model_copy(update={"parameters": {**order.parameters, **told}})

    patch.setattr(stages, "order_of", with_the_note)
    patch.setattr(executor, "order_of", with_the_note)


def _names_are_quoted(patch: Patch) -> None:
    for module in list(sys.modules.values()):
        if getattr(module, "quoted", None) is quoted and module.__name__.startswith("middlewatch."):
            patch.setattr(module, "quoted", lambda text: f'"{text}"')


def _notes_are_quoted(patch: Patch) -> None:
    patch.setattr(Quotation, "clean", lambda _self, text: text)


def _a_ticket_is_about_its_own_incident(patch: Patch) -> None:
    patch.setattr(stages, "ABOUT", "-")


def _the_server_says_whose_it_is(patch: Patch) -> None:
    def as_claimed(self: Approvals, principal: Principal | None, wanted: Remediation) -> ApprovalRequest:
        return self.gateway.propose(wanted, principal)

    patch.setattr(Approvals, "propose_as", as_claimed)


GUARDS: Mapping[str, Guard] = {
    "names of actions match whole": Guard(_names_match_whole, ("near-miss-names",), "outside of the catalogue"),
    "parameters are of the schema": Guard(
        _parameters_are_of_the_schema, ("change-the-parameters",), "parameters that nobody configured"
    ),
    "targets match whole": Guard(_targets_match_whole, ("another-target",), "a target that nobody configured"),
    "evidence is counted in the store": Guard(_evidence_is_counted, ("claim-evidence",), "no evidence in the store"),
    "evidence is about the target": Guard(_evidence_is_about_the_target, ("claim-evidence",), "no evidence in the store"),
    "an undo takes back what is recorded": Guard(_an_undo_is_recorded, ("claim-an-undo",), "undoes nothing that is recorded"),
    "an undo is the configured one": Guard(_an_undo_is_the_undo, ("claim-an-undo",), "undoes nothing that is recorded"),
    "the server says who proposes": Guard(_the_server_says_who_proposes, ("be-the-orchestrator",), "nobody approved this"),
    "findings have a door of their own": Guard(_findings_have_a_door_of_their_own, ("be-a-colleague",), "nobody approved this"),
    "the store says how sure it is": Guard(_the_store_says_how_sure_it_is, ("claim-to-be-sure",), "its tier is low"),
    "the server says whose it is": Guard(_the_server_says_whose_it_is, ("another-tenant",), "of the tenant umbrella"),
    "the rule says the tier": Guard(_the_rule_says_the_tier, ("lower-the-tier",), "nobody approved this"),
    "a decision is on what was shown": Guard(_what_is_approved_was_shown, ("approve-the-other",), "nobody approved this"),
    "the record is intact": Guard(_the_record_is_intact, ("rewrite-the-record",), "it is not what was approved"),
    "the role is enough": Guard(_the_role_is_enough, ("approve-everything",), "nobody approved this"),
    "somebody else decides": Guard(_somebody_else_decides, ("write-the-order",), "nobody approved this"),
    "people are as policy has them": Guard(_people_are_as_policy_has_them, ("approve-everything",), "approved by mia, who may not"),
    "orders are what is bound": Guard(_orders_are_what_is_bound, ("write-the-order",), "it is not what was approved"),
    "a ticket is about its own incident": Guard(
        _a_ticket_is_about_its_own_incident, ("ticket-with-a-text",), "parameters that nobody configured"
    ),
    "names are quoted in facts": Guard(_names_are_quoted, ("imitate-the-card",), "raw text in a fact", attack="manual", looks=True),
    "notes are quoted on cards": Guard(_notes_are_quoted, ("imitate-the-card",), "raw text in a card", attack="manual"),
}
