"""All of the lab's incidents that are kept in the tree: `make replay-lab` runs it; a minute of one core, so the suite does not."""

from __future__ import annotations

import pytest

from middlewatch.evals.lab.evaluation.answers import LabAnswer
from tests.lab_incidents import EXPECTED, answered, is_right


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LabAnswer]:
    return answered(tuple(EXPECTED), tmp_path_factory.mktemp("replay"))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_answer_is_right_or_it_is_known_why_not(answers: dict[str, LabAnswer], name: str) -> None:
    expected = EXPECTED[name]
    if expected.missed:
        assert not is_right(answers[name], expected), f"{name} is answered rightly now: take its reason away"
        pytest.xfail(expected.missed)
    assert is_right(answers[name], expected), answers[name]
