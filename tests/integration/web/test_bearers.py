"""Invariants: a token is worth what policy says of it at this very request, and the audit log hears of it about once an hour."""

from __future__ import annotations

import pytest

from middlewatch.auditing import entries
from middlewatch.bearers import LOGIN_SECONDS, Bearers
from middlewatch.records import DEFAULT_TENANT
from middlewatch.records.errors import Misconfigured
from tests.web_site import PEOPLE, WebSite, token


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def logins(site: WebSite, event: str = "principal.login") -> list[str]:
    return [entry.obj for entry in entries(site.app.store.server, DEFAULT_TENANT, limit=1000) if entry.event == event]


def test_a_token_signs_in_once_an_hour(site: WebSite) -> None:
    clock = Clock()
    bearers = Bearers(site.app.approvals, face="api", clock=clock)
    before = len(logins(site))
    for _ in range(5):
        found = bearers.identify(token("mia"))
        assert found is not None
        assert found.id == "mia"
    assert logins(site)[before:] == ["mia"]
    clock.now += LOGIN_SECONDS
    bearers.identify(token("mia"))
    bearers.identify(token("leo"))
    assert logins(site)[before:] == ["mia", "mia", "leo"]


def test_a_wrong_token_is_an_event_and_nobody(site: WebSite) -> None:
    bearers = Bearers(site.app.approvals, face="api")
    before = len(logins(site, "login.refused"))
    assert bearers.identify("wrong") is None
    assert bearers.identify("\udcff") is None
    assert len(logins(site, "login.refused")) == before + 2


def test_whoever_is_taken_out_of_policy_is_nobody_at_once(site: WebSite) -> None:
    bearers = Bearers(site.app.approvals, face="api")
    assert bearers.identify(token("mia")) is not None
    assert bearers.has_seen(token("mia"))
    file = site.policy.data / "policy.toml"
    text = file.read_text(encoding="utf-8")
    try:
        file.write_text(text.replace("[principals.mia]", "[principals.mia]\nactive = false"), encoding="utf-8")
        assert bearers.identify(token("mia")) is None
        assert not bearers.has_seen(token("mia")), "without a limit it would fill the audit log"
        file.write_text("nonsense", encoding="utf-8")
        with pytest.raises(Misconfigured) as told:
            bearers.identify(token("leo"))
        assert "nonsense" not in str(told.value)
        assert str(file) not in str(told.value)
        file.unlink()
        assert bearers.identify(token("leo")) is None
    finally:
        file.write_text(text, encoding="utf-8")
    assert [person for person in PEOPLE if bearers.identify(token(person)) is None] == []
