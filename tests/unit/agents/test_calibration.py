"""Invariants: confidence is as the votes state it until there are enough outcomes and calibration is better on those left out; the
surer answer stays the surer one, and no finding comes or goes.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.calibration import ENOUGH, calibrate, calibrated, confidence
from middlewatch.records import Calibrated, Calibration, Outcome
from tests.reports import finding, inconclusive, two_causes


def outcomes(n: int, *, right_at: float, stated: float = 0.9, seed: int = 1) -> list[tuple[float, bool]]:
    draw = random.Random(seed)
    return [(stated, draw.random() < right_at) for _ in range(n)]


OVERCONFIDENT = calibrate(outcomes(60, right_at=0.6))


def test_below_enough_outcomes_nothing_changes_not_even_the_last_digit() -> None:
    for some in ([], outcomes(ENOUGH - 1, right_at=0.5), [(0.9, True)] * 200, [(0.9, False)] * 200):
        found = calibrate(some)
        assert not found.applied
        assert (found.outcomes, found.stated_brier) == (len(some), None)
        assert confidence(0.123456789, found) == 0.123456789
        assert calibrated(finding(), found) == finding()


def test_overconfidence_is_mended_towards_what_came_true() -> None:
    assert OVERCONFIDENT.applied
    assert OVERCONFIDENT.outcomes == 60
    share = OVERCONFIDENT.right / 60
    assert confidence(0.9, OVERCONFIDENT) == pytest.approx(share, abs=0.1)
    assert OVERCONFIDENT.calibrated_brier is not None
    assert OVERCONFIDENT.stated_brier is not None
    assert OVERCONFIDENT.calibrated_brier < OVERCONFIDENT.stated_brier


def test_what_is_calibrated_already_stays() -> None:
    draw = random.Random(5)
    stated = [draw.uniform(0.4, 0.95) for _ in range(200)]
    found = calibrate([(p, draw.random() < p) for p in stated])
    assert not found.applied or max(abs(confidence(p, found) - p) for p in stated) < 0.08


def test_each_outcome_is_judged_by_the_others() -> None:
    """One parameter for every outcome would be right about all of them; left out in turn, noise gains nothing."""
    found = calibrate([(0.5, number % 2 == 0) for number in range(40)])
    assert not found.applied
    assert found.calibrated_brier is not None
    assert found.stated_brier is not None
    assert found.calibrated_brier >= found.stated_brier


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=ENOUGH, max_size=60), st.floats(0, 1), st.floats(0, 1))
def test_the_surer_answer_stays_the_surer_one(some: list[tuple[float, bool]], one: float, other: float) -> None:
    found = calibrate(some).model_copy(update={"applied": True})
    low, high = sorted((one, other))
    assert 0.0 <= confidence(low, found) <= confidence(high, found) <= 1.0


@pytest.mark.parametrize("shift", [-0.9, 0.9])
def test_no_model_makes_a_finding_surer_than_its_rules_whatever_outcomes_say(shift: float) -> None:
    """By rules alone 0.55: with models that are surer there is no more to act on than without."""
    outcomes = Calibration(outcomes=60, shift=shift, applied=True)
    alone, surer, elsewhere = (
        finding().causes[0].model_copy(update={"confidence": stated, "by_rules": by_rules})
        for stated, by_rules in ((0.55, None), (0.95, 0.55), (0.95, 0.0))
    )
    (without,), (with_models,), (other,) = (
        calibrated(finding().model_copy(update={"causes": (cause,)}), outcomes).causes for cause in (alone, surer, elsewhere)
    )
    assert with_models.enough_to_act == without.enough_to_act == confidence(0.55, outcomes)
    assert other.enough_to_act == 0.0


def test_a_report_says_what_the_votes_stated_and_no_finding_comes_or_goes() -> None:
    before = two_causes()
    after = calibrated(before, OVERCONFIDENT)
    assert after.calibration == Calibrated(stated=before.confidence, outcomes=60)
    assert after.confidence == after.causes[0].confidence < before.confidence
    assert [cause.service for cause in after.causes] == [cause.service for cause in before.causes]
    assert calibrated(inconclusive(), OVERCONFIDENT) == inconclusive()
    hopeless = Calibration(outcomes=100, shift=-6.0, applied=True)
    assert calibrated(finding(), hopeless).outcome is Outcome.FINDING
