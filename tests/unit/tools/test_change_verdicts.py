"""Invariants: a change is suspect only where its service got into trouble after it; every other one is cleared with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Onset, Symptom, Window
from middlewatch.tools.change_behaviour import Behaviour
from middlewatch.tools.change_records import Change, History
from middlewatch.tools.change_verdicts import CHANGE_ODDS, LOOKBACK_SECONDS, Scene, Verdict
from tests.unit.tools.synthetic_changes import assessment, began, change
from tests.unit.tools.synthetic_telemetry import DETECTED, brief


def scene(
    *changes: Change,
    trouble: Mapping[str, float] | None = None,
    calm: Sequence[str] = ("web", "db"),
    edges: Sequence[tuple[str, str]] = (),
    symptom: Onset | None = None,
    dependencies: Mapping[str, int] | None = None,
    earlier: Sequence[Window] = (),
) -> Scene:
    """The trouble of services by the minutes after the detection at which it began; by default of `pricing`, two before it."""
    seen = assessment({"pricing": -2.0} if trouble is None else trouble, calm, edges=edges)
    asked = brief(symptom=Symptom(service="web") if dependencies is not None else None, earlier=earlier)
    return Scene(asked, History.of(changes), Behaviour({"spans": seen}), symptom, dependencies)


def judged(one: Change, *others: Change, **rest: object) -> Verdict:
    return scene(one, *others, **rest).judge(one)  # type: ignore[arg-type]


def test_a_change_just_before_the_trouble_of_its_service_is_suspect() -> None:
    verdict = judged(change(-2.5))
    assert verdict.weight == pytest.approx(0.75, abs=0.15)
    assert verdict.remarks == ("2 min before the detection",)


@pytest.mark.parametrize(
    ("one", "rest", "reason"),
    [
        (change(0.5), {}, "came 30 s after the detection, so it cannot be the cause"),
        (change(-1), {}, "its service was in trouble before, since about 01:58:00 UTC"),
        (change(-2.5, "web"), {}, "its service behaves as before, by its spans"),
        (change(-2.5), {"symptom": began(-3.5)}, "the symptom had begun before, at about 01:56:30 UTC"),
    ],
)
def test_an_innocent_change_is_cleared_with_its_reason(one: Change, rest: dict[str, object], reason: str) -> None:
    verdict = judged(one, **rest)
    assert verdict.weight == 0
    assert verdict.remarks[-1] == reason


def test_a_change_that_was_undone_in_time_is_cleared_and_so_is_what_undid_it() -> None:
    bad, back = change(-10, version="2.0"), change(-4, version="1.9")
    assert judged(bad, back).remarks[-1] == "it was undone at 01:56:00 UTC, before the trouble began"
    assert judged(back, bad).remarks[-1] == 'it took back deploy "2.0"'


def test_a_rollback_after_the_onset_is_told_and_clears_nobody() -> None:
    verdict = judged(change(-2.5, version="2.0"), change(0.5, version="1.9"), change(-99, version="1.9"))
    assert verdict.weight > 0
    assert verdict.remarks[-1] == "undone at 02:00:30 UTC"


def test_a_version_that_was_taken_back_before_is_recognised() -> None:
    verdict = judged(change(-2.5, version="2.0"), change(-90, version="2.0"), change(-80, version="1.9"))
    assert "the same version had been taken back before" in verdict.remarks


def test_an_earlier_change_that_an_incident_followed_is_told_and_not_harmless() -> None:
    known = Window(start=DETECTED - timedelta(minutes=75), end=DETECTED - timedelta(minutes=70))
    bad, good, now = change(-80, version="1.8"), change(-120, version="1.7"), change(-2.5)
    found = scene(bad, good, now, earlier=[known])
    assert "the one at 00:40:00 UTC was followed by an incident, too" in found.judge(now).remarks
    assert found.harmless(now) == (good,)


def test_the_service_map_tells_whom_trouble_can_reach() -> None:
    dependencies = {"web": 0, "pricing": 1}
    near = judged(change(-2.5), dependencies=dependencies)
    own = judged(change(-2.5, "web"), dependencies=dependencies, trouble={"web": -2.0})
    far = judged(change(-2.5, "mail"), dependencies=dependencies, trouble={"mail": -2.0})
    assert near.remarks[-1] == '"web" depends on it'
    assert own.remarks[-1] == "it is the service with the symptom"
    assert far.remarks[-1] == '"web" does not depend on it as far as the service map shows'
    assert far.weight == pytest.approx(0.1 * near.weight)
    assert judged(change(-2.5, "mail"), dependencies={"web": 0}, trouble={"mail": -2.0}).weight == near.weight


def test_scaling_is_a_rarer_cause_than_a_deploy_and_an_unknown_kind_counts_as_configuration() -> None:
    weights = {kind: judged(change(-2.5, kind=kind)).weight for kind in ("deploy", "config", "scale", "incantation")}
    assert weights["deploy"] > weights["config"] == weights["incantation"] > weights["scale"] > 0


def test_what_changes_all_the_time_comes_by_chance() -> None:
    often = [change(-3 - i / 4, kind="scale", version="") for i in range(600)]
    verdict = judged(change(-2.5, kind="scale", version=""), *often)
    assert verdict.weight == 0
    assert verdict.remarks[-2:] == ("a routine, 600 of its kind went before it", "so it came then by chance, more likely")


def test_a_slow_effect_is_believed_and_told() -> None:
    prompt, slow = judged(change(-2.5)), judged(change(-20))
    assert 0 < slow.weight < 0.1 * prompt.weight
    assert "long for a change to take effect" in slow.remarks


def test_a_service_that_nobody_saw_is_judged_by_the_time_alone() -> None:
    found = scene(change(-3, "mail"), edges=[("mail", "db"), ("web", "pricing")])
    assert found.judge(change(-3, "mail")).weight > 0
    assert found.to_explain(change(-3, "mail")) == ('it would not explain "pricing"',)


def test_what_a_change_would_have_to_explain() -> None:
    found = scene(change(-2.5), trouble={"pricing": -2.0, "mail": -1.5, "web": -1.0}, edges=[("web", "pricing"), ("web", "mail")])
    assert found.to_explain(change(-2.5)) == (
        'it would explain that own time of "work" in "pricing" rose from 2 ms to 40 ms',
        'it would not explain "mail"',
    )


CHANGES = st.lists(
    st.builds(
        change,
        st.floats(-200, 1).map(lambda minutes: round(minutes, 2)),
        st.sampled_from(["pricing", "web", "mail"]),
        st.sampled_from(["deploy", "config", "scale", "incantation"]),
        st.sampled_from(["", "1.0", "2.0"]),
    ),
    min_size=1,
    max_size=8,
)


@given(CHANGES)
def test_every_change_has_a_weight_or_a_reason(changes: list[Change]) -> None:
    found = scene(*changes)
    for each in changes:
        verdict = found.judge(each)
        assert 0 <= verdict.weight <= 1
        assert verdict.remarks
        if each.time >= DETECTED:
            assert verdict.weight == 0


@given(st.floats(-LOOKBACK_SECONDS / 60, -2.5), st.floats(1, 10))
def test_a_change_weighs_less_the_longer_before_the_trouble_it_came(minutes: float, longer: float) -> None:
    assert judged(change(minutes - longer)).weight < judged(change(minutes)).weight or judged(change(minutes)).weight == 0


def test_no_change_ever_multiplies_the_odds_by_more_than_incidents_stem_from_changes() -> None:
    assert CHANGE_ODDS * judged(change(-2.01)).weight <= CHANGE_ODDS
