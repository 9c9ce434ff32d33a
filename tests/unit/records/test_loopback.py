"""Invariant: what others can reach is never taken for this machine."""

from __future__ import annotations

import pytest

from middlewatch.records.loopback import is_loopback

EVERYWHERE = "0.0.0.0"  # noqa: S104  of a test


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LocalHost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [EVERYWHERE, "::", "[::]", "10.0.0.1", "example.com", "localhost.example.com", "", "127.0.0.1.nip.io"]
)
def test_what_others_can_reach(host: str) -> None:
    assert not is_loopback(host)
