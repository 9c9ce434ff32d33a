"""Invariants: the whole path is drawn, in order; no box covers another or leaves the picture; names of others are only names."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.frontends.web.map_view import BESIDE, Box, MapView, map_view
from middlewatch.records import Edge, Explanation, PathStep, Report
from tests import reports
from tests.hostile import HOSTILE
from tests.hostile_reports import filled

NAMES = st.sampled_from([f"service-{number}" for number in range(9)])
EDGES = st.lists(st.tuples(NAMES, NAMES, st.integers(0, 9)), max_size=20)
PATHS = st.lists(NAMES, min_size=1, max_size=5, unique=True)


def report(path: list[str], edges: list[tuple[str, str, int]]) -> Report:
    base = reports.finding()
    first = base.hypotheses[0]
    assert first.explanation is not None
    steps = tuple(PathStep(service=name) for name in path)
    explanation: Explanation = first.explanation.model_copy(update={"path": steps})
    return base.model_copy(
        update={
            "hypotheses": (first.model_copy(update={"explanation": explanation}), *base.hypotheses[1:]),
            "service_map": tuple(Edge(caller=one, callee=other, calls=calls) for one, other, calls in edges),
        }
    )


def drawn(shown: Report) -> MapView:
    view = map_view(shown)
    assert view is not None
    return view


def apart(one: Box, other: Box) -> bool:
    return (
        one.left + one.width <= other.left
        or other.left + other.width <= one.left
        or one.top + one.height <= other.top
        or other.top + other.height <= one.top
    )


@given(PATHS, EDGES)
def test_the_path_is_drawn_whole_and_nothing_overlaps(path: list[str], edges: list[tuple[str, str, int]]) -> None:
    view = drawn(report(path, edges))
    assert [box.title for box in view.boxes if box.on_path] == path
    assert len(view.arrows) == len(path) - 1
    assert all(apart(one, other) for one, other in combinations(view.boxes, 2))
    assert all(box.left + box.width <= sum(BESIDE) and box.top + box.height <= view.height for box in view.boxes)
    neighbours = {name for one, other, _ in edges for name in (one, other) if {one, other} & set(path)} - set(path)
    assert len([box for box in view.boxes if not box.on_path]) <= len(neighbours)
    assert {box.title for box in view.boxes if not box.on_path} <= neighbours


def test_the_picture_is_said_in_words() -> None:
    view = drawn(reports.finding())
    assert view.words == "From checkout-api (01:46:20) → storefront-web (01:46:58, alarmed)."
    remarks = {box.title: box.remark for box in view.boxes}
    assert remarks["checkout-api"] == "root cause, since 01:46:20"
    assert remarks["storefront-web"] == "alarmed, since 01:46:58"


def test_without_a_path_there_is_no_picture() -> None:
    assert map_view(reports.inconclusive()) is None
    assert map_view(reports.empty()) is None


@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_names_of_others_cannot_hide_or_reorder_anything(texts: list[str]) -> None:
    view = drawn(filled(reports.finding(), texts))
    for text in [view.words, *(box.name for box in view.boxes), *(box.title for box in view.boxes)]:
        assert text.isprintable()
