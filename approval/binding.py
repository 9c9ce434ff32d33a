"""What a decision is bound to: the digest over everything that would run."""

from __future__ import annotations

import hashlib

import rfc8785

from middlewatch.records import Bound
from middlewatch.records.errors import BadInput


def digest_of_bound(bound: Bound) -> str:
    """SHA-256, in hexadecimal, over the RFC 8785 form of the record.

    Raises:
        BadInput: a number in it has no canonical form (beyond 2**53, or not finite).
    """
    try:
        return hashlib.sha256(rfc8785.dumps(bound.model_dump(mode="json"))).hexdigest()
    except rfc8785.CanonicalizationError as error:
        raise BadInput(f"This action cannot be bound to a decision: {error}.", remedy="Use numbers below 2**53.") from None
