"""Invariant: incidents that really happened to the lab's shop are answered rightly; where one is not, it is said why."""

from __future__ import annotations

import pytest

from middlewatch.evals.lab.evaluation.answers import LabAnswer
from tests.lab_incidents import EXPECTED, IN_THE_SUITE, ROOT, answered, is_right


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LabAnswer]:
    return answered(IN_THE_SUITE, tmp_path_factory.mktemp("replay"))


@pytest.mark.parametrize("name", IN_THE_SUITE)
def test_the_answer_is_right(answers: dict[str, LabAnswer], name: str) -> None:
    assert is_right(answers[name], EXPECTED[name]), answers[name]


def test_every_recording_is_expected_to_be_something() -> None:
    assert {folder.name for folder in ROOT.iterdir()} == set(EXPECTED)
