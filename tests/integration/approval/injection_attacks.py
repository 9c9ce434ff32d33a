"""Agentdojo's goals and attacks, for `injection_corpus`."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import yaml
from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
from agentdojo.attacks.attack_registry import ATTACKS
from agentdojo.attacks.base_attacks import BaseAttack
from agentdojo.task_suite.load_suites import get_suites

from tests.integration.approval.injection_corpus import Call, Goal

__all__ = ["ATTACKS", "their_goals", "words_of"]

VERSION = "v1.2.2"
"""Of the suites: the newest that this agentdojo has, with 35 injection goals."""

_WRITERS = yaml.Dumper.yaml_representers
_THEIRS = _WRITERS[str]
_WRITERS[str] = yaml.representer.SafeRepresenter.represent_str  # as it was: others in this process write YAML too


@contextmanager
def _as_they_write() -> Iterator[None]:
    """Agentdojo changes how the whole process writes texts in YAML; it does so for as long as it renders, and no longer."""
    with mock.patch.dict(_WRITERS, {str: _THEIRS}):
        yield


class _Pipeline(BasePipelineElement):  # type: ignore[misc]
    """Stands for the model that is attacked; some attacks call it by its name."""

    name = "gpt-4o-2024-05-13"

    def query(self, *_arguments: object, **_more: object) -> Any:
        raise NotImplementedError


def their_goals() -> tuple[Goal, ...]:
    """Their injection goals, with the calls that reach them."""
    with _as_they_write():
        return tuple(_their_goals())


def _their_goals() -> Iterator[Goal]:
    for suite, tasks in get_suites(VERSION).items():
        environment = tasks.load_and_inject_default_environment({})
        for name, task in tasks.injection_tasks.items():
            calls = tuple(Call(call.function, dict(call.args)) for call in task.ground_truth(environment))
            calls = calls or (Call("do_as_told", {"text": task.GOAL}),)  # nine have no solution of their own
            yield Goal(f"{suite}/{name}", task.GOAL, calls, suite)


@cache
def _attack(attack: str, suite: str) -> BaseAttack:
    made = ATTACKS[attack](get_suites(VERSION)[suite], _Pipeline())
    # Which of the places of its own mailboxes a text goes to does not matter: ours are in `injection_places`.
    cast("Any", made).get_injection_candidates = lambda _user_task: ["here"]
    return made


def words_of(attack: str, goal: Goal) -> str:
    """A goal in the words of an attack that has some."""
    with _as_they_write():
        suite = get_suites(VERSION)[goal.suite]
    user_task = next(iter(suite.user_tasks.values()))
    task = suite.injection_tasks[goal.name.partition("/")[2]] if goal.foreign else _Task(goal.name, goal.text)
    with _as_they_write(), mock.patch.object(builtins, "input", return_value=goal.text):
        rendered = _attack(attack, goal.suite).attack(user_task, cast("Any", task))
    return str(rendered["here"])


@dataclass(frozen=True)
class _Task:
    """A goal of ours, as attacks read one; hashable, for agentdojo keeps what it rendered."""

    ID: str
    GOAL: str

    def ground_truth(self, _environment: object) -> list[SimpleNamespace]:
        """The tool that it names is the one that a front end would offer."""
        return [SimpleNamespace(function="propose", placeholder_args={"order": self.GOAL})]
