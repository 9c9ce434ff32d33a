"""Invariant: wherever whoever posts dies or loses Slack's answer, every message is there in the end, once, as it should be."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from middlewatch.postings import Postings
from middlewatch.records import Decision
from tests.contract.actions.loopback import Answer
from tests.reports import finding
from tests.slack_site import SlackSite

FAULTS = (
    "cut after the request was carried out",
    "an answer that is not JSON",
    Answer(503, {}),
    Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"}),
)
STEPS = 40


class Death(BaseException):
    """A process ends here, and cleans nothing up."""


def deadly(monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Some calls to the store are the last thing that a process does: before they are done, or after."""
    for name in ("reserve", "posted", "shown", "take_turn"):
        real = getattr(Postings, name)

        def call(*args: Any, real: Callable[..., Any] = real, **kwargs: Any) -> Any:
            if chance.random() < 0.06:
                raise Death
            done = real(*args, **kwargs)
            if chance.random() < 0.06:
                raise Death
            return done

        monkeypatch.setattr(Postings, name, call)


def happen(slack: SlackSite, step: int) -> None:
    """Now and then there is a new investigation with a request, and later a decision on it."""
    if step % 10 == 0:
        opened = slack.web.seed(finding(), f"inv-{step + 1:012x}")
        slack.web.propose(investigation=opened.id, parameters={"by": 1 + step // 10})
    if step % 10 == 5:
        request = slack.app.approvals.list(limit=1)[0]
        leo = next(person for person in slack.app.approvals.people() if person.id == "leo")
        slack.app.approvals.decide(request.id, Decision.APPROVE, leo, digest=request.digest, face="web")


def time_passes(slack: SlackSite) -> None:
    """So much that nobody is believed to post any more."""
    slack.web.redis.hdel("middlewatch:approvals:{default}:notes", "slack:turn")


@pytest.mark.parametrize("seed", range(6))
def test_posting_survives(slack: SlackSite, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    faces = [slack.another() for _ in range(2)]
    with monkeypatch.context() as patched:
        deadly(patched, chance)
        for step in range(STEPS):
            happen(slack, step)
            if chance.random() < 0.4:
                slack.end.fail(chance.choice(("chat.postMessage", "chat.update", "conversations.history")), chance.choice(FAULTS))
            number = chance.randrange(2)
            try:
                slack.look(faces[number], times=1)
            except Death:
                time_passes(slack)
                faces[number] = slack.another()
    slack.end.faults.clear()
    time_passes(slack)
    slack.look(slack.another(), times=6)
    requests = slack.app.approvals.list()
    expected = [f"{one.remediation.investigation}/{name}" for one in requests for name in ("main", "details", one.id)]
    assert len(requests) == 4
    assert sorted(slack.end.names()) == sorted(expected)
    for one in requests:
        post = slack.end.named(f"{one.remediation.investigation}/{one.id}")
        assert "approved it at" in post.words
        assert post.button("approve") is None
