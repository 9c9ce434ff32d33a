"""Invariants: page by page every row comes once, in order, also where rows share a moment, and whatever is opened meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.listing import Place, Wanted, page
from middlewatch.records import Headline, Investigation, InvestigationState, Outcome, Symptom
from middlewatch.records.errors import BadInput
from tests.store_data import make_investigation

BEGIN = datetime(2026, 11, 21, tzinfo=UTC)


def row(number: int, second: int, state: InvestigationState = InvestigationState.OPEN, service: str = "a") -> Investigation:
    made = make_investigation(identifier=f"inv-{number}")
    alert = made.alert.model_copy(update={"symptom": Symptom(service=service)})
    return made.model_copy(update={"alert": alert, "state": state, "opened_at": BEGIN + timedelta(seconds=second)})


SECONDS = st.lists(st.integers(0, 5), max_size=20)
WANTED = st.builds(
    Wanted,
    state=st.sampled_from([None, InvestigationState.OPEN]),
    service=st.sampled_from([None, "a"]),
    since=st.sampled_from([None, BEGIN + timedelta(seconds=2)]),
)


@given(
    seconds=SECONDS, wanted=WANTED, limit=st.integers(1, 6), closed=st.sets(st.integers(0, 19)), other=st.sets(st.integers(0, 19))
)
def test_pages_are_the_whole_list(seconds: list[int], wanted: Wanted, limit: int, closed: set[int], other: set[int]) -> None:
    rows = [
        row(n, second, InvestigationState.CLOSED if n in closed else InvestigationState.OPEN, "b" if n in other else "a")
        for n, second in enumerate(seconds)
    ]
    asked: list[int] = []

    def newest(count: int) -> list[Investigation]:
        asked.append(count)
        return sorted(rows, key=lambda one: one.opened_at or BEGIN, reverse=True)[:count]  # of one moment in any order

    seen: list[Investigation] = []
    after: Place | None = None
    while True:
        found = page(newest, wanted, after=after, limit=limit)
        assert len(found.rows) <= limit
        seen += found.rows
        rows.append(row(1000 + len(seen), 9, InvestigationState.CANCELLED, "c"))  # somebody opens one meanwhile
        if found.next is None:
            break
        after = found.next
    expected = [one for one in rows if wanted(one) and one.alert.symptom != Symptom(service="c")]
    ours = [one for one in seen if one.alert.symptom != Symptom(service="c")]
    assert sorted(one.id for one in ours) == sorted(one.id for one in expected)
    assert len({one.id for one in seen}) == len(seen)
    assert [one.opened_at for one in seen] == sorted((one.opened_at for one in seen), key=lambda at: at or BEGIN, reverse=True)


def test_the_first_page_reads_hardly_more_than_it_shows() -> None:
    asked: list[int] = []

    def newest(count: int) -> list[Investigation]:
        asked.append(count)
        return [row(n, -n) for n in range(count)]

    assert len(page(newest, Wanted(), after=None, limit=10).rows) == 10
    assert asked == [12]


def test_a_service_is_found_by_its_alarm_and_by_the_answer() -> None:
    blamed = Headline(outcome=Outcome.FINDING, answer="it is b", confidence=0.9, service="b")
    made = row(1, 1).model_copy(update={"headline": blamed})
    assert Wanted(service="a")(made)
    assert Wanted(service="b")(made)
    assert not Wanted(service="c")(made)


@pytest.mark.parametrize("text", ["", "1", "1.", ".a", "x.a", "1.a b", "1." + "a" * 129, "1" * 16 + ".a"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Place.parse(text)


@given(st.integers(0, 10**14), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", fullmatch=True))
def test_a_place_is_read_as_it_is_written(time_ms: int, identifier: str) -> None:
    place = Place(time_ms, identifier)
    assert Place.parse(str(place)) == place
