"""Invariants: what nobody knows is never counted as a time; every night is in one week and in one service."""

from __future__ import annotations

import statistics
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.intervals import wilson
from middlewatch.nights import LEAST, WEEK, FalsePositives, Night, Nights, Standing, Step, figure, night, summed
from middlewatch.opening import BY_HAND
from middlewatch.records import Handling, Handover, InvestigationState, Outcome, Verdict
from tests.nights_data import BEGAN, OPENED, at, handling, investigation, occurrence, request

END = BEGAN + timedelta(days=2)


def test_the_times_of_a_night_count_from_the_alert_s_start() -> None:
    found = night(
        investigation(cause=60),
        handling(acknowledged=90, verdicts=(Verdict.WRONG, Verdict.RIGHT)),
        [request(ended=200, recovered=320), request(ended=None)],
        [occurrence(resolved=400)],
    )
    assert found.seconds == {
        Step.DETECT: OPENED,
        Step.ACKNOWLEDGE: 90,
        Step.CAUSE: 60,
        Step.MITIGATE: 200,
        Step.RESOLVE: 320,
    }
    assert (found.page, found.acted, found.touched, found.verdict) == (True, True, True, Verdict.RIGHT)


def test_what_did_not_happen_is_not_known() -> None:
    found = night(investigation(cause=None), Handling(), [request(ended=None)], [occurrence()])
    assert {step: seconds for step, seconds in found.seconds.items() if seconds is not None} == {Step.DETECT: OPENED}
    assert (found.acted, found.touched, found.outcome, found.verdict) == (False, False, Outcome.INCONCLUSIVE, None)


def test_who_acknowledges_at_the_sender_or_takes_it_has_it_too() -> None:
    taken = Handling(handovers=(Handover(by="mia", to="mia", at=BEGAN + timedelta(seconds=70)),))
    assert night(investigation(), taken, [], [occurrence(acknowledged=80)]).seconds[Step.ACKNOWLEDGE] == 70
    assert night(investigation(), Handling(), [], [occurrence(acknowledged=80)]).seconds[Step.ACKNOWLEDGE] == 80


def test_an_acknowledgement_counts_though_the_alert_fired_again_since() -> None:
    flapped = occurrence().model_copy(update={"first_acknowledged_at": at(80), "given_up_at": at(200)})
    found = night(investigation(), Handling(), [], [flapped])
    assert (found.seconds[Step.ACKNOWLEDGE], found.touched) == (80, True)


def test_one_alert_that_fires_on_keeps_it_from_being_over() -> None:
    assert night(investigation(), Handling(), [], [occurrence(resolved=100), occurrence()]).seconds[Step.RESOLVE] is None
    both = [occurrence(resolved=100), occurrence(resolved=300)]
    assert night(investigation(), Handling(), [], both).seconds[Step.RESOLVE] == 300


def test_people_may_end_it() -> None:
    stopped = investigation(state=InvestigationState.CANCELLED, headline=None, closed_at=at(500))
    assert night(stopped, Handling(), [], [occurrence()]).seconds[Step.RESOLVE] == 500


def test_of_what_a_person_asks_about_this_moment_nobody_knows_since_when_it_is_so() -> None:
    asked = night(investigation(source="cli", cause=80), Handling(), [], [])
    assert (asked.page, asked.seconds[Step.DETECT], asked.seconds[Step.CAUSE]) == (False, None, 80 - OPENED)
    earlier = investigation(source="cli")
    earlier = earlier.model_copy(update={"alert": earlier.alert.model_copy(update={"detected_at": BEGAN - timedelta(hours=1)})})
    assert night(earlier, Handling(), [], []).seconds[Step.DETECT] == 3600 + OPENED


def test_what_is_run_again_by_hand_is_no_page_and_counts_from_then() -> None:
    again = investigation(source=BY_HAND, began=BEGAN + timedelta(hours=1), cause=80)
    found = night(again, Handling(), [], [occurrence(acknowledged=30)])
    assert (found.page, found.seconds[Step.DETECT], found.seconds[Step.CAUSE]) == (False, None, 80 - OPENED)


@pytest.mark.parametrize(("early", "expected"), [(30.0, 0.0), (90.0, None)])
def test_a_clock_that_runs_ahead_makes_no_negative_times(early: float, expected: float | None) -> None:
    assert night(investigation(), handling(acknowledged=-early), [], [occurrence()]).seconds[Step.ACKNOWLEDGE] == expected


def test_the_ninth_of_ten_is_one_of_them() -> None:
    found = figure([None, *map(float, range(1, 11))])
    assert (found.known, found.unknown, found.median_seconds, found.p90_seconds) == (10, 1, 5.5, 9.0)


def answered(wrong: int, of: int) -> Nights:
    nights = [
        night(investigation(f"inv-{n}"), handling(verdicts=(Verdict.WRONG if n < wrong else Verdict.PARTLY,)), [], [])
        for n in range(of)
    ]
    return summed(
        [*nights, night(investigation("inv-x", cause=None), handling(verdicts=(Verdict.WRONG,)), [], [])], end=END, weeks=1
    )


@pytest.mark.parametrize(
    ("wrong", "of", "standing", "certain"),
    [
        (0, 0, Standing.TOO_FEW, False),
        (LEAST - 1, LEAST - 1, Standing.TOO_FEW, True),
        (1, LEAST, Standing.KEPT, False),
        (2, LEAST, Standing.MISSED, False),
        (0, 80, Standing.KEPT, True),
        (20, 80, Standing.MISSED, True),
    ],
)
def test_the_objective_is_judged_from_so_many_findings_on(wrong: int, of: int, standing: Standing, *, certain: bool) -> None:
    found = answered(wrong, of)
    judged: FalsePositives = found.false_positives
    assert (judged.findings, judged.wrong.of, judged.wrong.hits, found.standing, judged.certain) == (
        of,
        of,
        wrong,
        standing,
        certain,
    )
    assert judged.wrong.interval == wilson(wrong, of)


seconds = st.none() | st.floats(min_value=0, max_value=1e6)
nights_ = st.builds(
    Night,
    investigation=st.integers(0, 10**6).map("inv-{}".format),
    title=st.just("x"),
    service=st.sampled_from(["", "cart", "checkout"]),
    opened_at=st.integers(-40 * 86400, 86400).map(lambda s: END + timedelta(seconds=s)),
    page=st.booleans(),
    outcome=st.none() | st.sampled_from(Outcome),
    verdict=st.none() | st.sampled_from(Verdict),
    acted=st.booleans(),
    touched=st.booleans(),
    seconds=st.fixed_dictionaries(dict.fromkeys(Step, seconds)),
).map(lambda one: one.model_copy(update={"touched": one.touched or one.acted}))


@settings(max_examples=50)
@given(st.lists(nights_, max_size=15), st.integers(1, 6))
def test_every_night_counts_once_in_one_week_and_one_service(nights: list[Night], weeks: int) -> None:
    found = summed(nights, end=END, weeks=weeks)
    inside = [one for one in nights if END - weeks * WEEK <= one.opened_at < END]
    for groups in (found.weeks, found.services):
        for name in ("investigations", "pages", "without_action", "untouched"):
            assert sum(getattr(row, name) for row in groups) == getattr(found.whole, name)
        for step in Step:
            assert sum(row.steps[step].known for row in groups) == found.whole.steps[step].known
    assert (found.whole.investigations, len(found.weeks)) == (len(inside), weeks)
    for row in found.weeks:
        assert row.investigations == sum(row.start <= one.opened_at < row.start + WEEK for one in inside)
    assert found.whole.untouched <= found.whole.without_action <= found.whole.pages <= found.whole.investigations
    assert found.false_positives.wrong.hits <= found.false_positives.wrong.of <= found.false_positives.findings
    assert summed(reversed(nights), end=END, weeks=weeks).whole == found.whole
    assert Nights.model_validate_json(found.model_dump_json()) == found


@given(st.lists(seconds, max_size=40))
def test_a_figure_says_of_all_whether_it_knows_them(values: list[float | None]) -> None:
    found, known = figure(values), [value for value in values if value is not None]
    assert (found.known, found.known + found.unknown) == (len(known), len(values))
    assert (found.median_seconds is None) == (found.p90_seconds is None) == (not known)
    if known:
        assert found.median_seconds == pytest.approx(statistics.median(known), abs=1e-3)
        assert found.p90_seconds in known
        assert sum(value <= found.p90_seconds for value in known if found.p90_seconds is not None) >= 0.9 * len(known)


@given(st.integers(0, 200), st.integers(0, 200))
def test_an_interval_holds_its_share(hits: int, more: int) -> None:
    found, of = wilson(hits, hits + more), hits + more
    assert 0 <= found.low <= (hits / of if of else 0.5) <= found.high + 1e-12 <= 1 + 1e-9
