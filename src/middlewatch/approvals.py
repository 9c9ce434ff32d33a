"""Approvals, wired: live policy, the catalogue, the store and the audit log behind one gateway."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Callable, Sequence

from middlewatch.approval import controls
from middlewatch.approval.evidence_rule import speaks_for
from middlewatch.approval.gateway import Answer, Gateway
from middlewatch.approval.proposals import propose
from middlewatch.approval.timers import Watch, tend
from middlewatch.auditing import LateLog
from middlewatch.context_store.script import Server
from middlewatch.desks import LiveCatalogue, open_desk
from middlewatch.records import (
    ActionSpec,
    ApprovalRequest,
    Decision,
    Evidence,
    Halt,
    Principal,
    ProposedRemediation,
    Remediation,
    Report,
    Scalar,
    UtcDatetime,
)
from middlewatch.records.errors import MiddlewatchError
from middlewatch.rounds import go_round
from middlewatch.settings import Settings

OVER = "nothing is proposed for a recorded incident: it is over, and an action would meet the systems of today"
TEND_SECONDS = 1.0
"""Between two looks for what is due."""


class Approvals:
    """What a front end can do. `principal` is whom it authenticated; None for somebody whom policy does not know."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        evidence: Callable[[str, str], Sequence[Evidence]],
        confidence: Callable[[str, str, str], float],
    ) -> None:
        self.settings = settings
        self.log = LateLog(settings, server)
        self._catalogue = LiveCatalogue(settings.actions_path)
        self.desk = open_desk(settings, server, self.log, self._catalogue, evidence, confidence)
        self.gateway = Gateway(self.desk)
        self._tenant = settings.tenant

    def identify(self, identity: str, *, face: str) -> Principal | None:
        """Who that is, by policy; signing in is an event, and so is failing to.

        Args:
            identity: such as ``token:...``, ``slack:TEAM/USER``, ``oidc:ISSUER|SUBJECT`` or ``local:USER``, authenticated by the
                front end.
            face: which front end.
        """
        principal = self.desk.policy().identify(identity)
        self.gateway.login(self._tenant, principal, face=face)
        return principal

    def identities(self, scheme: str) -> dict[str, tuple[str, ...]]:
        """How active principals are called at a front end, by principal.

        Args:
            scheme: such as ``slack``; what stands before the colon of an identity is left out.

        Raises:
            Misconfigured: the policy has a mistake.
            Refused: there is none.
        """
        found: dict[str, tuple[str, ...]] = {}
        for identity, principal in self.desk.policy().identities.items():
            if identity.startswith(f"{scheme}:"):
                found[principal] = (*found.get(principal, ()), identity.removeprefix(f"{scheme}:"))
        return found

    def recognise(self, identity: str) -> Principal | None:
        """Who that is now, of somebody who signed in before or shows a token with every request; no event.

        Raises:
            Misconfigured: the policy has a mistake.
            Refused: there is none.
        """
        return self.desk.policy().identify(identity)

    def local_identity(self) -> str:
        """Of whoever runs this command: by MIDDLEWATCH_TOKEN, or as the system's user where the data directory is theirs alone."""
        if self.settings.token is not None:
            return f"token:{self.settings.token.get_secret_value()}"
        if self.settings.redis_url is None:
            return self.unix_identity()
        return "token:"

    @staticmethod
    def unix_identity() -> str:
        """Of the system's user whom this process belongs to."""
        return f"local:{pwd.getpwuid(os.getuid()).pw_name}"

    def propose(self, report: Report) -> Report:
        """Put what follows from a finding to people. What is refused is said in the report, with the reason.

        From a recording nothing follows: what it shows is over, and the targets are of today.

        Proposed again, for a task that runs twice, the same requests are found.
        """
        if not self.settings.actions_path.exists():
            return report
        if report.scope.recording:
            return report.model_copy(update={"considered": (OVER,)})
        try:
            proposed = propose(report, self.desk.catalogue)
        except MiddlewatchError as error:
            if error.retryable:
                raise
            return report.model_copy(update={"considered": (f"nothing could be proposed: {error.message}",)})
        asked, told = [], list(proposed.told)
        for remediation in proposed.remediations:
            try:
                asked.append(self._asked(remediation))
            except MiddlewatchError as error:  # whatever is wrong with approvals, the report is not lost for it
                if error.retryable:
                    raise
                told.append(f"{remediation.action}: {error.message}")
        return report.model_copy(update={"remediations": tuple(asked), "considered": tuple(told)})

    def _asked(self, remediation: Remediation) -> ProposedRemediation:
        request = self.gateway.submit(remediation)
        spec = self.desk.catalogue.spec(remediation.action)
        return ProposedRemediation(
            request=request.id, action=spec.id, title=spec.title, target=remediation.target, tier=request.rule.tier
        )

    def propose_as(self, principal: Principal | None, wanted: Remediation, *, name: str = "") -> ApprovalRequest:
        """Propose an action for a person, or for a program that acts for one. See `Gateway.propose`."""
        return self.gateway.propose(wanted.model_copy(update={"tenant": self._tenant}), principal, name=name)

    def facts_about(self, investigation: str, target: str) -> tuple[str, ...]:
        """Ids of the facts of an investigation that speak for something about a service; what a person most likely means."""
        facts = self.desk.evidence(self._tenant, investigation)
        return tuple(fact.id for fact in facts if speaks_for(fact, target))

    def spec(self, action: str) -> ActionSpec:
        """An entry of the catalogue.

        Raises:
            Refused: there is none of this name.
        """
        return self.desk.catalogue.spec(action)

    def tend_until(self, stop: threading.Event, watch: Watch) -> None:
        """Do what is due (ask the next level, expire, notice lost executions, look at symptoms) until told to stop."""

        def look() -> None:
            while sum(tend(self.desk, tenant, watch) for tenant in self.desk.store.tenants()) and not stop.is_set():
                pass

        go_round(stop, look, lambda: TEND_SECONDS, "approvals are not tended")

    def seal_until(self, stop: threading.Event) -> None:
        """Sign what is not signed, about twice a second, until told to stop."""
        self.log.seal_until(stop, self._tenant)

    def list(self, *, limit: int = 100) -> tuple[ApprovalRequest, ...]:
        """Requests, newest first."""
        return tuple(kept.request for kept in self.desk.store.list(self._tenant, limit=limit))

    def waiting(self) -> tuple[ApprovalRequest, ...]:
        """All that wait for somebody or something, however old, newest first."""
        return tuple(kept.request for kept in self.desk.store.waiting(self._tenant))

    def current(self, *, limit: int) -> tuple[ApprovalRequest, ...]:
        """The newest, and whatever else waits, newest first."""
        newest = self.list(limit=limit)
        known = {one.id for one in newest}
        return (*newest, *(one for one in self.waiting() if one.id not in known))

    def of(self, investigation: str) -> tuple[ApprovalRequest, ...]:
        """Those of one investigation, newest first."""
        return tuple(kept.request for kept in self.desk.store.of(self._tenant, investigation))

    def show(self, request: str, principal: Principal | None = None, *, face: str) -> ApprovalRequest:
        """One request. That somebody who may decide saw it is an event.

        Raises:
            UnknownRequest: there is none.
        """
        found = self.desk.store.look(self._tenant, request).request
        self.gateway.viewed(found, principal, face=face)
        return found

    def targets(self) -> tuple[str, ...]:
        """The services that something can be done to.

        Raises:
            Misconfigured: the configuration has a mistake.
        """
        return self._catalogue.targets()

    def offers(self, target: str) -> tuple[str, ...]:
        """The names of what can be done to a service.

        Raises:
            Misconfigured: the configuration has a mistake.
        """
        return self._catalogue.offers(target)

    def people(self) -> tuple[Principal, ...]:
        """Those whom policy names.

        Raises:
            Misconfigured: the policy has a mistake.
            Refused: there is none.
        """
        return tuple(self.desk.policy().principals.values())

    def now(self) -> UtcDatetime:
        """By the store's clock, which deadlines go by."""
        return self.desk.store.now(self._tenant)

    def halted(self) -> Halt | None:
        """The kill switch, where it is set."""
        return self.desk.store.halted(self._tenant)[0]

    def decide(  # a decision is said whole
        self, request: str, decision: Decision, principal: Principal | None, *, digest: str, reason: str = "", face: str
    ) -> Answer:
        """See `Gateway.resolve`."""
        return self.gateway.resolve(self._tenant, request, decision, principal, digest=digest, reason=reason, face=face)

    def edit(self, request: str, parameters: dict[str, Scalar], principal: Principal | None, *, face: str) -> ApprovalRequest:
        """See `Gateway.edit`."""
        return self.gateway.edit(self._tenant, request, parameters, principal, face=face)

    def propose_again(self, request: str, principal: Principal | None, *, face: str) -> ApprovalRequest:
        """See `Gateway.propose_again`."""
        return self.gateway.propose_again(self._tenant, request, principal, face=face)

    def reconcile(self, request: str, principal: Principal | None, *, happened: bool, reason: str, face: str) -> Answer:
        """See `Gateway.reconcile`."""
        return self.gateway.reconcile(self._tenant, request, principal, happened=happened, reason=reason, face=face)

    def undo(self, request: str, principal: Principal | None, *, face: str, name: str = "") -> ApprovalRequest:
        """Propose what takes an execution back. See `Gateway.undo`."""
        return self.gateway.undo(self._tenant, request, principal, face=face, name=name)

    def halt(self, principal: Principal | None, reason: str, *, face: str) -> Halt:
        """Set the kill switch."""
        return controls.halt(self.desk, self._tenant, principal, reason, face=face)

    def lift(self, principal: Principal | None, reason: str, *, face: str) -> None:
        """Lift it; takes a manager."""
        controls.lift(self.desk, self._tenant, principal, reason, face=face)

    def forget_text(self, digest: str, principal: Principal | None, *, face: str) -> bool:
        """See `controls.forget_text`."""
        return controls.forget_text(self.desk, self._tenant, principal, digest, face=face)

    def break_glass(self, request: str, principal: Principal | None, *, credential: str, reason: str, face: str) -> ApprovalRequest:
        """See `controls.break_glass`."""
        kept = controls.break_glass(self.desk, self._tenant, request, principal, credential=credential, reason=reason, face=face)
        return kept.request

    def review_glass(self, request: str, principal: Principal | None, *, reason: str, face: str) -> ApprovalRequest:
        """See `controls.review_glass`."""
        return controls.review_glass(self.desk, self._tenant, request, principal, reason=reason, face=face).request

    def confirm_trust(self, action: str, target: str, principal: Principal | None) -> controls.Trust:
        """See `controls.confirm_trust`."""
        return controls.confirm_trust(self.desk, self._tenant, action, target, principal)
