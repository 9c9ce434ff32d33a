"""The digest is RFC 8785 and SHA-256 over the whole record, so no field of it changes unnoticed, and anybody can recompute it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from middlewatch.approval.binding import SHOWN, digest_of_bound, digest_of_shown
from middlewatch.records import (
    ApprovalRequest,
    Bound,
    PastAction,
    Remediation,
    RiskTier,
    Rule,
)
from middlewatch.records.errors import BadInput

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOUND = Bound(
    tenant="acme",
    investigation="inv-1",
    action_id="roll_back",
    catalogue_hash="c" * 64,
    params={"by": 2, "all": True, "ratio": 0.5, "name": "ü"},
    target="checkout",
    target_version={"revision": 7},
    tier=RiskTier.MEDIUM,
    rule_hash="d" * 64,
    shown="e" * 64,
    expires_at=NOON,
    nonce="n",
)
OTHERS: dict[str, object] = {
    "tenant": "zeta",
    "investigation": "inv-2",
    "action_id": "drain",
    "catalogue_hash": "0" * 64,
    "params": {"by": 3, "all": True, "ratio": 0.5, "name": "ü"},
    "target": "basket",
    "target_version": {"revision": "7"},
    "tier": RiskTier.LOW,
    "rule_hash": "0" * 64,
    "shown": "0" * 64,
    "expires_at": NOON.replace(microsecond=1),
    "nonce": "m",
}
REQUEST = ApprovalRequest(
    tenant="acme",
    id="apr-1",
    epoch=1,
    remediation=Remediation(
        tenant="acme", investigation="inv-1", action="roll_back", target="checkout", proposed_by="leo", confidence=0.9
    ),
    rule=Rule(
        tier=RiskTier.MEDIUM,
        tier_because=(),
        requires=None,
        deadline_seconds=60,
        life_seconds=60,
        least_modalities=0,
        least_confidence=0,
    ),
    plan=("one", "two"),
    notes=("Evidence: enough.",),
    created_at=NOON,
)


def test_it_is_sha_256_of_the_canonical_form() -> None:
    by_hand = json.dumps(BOUND.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest_of_bound(BOUND) == hashlib.sha256(by_hand.encode()).hexdigest()


def test_another_value_of_any_field_is_another_digest() -> None:
    assert {*OTHERS, "v"} == set(Bound.model_fields)
    digests = {digest_of_bound(BOUND.model_copy(update={name: value})) for name, value in OTHERS.items()}
    assert len(digests | {digest_of_bound(BOUND)}) == len(OTHERS) + 1


def test_it_survives_the_store() -> None:
    assert digest_of_bound(Bound.model_validate_json(BOUND.model_dump_json())) == digest_of_bound(BOUND)
    assert digest_of_shown(ApprovalRequest.model_validate_json(REQUEST.model_dump_json())) == digest_of_shown(REQUEST)


@pytest.mark.parametrize("number", [2**53, -(2**53)])
def test_a_number_that_has_no_canonical_form_is_refused(number: int) -> None:
    with pytest.raises(BadInput, match="cannot be bound"):
        digest_of_bound(BOUND.model_copy(update={"params": {"by": number}}))


def test_whatever_people_are_shown_is_bound() -> None:
    past = PastAction(request="apr-0", target="checkout", at=NOON, outcome="failed", recovered=False)
    remediation = REQUEST.remediation
    updates: list[dict[str, object]] = [
        {"id": "apr-2"},
        {"epoch": 2},
        {"undo": True},
        {"plan": ("one",)},
        {"notes": ()},
        {"created_at": NOON.replace(hour=13)},
        {"similar": (past,)},
        {"remediation": remediation.model_copy(update={"proposed_by": "lea"})},
        {"remediation": remediation.model_copy(update={"evidence": ("e",)})},
        {"remediation": remediation.model_copy(update={"note": "x"})},
    ]
    changed = [REQUEST.model_copy(update=update) for update in updates]
    assert len({digest_of_shown(one) for one in (REQUEST, *changed)}) == len(changed) + 1


def test_what_changes_while_it_waits_is_not_bound() -> None:
    """Every field is bound one by one, shown, or one of these, which are judged live or decide nothing."""
    live = {"state", "why", "approvals", "asked", "approved_until", "break_glass", "execution"}
    assert set(ApprovalRequest.model_fields) == SHOWN | {"tenant", "rule", "bound", "digest"} | live
    assert digest_of_shown(REQUEST.model_copy(update={"why": "so", "approved_until": NOON})) == digest_of_shown(REQUEST)
