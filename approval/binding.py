"""What a decision is bound to: the digest over everything that would run, and everything that people were shown of it."""

from __future__ import annotations

import hashlib

import rfc8785

from middlewatch.records import ApprovalRequest, Bound, digest_of
from middlewatch.records.errors import BadInput

SHOWN = frozenset({"id", "epoch", "remediation", "undo", "plan", "notes", "created_at", "similar"})
"""Fields of a request that nothing changes once people are asked, and that are not in `Bound` one by one."""


def digest_of_bound(bound: Bound) -> str:
    """SHA-256, in hexadecimal, over the RFC 8785 form of the record.

    Raises:
        BadInput: a number in it has no canonical form (beyond 2**53, or not finite).
    """
    try:
        return hashlib.sha256(rfc8785.dumps(bound.model_dump(mode="json"))).hexdigest()
    except rfc8785.CanonicalizationError as error:
        raise BadInput(f"This action cannot be bound to a decision: {error}.", remedy="Use numbers below 2**53.") from None


def digest_of_shown(request: ApprovalRequest) -> str:
    """SHA-256, in hexadecimal, over what people see of a request and nothing changes any more: `SHOWN`."""
    return digest_of(request.model_dump(mode="json", include=set(SHOWN)))
