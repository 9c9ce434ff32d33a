"""Invariants: a token is known by its digest and by nothing else; what is kept of it opens nothing."""

from __future__ import annotations

import hashlib

import pytest

from middlewatch.records.tokens import digest_of_token, is_known, line_of_token, new_token


def test_a_token_is_known_by_its_digest_wherever_that_stands() -> None:
    tokens = [new_token("mw") for _ in range(3)]
    digests = [digest_of_token(token) for token in tokens]
    assert all(is_known(token, digests) for token in tokens)
    assert digests[0] == hashlib.sha256(tokens[0].encode()).hexdigest()
    assert line_of_token(tokens[0]) == f'token_sha256 = ["{digests[0]}"]'


@pytest.mark.parametrize("shown", ["", "mw_", "é\udcff", "\ud800"])
def test_nothing_else_is_known(shown: str) -> None:
    token = new_token("mw")
    assert not is_known(shown, [digest_of_token(token)])
    assert not is_known(digest_of_token(token), [digest_of_token(token)]), "what is kept opens nothing"
    assert not is_known(token, [])
    assert not is_known(token, [digest_of_token(token)[:-1]])
