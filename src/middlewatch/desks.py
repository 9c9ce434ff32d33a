"""The gateway's desk: live policy, the catalogue as its file is now, and the error budgets that bind its rules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from middlewatch.approval.desk import Desk, Sealer
from middlewatch.approval.policy import Policy, load_policy
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.script import Server
from middlewatch.error_budgets import ErrorBudgets
from middlewatch.live_file import LiveFile
from middlewatch.records import ActionSpec, Anomaly, AuditEvent, Evidence, Scalar
from middlewatch.records.errors import Misconfigured, Refused
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.settings import Settings
from middlewatch.tools.actions.catalogue import ActionCatalogue
from middlewatch.tools.actions.configuration import Configuration

POLICY_NOTE = "policy"
"""Under which the store keeps how the policy stood when it was seen last."""
BROKEN = "broken "
"""Before the digest of the last good policy, while the file cannot be used."""


class LiveCatalogue:
    """The catalogue as the configuration is now."""

    def __init__(self, path: Path) -> None:
        self._catalogue = LiveFile(path, lambda file: ActionCatalogue.of(Configuration.of(file)))

    def targets(self) -> tuple[str, ...]:
        """The services that something can be done to."""
        return tuple(self._catalogue().configuration.targets)

    def spec(self, action: str) -> ActionSpec:
        return self._catalogue().spec(action)

    def offers(self, target: str) -> tuple[str, ...]:
        return self._catalogue().offers(target)

    def checked(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        return self._catalogue().checked(action, target, parameters)

    def plan(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[str, ...]:
        return self._catalogue().plan(action, target, parameters, version)

    def parameters_to_undo(self, action: str, target: str, change: Anomaly) -> dict[str, Scalar] | None:
        return self._catalogue().parameters_to_undo(action, target, change)


class LivePolicy:
    """The policy as its file is now. That it changed, broke or was mended is an event, once however many processes see it.

    The store keeps how the policy stood when somebody looked last: its digest; where it could not be used, a word and the digest of
    the one before; nothing before there was any.
    """

    def __init__(self, path: Path, store: ApprovalStore, tenant: str) -> None:
        self._file = LiveFile(path, load_policy)
        self._store = store
        self._tenant = tenant
        self._noted: Policy | None = None

    def __call__(self) -> Policy:
        try:
            policy = self._file()
        except (Misconfigured, Refused):
            self._noted = None
            self._note_broken()
            raise
        if policy is not self._noted:  # read anew: others may have seen meanwhile what we did not
            self._note_good(policy)
            self._noted = policy
        return policy

    def _note_good(self, policy: Policy) -> None:
        while (standing := self._standing()) != policy.digest:
            before = standing.removeprefix(BROKEN)
            changed = self._event("policy.changed", policy.digest, before=before, mended=standing.startswith(BROKEN))
            if self._store.set_note(self._tenant, POLICY_NOTE, policy.digest, before=standing, events=[changed]):
                return

    def _note_broken(self) -> None:
        while (standing := self._standing()) and not standing.startswith(BROKEN):
            broken = self._event("policy.broken", _digest_of(self._file.path), before=standing)
            if self._store.set_note(self._tenant, POLICY_NOTE, BROKEN + standing, before=standing, events=[broken]):
                return

    def _standing(self) -> str:
        return self._store.note(self._tenant, POLICY_NOTE)

    def _event(self, name: str, digest: str, **data: JsonValue) -> AuditEvent:
        obj = self._file.path.name
        return AuditEvent(tenant=self._tenant, actor="system:policy", event=name, obj=obj, digest=digest, data=data)


def _digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; empty where it is gone or cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def open_desk(
    settings: Settings,
    server: Server,
    audit: Sealer,
    catalogue: LiveCatalogue,
    evidence: Callable[[str, str], Sequence[Evidence]],
    confidence: Callable[[str, str, str], float] = lambda _tenant, _investigation, _target: 0.0,
) -> Desk:
    """Everything that the gateway works with; credentials are not among it. The last two are as in `Desk`."""
    store = ApprovalStore(server)
    return Desk(
        store=store,
        audit=audit,
        catalogue=catalogue,
        policy=LivePolicy(settings.policy_path, store, settings.tenant),
        evidence=evidence,
        confidence=confidence,
        budget=ErrorBudgets(server, settings.tenant, ServiceCatalogue(settings.services_path)).budget,
    )
