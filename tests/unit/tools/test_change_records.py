"""Invariants: only a version that comes back, or a lower one, undoes a change, and only of its own service and kind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.change_records import History, changes_of
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
    history = History.of((FIRST, SECOND, back))
    assert history.undoes(back) == SECOND
    assert history.undone_by(SECOND, DETECTED) == back
    assert history.undone_by(SECOND, back.time) is None
    assert history.undone_by(FIRST, DETECTED) is None


def test_going_back_two_versions_undoes_both() -> None:
    third, back = change(-15, version="2.0"), change(-10, version="1.9.3")
    history = History.of((FIRST, SECOND, third, back))
    assert history.undoes(back) == third
    assert history.undone_by(third, DETECTED) == history.undone_by(SECOND, DETECTED) == back


def test_a_lower_version_undoes_a_higher_one_although_nobody_saw_it_run() -> None:
    lower, other = change(-10, version="1.9.9"), change(-10, version="v2-3")
    assert History.of((SECOND, lower)).undoes(lower) == SECOND
    assert History.of((SECOND, other)).undoes(other) is None


def test_a_version_that_was_taken_back_and_comes_again_undoes_nothing() -> None:
    bad, back, again = change(-50, version="2.0"), change(-40, version="1.9"), change(-10, version="2.0")
    history = History.of((bad, back, again))
    assert history.undoes(again) is None
    assert history.undoes(back) == bad


def test_hashes_have_no_order_and_are_recognised_when_they_come_back() -> None:
    first, second, back = change(-60, version="f00d"), change(-20, version="beef"), change(-10, version="f00d")
    history = History.of((first, second, back))
    assert history.undoes(second) is None
    assert history.undoes(back) == second


def test_another_service_or_kind_undoes_nothing_nor_does_the_same_version_again() -> None:
    for other in (
        change(-10, "web", version="1.9.3"),
        change(-10, kind="config", version="1.9.3"),
        change(-10, version="1.10.0"),
        change(-10, version=""),
    ):
        assert History.of((FIRST, SECOND, other)).undoes(other) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99), st.integers(0, 99)), unique=True, max_size=8).map(sorted))
def test_versions_that_only_rise_undo_nothing(versions: list[tuple[int, int, int]]) -> None:
    history = History.of(change(-60 + i, version=".".join(map(str, v))) for i, v in enumerate(versions))
    assert not history.taken_back
    assert not history.undone


@given(st.lists(st.integers(0, 4), max_size=40))
def test_whatever_versions_come_and_go_a_rollback_comes_after_what_it_ends(versions: list[int]) -> None:
    history = History.of(change(-60 + i, version=f"1.{v}") for i, v in enumerate(versions))
    assert all(ended.time < rollback.time for ended, rollback in history.undone.items())
    assert all(history.undone[ended] == rollback for rollback, ended in history.taken_back.items())
    assert all(ended.version != rollback.version for ended, rollback in history.undone.items())
