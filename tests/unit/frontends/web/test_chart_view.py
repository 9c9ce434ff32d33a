"""Invariants: a picture is drawn inside its frame whatever was measured; a gap stays a gap; what is drawn is said in words too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.frontends.web.axis import Axis, around
from middlewatch.frontends.web.chart_view import HEIGHT, WIDTH, ChartView, chart_view
from middlewatch.records import Band, Chart, Window
from tests.report_parts import BASELINE, DETECTED, WINDOW, began

POINT = re.compile(r"[MLH](-?[\d.e+-]+)(?: (-?[\d.e+-]+))?")
VALUES = st.lists(st.none() | st.floats(min_value=-1e12, max_value=1e12), min_size=1, max_size=12)
MOMENTS = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=6)


def chart(observed: Sequence[float | None], low: Sequence[float | None] = (), high: Sequence[float | None] = ()) -> Chart:
    times = tuple(WINDOW.start + timedelta(seconds=30 * number) for number in range(len(observed)))
    band = Band(low=tuple(low), middle=tuple(low), high=tuple(high), words="median", window=BASELINE) if low else None
    return Chart(
        what='"latency" of "shop"',
        service="shop",
        subject="latency",
        unit="ms",
        window=WINDOW,
        times=times,
        observed=tuple(observed),
        band=band,
        onset=began("01:48:00"),
    )


def drawn(shown: Chart) -> ChartView:
    view = chart_view(shown, Axis(WINDOW))
    assert view is not None
    return view


@given(VALUES, VALUES)
def test_everything_is_drawn_inside_the_frame(observed: list[float | None], edge: list[float | None]) -> None:
    low = [edge[number % len(edge)] for number in range(len(observed))]
    view = chart_view(chart(observed, low, low), Axis(WINDOW))
    if view is None:
        assert set(observed) == {None}
        return
    for x, y in POINT.findall(view.observed + view.band):
        assert 0 <= float(x) <= WIDTH
        assert y == "" or 0 <= float(y) <= HEIGHT
    for tick in view.ticks:
        assert 0 <= tick.top <= 100
    assert json.loads(view.data)["observed"] == observed


def test_a_wide_range_is_drawn_on_a_logarithmic_axis_and_a_narrow_one_is_not() -> None:
    assert drawn(chart([4.0, 2610.0])).logarithmic
    assert not drawn(chart([4.0, 5.0])).logarithmic
    assert not drawn(chart([0.0, 2610.0])).logarithmic, "zero has no place on a logarithmic axis"


def test_a_missing_value_breaks_the_line() -> None:
    assert drawn(chart([1.0, 2.0, None, 2.0, 3.0])).observed.count("M") == 2


def test_a_value_between_two_gaps_is_a_dot() -> None:
    assert drawn(chart([1.0, 2.0, None, 2.0, None, 3.0, 3.0])).observed.count("h0") == 1


@pytest.mark.parametrize("shown", [chart([None]), chart([1.0]).model_copy(update={"reason": "The telemetry is gone."})])
def test_nothing_to_draw_is_no_picture(shown: Chart) -> None:
    assert chart_view(shown, Axis(WINDOW)) is None


def test_a_picture_says_what_it_shows() -> None:
    words = drawn(chart([4.0, 2610.0], [3.0, 3.0], [5.0, 5.0])).words
    assert '"latency" of "shop": between 4 ms and 2.61 s' in words
    assert "Usually about 3 ms." in words
    assert "since 01:48:00 UTC" in words


@given(MOMENTS)
def test_an_axis_holds_every_moment_in_order_and_has_few_ticks(offsets: list[float]) -> None:
    moments = [DETECTED + timedelta(seconds=offset) for offset in offsets]
    axis = around(moments)
    assert all(axis.holds(moment) for moment in moments)
    assert axis.window.seconds >= 300
    lefts = [axis.left(moment) for moment in sorted(moments)]
    assert lefts == sorted(lefts)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(0 <= tick.left <= 100 for tick in ticks)
    assert len({tick.words for tick in ticks}) == len(ticks)


def test_what_lies_beyond_the_axis_stands_at_its_edge() -> None:
    axis = Axis(Window(start=DETECTED, end=DETECTED + timedelta(minutes=10)))
    assert axis.left(DETECTED - timedelta(days=1)) == 0
    assert axis.left(DETECTED + timedelta(days=1)) == 100
    assert [tick.words for tick in axis.ticks()][:2] == ["01:52", "01:54"]
