"""What follows from a finding: actions out of the catalogue, with the evidence that they rest on, and what was left out and why.

Text of telemetry selects among what the operator configured, by exact match of a service's name with a target's, and does nothing
else: no part of it is in a target, a parameter or a sentence here. The gateway judges what is proposed; this only keeps to itself
what makes no sense.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from middlewatch.approval.catalogue import Catalogue
from middlewatch.records import (
    ORCHESTRATOR,
    ActionSpec,
    AnomalyKind,
    Cause,
    CauseKind,
    Evidence,
    FoundCause,
    Outcome,
    Remediation,
    Report,
    Scalar,
)
from middlewatch.records.errors import Refused

TICKET = "open_ticket"
"""The one action that helps whatever the cause is."""
MOST_MENDS = 2
"""Actions proposed for a cause that no change is blamed for; people compare no more in an incident. Chosen."""
LEAST_KIND = 0.5
"""What relieves a kind of trouble is proposed where that kind is more likely than not, as a change is undone only then."""

Considered = tuple[str, str]
"""An action, and why it is not proposed; the action is empty where there is none to name."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is proposed, tickets last, and what was considered and is not."""

    remediations: tuple[Remediation, ...] = ()
    considered: tuple[Considered, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What was considered, as the report has it."""
        return tuple(f"{action}: {why}" if action else why for action, why in self.considered)


def propose(report: Report, catalogue: Catalogue) -> Proposed:
    """The remediations that follow from a report; none where it has no finding.

    Args:
        report: what an investigation found.
        catalogue: what there is, and what the operator configured.
    """
    if report.outcome is not Outcome.FINDING:
        return Proposed()
    outcomes = [outcome for found in report.causes for outcome in _Case(report, found, catalogue).outcomes()]
    remediations = sorted((o for o in outcomes if isinstance(o, Remediation)), key=lambda each: each.action == TICKET)
    return Proposed(tuple(remediations), tuple(dict.fromkeys(o for o in outcomes if not isinstance(o, Remediation))))


@dataclass(frozen=True, slots=True)
class _Case:
    """One cause."""

    report: Report
    found: FoundCause
    catalogue: Catalogue

    def outcomes(self) -> Iterator[Remediation | Considered]:
        """What may be done about it, and what not and why."""
        offered = [self.catalogue.spec(action) for action in self.catalogue.offers(self.found.service)]
        if not offered:
            yield "", "no target is configured under the name of the service that is blamed"
            return
        offered.sort(key=lambda spec: (spec.tier.level, spec.id))
        riskier = [spec for spec in offered if spec.id != TICKET]
        yield from self._mends(riskier) if self.found.change is None else self._undoes(riskier)
        for spec in offered:
            if spec.id == TICKET:
                names = cast("Mapping[str, object]", spec.parameters_schema.get("properties", {}))
                about: dict[str, Scalar] = {"investigation": self.report.investigation} if "investigation" in names else {}
                yield self._checked(spec, about, "Whoever looks after the service knows what was found.")

    def _undoes(self, offered: Sequence[ActionSpec]) -> Iterator[Remediation | Considered]:
        """The least risky action that takes back the change that is blamed: a second one would take back the one before it."""
        change = self._change()
        kind, undone = change and change.anomaly.change, ""
        for spec in offered:
            undoes = kind is not None and kind in spec.undoes
            if not undoes and self._kind() not in spec.mends:
                continue  # nobody would think of it
            if not undoes or change is None:
                yield spec.id, "a change is blamed, and this does not take it back"
            elif undone:
                yield spec.id, f"{undone} takes back the same change"
            elif (parameters := self.catalogue.parameters_to_undo(spec.id, self.found.service, change.anomaly)) is None:
                yield spec.id, "the configuration of the target does not say how it takes back the change that is blamed"
            else:
                effect = f"The {kind} that is blamed is taken back, so the symptom should go away."
                outcome = self._checked(spec, parameters, effect, change)
                undone = spec.id if isinstance(outcome, Remediation) else ""
                yield outcome
        if not undone:
            yield "", "nothing that is configured for the target takes back the change that is blamed"

    def _mends(self, offered: Sequence[ActionSpec]) -> Iterator[Remediation | Considered]:
        """The least risky actions that relieve the kind of trouble."""
        kind = self._kind()
        if kind is CauseKind.UNKNOWN:
            yield "", "what kind of trouble it is, is not known well enough to act on it"
            return
        proposed = 0
        for spec in offered:
            if kind not in spec.mends:
                continue
            effect = (
                f"It relieves trouble of the kind {kind}, so the symptom should ease; what brought it about is still to be found."
            )
            outcome = self._checked(spec, {}, effect)
            if isinstance(outcome, Remediation) and proposed == MOST_MENDS:
                yield spec.id, "less risky actions come first"
                continue
            proposed += isinstance(outcome, Remediation)
            yield outcome
        if not proposed:
            yield "", f"nothing that is configured for the target relieves trouble of the kind {kind} as it stands"

    def _checked(
        self, spec: ActionSpec, parameters: Mapping[str, Scalar], effect: str, change: Evidence | None = None
    ) -> Remediation | Considered:
        """The remediation, if the catalogue takes it with these parameters."""
        try:
            checked = self.catalogue.checked(spec.id, self.found.service, parameters)
        except Refused:
            required = cast("Sequence[str]", spec.parameters_schema.get("required", ()))
            open_ones = " and ".join(name for name in required if name not in parameters)
            if open_ones:
                return spec.id, f"a person has to choose its {open_ones}"
            return spec.id, "the configuration of the target does not allow it as it stands"
        cited = (self.found.change, *self.found.evidence)
        return Remediation(
            tenant=self.report.tenant,
            investigation=self.report.investigation,
            action=spec.id,
            target=self.found.service,
            parameters=checked,
            proposed_by=ORCHESTRATOR,
            confidence=self.found.enough_to_act,
            evidence=tuple(dict.fromkeys(identifier for identifier in cited if identifier is not None)),
            expected_effect=effect,
            undoes=None if change is None else change.id,
        )

    def _change(self) -> Evidence | None:
        """The recorded change that is blamed, if it is one of the service."""
        found = (fact for fact in self.report.evidence if fact.id == self.found.change)
        return next((f for f in found if f.anomaly.kind is AnomalyKind.CHANGE and f.anomaly.service == self.found.service), None)

    def _kind(self) -> CauseKind:
        """The kind of trouble, if one is more likely than not."""
        rows = (row.hypothesis for row in self.report.hypotheses if row.hypothesis.id == self.found.hypothesis)
        cause: Cause | None = next((hypothesis.cause for hypothesis in rows), None)
        return CauseKind.UNKNOWN if cause is None or cause.probability <= LEAST_KIND else cause.kind
