"""Whatever is done in whatever order, nothing runs but what was approved, and nothing is forgotten: the real code on a real Redis.

Hypothesis looks for a sequence of proposals, decisions, edits, halts, freezes, changes of policy, catalogue and target, deaths of
the executor, passing time and raised epochs after which the world was changed by something that nobody approved. What may run is
judged by a model of its own, at the moment at which the hands are asked to do it and by the log; it shares no line with the guards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from redis import Redis

from middlewatch.approval import stages, transitions
from middlewatch.context_store import scripts
from tests.integration.approval.stateful_machine import Protocol


def explore(redis: Redis, folder: Path, *, examples: int, steps: int = 40, shrink: bool = True) -> None:
    Protocol.redis, Protocol.folder = redis, folder
    run_state_machine_as_test(
        Protocol,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            print_blob=False,
        ),
    )


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}
"""Each takes one guard away that no other stands behind; each guard of the table has its own in tests/unit/approval."""


def mutant(change: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    MUTANTS[change.__name__] = change
    return change


def without_in(monkeypatch: pytest.MonkeyPatch, script: Any, text: str, instead: str) -> None:
    assert text in script.text
    monkeypatch.setattr(script, "text", script.text.replace(text, instead))


@mutant
def an_approval_lives_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "end_of", lambda _request: None)
    monkeypatch.setattr(stages, "end_of", lambda _request: None)


@mutant
def a_change_leaves_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    without_in(monkeypatch, scripts.transition, "log(events, private)\nreturn", "return")


@mutant
def what_changes_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    without_in(monkeypatch, scripts.transition, "if due_in_ms < 0 then", "if true then")


@pytest.mark.parametrize("name", MUTANTS)
def test_the_model_notices_a_guard_that_is_gone(server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    MUTANTS[name](monkeypatch)
    with pytest.raises((AssertionError, BaseExceptionGroup)):
        explore(server, tmp_path, examples=200, shrink=False)


def test_nothing_runs_but_what_was_approved_and_nothing_is_forgotten(server: Redis, tmp_path: Path) -> None:
    explore(server, tmp_path, examples=40)
