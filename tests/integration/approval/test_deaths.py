"""Invariant: an executor, or whoever asks, that dies at any step lets an action run once at most, and no request is forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from middlewatch.approval.desk import Desk
from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Gateway
from middlewatch.approval.timers import Sight, tend
from middlewatch.records import Decision, Recovery
from middlewatch.records import RequestState as S
from tests.approval_data import TENANT, Office, remediation
from tests.integration.approval.working import KEYS, all_due, at_once, open_office


class Died(BaseException):
    """As a SIGKILL leaves it: nothing else of the process runs."""


class Mortal:
    """Passes everything on, and dies before or after one of the calls."""

    def __init__(self, of: object, at: Callable[[], bool], *, after: bool) -> None:
        self._of, self._at, self._after = of, at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            dies = self._at()
            if dies and not self._after:
                raise Died
            answer = found(*args, **kwargs)
            if dies:
                raise Died
            return answer

        return call


def at_call(number: int) -> Callable[[], bool]:
    calls = itertools.count()
    return lambda: next(calls) == number


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("action", ["annotate", "nudge"])
def test_whoever_dies_at_any_step_it_runs_once_at_most_and_is_never_forgotten(
    server: Redis,
    tmp_path: Any,
    action: str,
    after: bool,  # noqa: FBT001
) -> None:
    for n in itertools.count():
        server.flushall()
        office = open_office(server, tmp_path)
        dies = at_call(n)
        mortal = [Mortal(one, dies, after=after) for one in (office.desk.store, office.desk.audit, office.hands)]
        desk = replace(office.desk, store=mortal[0], audit=mortal[1])  # type: ignore[arg-type]
        try:
            whole_way(desk, mortal[2], office, action)
        except Died:
            pass
        else:
            assert n > 20
            break
        office.desk.store.tenants()
        for _ in range(12):
            whole_way(office.desk, office.hands, office, action)
            all_due(office)
            if not office.redis.exists(KEYS.due):
                break
        end = office.desk.store.list(TENANT)
        assert len(end) == 1
        request = end[0].request
        assert request.state in {S.SUCCEEDED, S.FAILED}, n
        assert len(office.hands.runs) == (request.state is S.SUCCEEDED), n
        assert office.events("execution.began") == ["execution.began"]
        assert office.redis.zcard(KEYS.due) == 0


def whole_way(desk: Desk, hands: Any, office: Office, action: str) -> None:
    """Propose it, let the executor work, approve it, let it begin, look at the symptom. What is done already stays so."""
    gateway, executor = Gateway(desk), Executor(desk, hands, name="executor:x", acting_seconds=at_once)
    request = gateway.submit(remediation(action))
    executor.step(TENANT)
    request = desk.store.look(TENANT, request.id).request
    if request.state is S.PENDING and request.rule.requires:
        gateway.resolve(TENANT, request.id, Decision.APPROVE, office.policy.person("leo"), digest=request.digest)
    executor.step(TENANT)
    all_due(office)
    tend(desk, TENANT, lambda _request, _now: Sight(Recovery.RECOVERED, "gone"))
