"""Invariants: only a version that comes back, or a lower one, undoes a change, and only of its own service and kind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.change_records import changes_of, undoes, undone_by
from tests.unit.tools.synthetic_changes import change
from tests.unit.tools.synthetic_telemetry import DETECTED, Changes, brief

FIRST, SECOND = change(-60, version="1.9.3"), change(-20, version="1.10.0")


def test_rows_become_changes() -> None:
    source = Changes([(-3.0, "web", "flag", ""), (-1.0, "db", "deploy", "7")], description="a\nb")
    first, second = changes_of(source.changes(brief().incident).table)
    assert (first.service, first.kind, first.version, first.description) == ("web", "flag", "", "a\nb")
    assert first.name == 'flag of "web" at 01:57:00 UTC'
    assert second.name == 'deploy "7" of "db" at 01:59:00 UTC'


def test_a_version_that_comes_back_undoes_the_one_that_it_replaces() -> None:
    back = change(-10, version="1.9.3")
    history = (FIRST, SECOND, back)
    assert undoes(back, history) == SECOND
    assert undone_by(SECOND, history, DETECTED) == back
    assert undone_by(SECOND, history, back.time) is None
    assert undone_by(FIRST, history, DETECTED) is None


def test_a_lower_version_undoes_a_higher_one_although_nobody_saw_it_run() -> None:
    assert undoes(change(-10, version="1.9.9"), (SECOND,)) == SECOND
    assert undoes(change(-10, version="v2-3"), (SECOND,)) is None


def test_a_version_that_was_taken_back_and_comes_again_undoes_nothing() -> None:
    bad, back, again = change(-50, version="2.0"), change(-40, version="1.9"), change(-10, version="2.0")
    assert undoes(again, (bad, back, again)) is None
    assert undoes(back, (bad, back, again)) == bad


def test_hashes_have_no_order_and_are_recognised_when_they_come_back() -> None:
    first, second = change(-60, version="f00d"), change(-20, version="beef")
    assert undoes(second, (first, second)) is None
    assert undoes(change(-10, version="f00d"), (first, second)) == second


def test_another_service_or_kind_undoes_nothing_nor_does_the_same_version_again() -> None:
    history = (FIRST, SECOND)
    assert undoes(change(-10, "web", version="1.9.3"), history) is None
    assert undoes(change(-10, kind="config", version="1.9.3"), history) is None
    assert undoes(change(-10, version="1.10.0"), history) is None
    assert undoes(change(-10, version=""), history) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99), st.integers(0, 99)), unique=True, max_size=8).map(sorted))
def test_versions_that_only_rise_undo_nothing(versions: list[tuple[int, int, int]]) -> None:
    history = tuple(change(-60 + i, version=".".join(map(str, v))) for i, v in enumerate(versions))
    assert [undoes(each, history) for each in history] == [None] * len(history)
    assert [undone_by(each, history, DETECTED) for each in history] == [None] * len(history)
