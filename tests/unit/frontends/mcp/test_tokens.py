"""Invariant: a provider that does not answer is not asked again for each token that somebody makes up."""

from __future__ import annotations

import pytest
from joserfc.jwk import KeySet

from middlewatch.frontends.mcp.tokens import AccessTokens
from middlewatch.records.errors import Unavailable


def test_a_provider_that_did_not_answer_has_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def away(_: AccessTokens) -> KeySet:
        asked.append(1)
        raise ValueError

    monkeypatch.setattr(AccessTokens, "_fetch", away)
    tokens = AccessTokens("https://login.example.com", "https://middlewatch.example.com/mcp")
    for _ in range(3):
        with pytest.raises(Unavailable):
            tokens.verify("a.b.c")
    assert len(asked) == 1
    monkeypatch.setattr("middlewatch.frontends.mcp.tokens.AWAY_SECONDS", 0.0)
    with pytest.raises(Unavailable):
        tokens.verify("a.b.c")
    assert len(asked) == 2
