"""Invariants: a span and its pieces lie inside the request, and missing time is said in words."""

from __future__ import annotations

import pytest

from middlewatch.frontends.web.waterfall_view import waterfall_view
from middlewatch.records import Lost, Stretch, Waterfall, WaterfallSpan
from tests.report_parts import DETECTED


def span(start_ms: float, duration_ms: float, *own: Stretch, depth: int = 0, service: str = "shop") -> WaterfallSpan:
    return WaterfallSpan(
        span_id=f"{start_ms:g}",
        depth=depth,
        service=service,
        operation="SELECT <b>\x1b[2J",
        start_ms=start_ms,
        duration_ms=duration_ms,
        failed=False,
        own=own,
        own_ms=sum(one.end_ms - one.start_ms for one in own),
        critical=True,
    )


def request(*spans: WaterfallSpan, duration_ms: float = 100.0) -> Waterfall:
    return Waterfall(trace_id="7be1", start=DETECTED, duration_ms=duration_ms, spans=spans)


def test_spans_are_placed_by_their_share_of_the_request() -> None:
    pieces = (
        Stretch(start_ms=0, end_ms=20, kind=Lost.OWN),
        Stretch(start_ms=60, end_ms=90, kind=Lost.BETWEEN, words='between "shop" and "db"'),
    )
    view = waterfall_view(request(span(0, 100, *pieces), span(20, 40, depth=1)))
    root, child = view.spans
    assert (root.left, root.width, child.left, child.width) == (0, 100, 20, 40)
    assert [(one.left, one.width, one.missing) for one in root.pieces] == [(0, 20, False), (60, 30, True)]
    assert root.missing == ('between "shop" and "db": 30 ms',)
    assert root.times == "50 ms of 100 ms"
    assert view.duration == "100 ms"


@pytest.mark.parametrize(("start_ms", "duration_ms"), [(-5.0, 10.0), (95.0, 40.0), (0.0, 0.0), (150.0, 1.0)])
def test_a_span_that_clocks_put_outside_is_drawn_at_the_edge(start_ms: float, duration_ms: float) -> None:
    (one,) = waterfall_view(request(span(start_ms, duration_ms))).spans
    assert 0 <= one.left <= 100
    assert one.width > 0
    assert one.left + one.width <= 100.2, "a span of no length is still seen"


def test_a_part_that_is_longer_than_the_whole_is_explained() -> None:
    """A caller that gave up after three seconds, and the work that went on for a fourth."""
    late = span(2, 3950, depth=1).model_copy(update={"parent_id": "0"})
    view = waterfall_view(request(span(0, 3000), late, duration_ms=3952))
    assert view.spans[0].after == ""
    assert view.spans[1].after.startswith("950 ms longer than what called it: work that goes on after its caller had an answer")
    assert view.duration == "answered after 3 s, its last span over after 3.95 s"


@pytest.mark.parametrize("duration_ms", [1.0, 99.0, 100.9])
def test_a_part_of_the_whole_needs_no_explanation(duration_ms: float) -> None:
    child = span(1, duration_ms, depth=1).model_copy(update={"parent_id": "0"})
    view = waterfall_view(request(span(0, 100), child))
    assert [one.after for one in view.spans] == ["", ""]
    assert view.duration == "100 ms"


def test_a_request_of_no_length_and_one_that_is_gone() -> None:
    assert waterfall_view(request(span(0, 0), duration_ms=0)).spans[0].left == 0
    assert waterfall_view(Waterfall(trace_id="", reason="It is gone.")).spans == ()


def test_names_are_written_so_that_they_hide_nothing() -> None:
    (one,) = waterfall_view(request(span(0, 1, service="a\u202eb"))).spans
    assert one.name.isprintable()
