"""Invariants: an answer agrees with what was recorded or does not, nothing else; what is in the file is not asked again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.evals.past_alerts import PastAlert, read_alerts
from middlewatch.evals.shadow import Agreement, Said, agreement, compared_again, is_among_first, read_said, summed
from middlewatch.records.errors import BadInput

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
FIRED = NOW - timedelta(hours=1)


def written(folder: Path, *lines: object) -> Path:
    file = folder / "alerts.jsonl"
    file.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return file


def line(**more: object) -> dict[str, object]:
    return {"time": FIRED.isoformat(), "service": "shop"} | more


def read(file: Path) -> tuple[PastAlert, ...]:
    return read_alerts(file, NOW, after_seconds=60)


@pytest.mark.parametrize(
    ("cause", "causes"),
    [({}, None), ({"cause": None}, ()), ({"cause": "db"}, ("db",)), ({"cause": ["db", "cart"]}, ("db", "cart"))],
)
def test_no_cause_is_not_the_same_as_nothing_recorded(
    tmp_path: Path, cause: dict[str, object], causes: tuple[str, ...] | None
) -> None:
    (found,) = read(written(tmp_path, line(**cause)))
    assert (found.causes, found.id, found.asked_at - found.time) == (causes, "line-1", timedelta(seconds=60))


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["nonsense\n"], "line 1: the line"),
        ([line(), "\n", line(service="")], "line 3: service"),
        ([line(servce="x")], "line 1: servce"),
        ([line(cause="")], "line 1: cause"),
        ([line(time=NOW.isoformat())], "line 1: the alert is not 60 s ago yet"),
        ([line(time="0001-01-01T00:00:00+14:00")], "line 1: time"),
        ([line(id="a"), line(id="a")], "line 2: the id 'a' is there already"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, lines: list[object], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        read(written(tmp_path, *lines))


def test_what_was_over_before_is_known_and_what_was_not_is_not(tmp_path: Path) -> None:
    first = line(id="a", ended=(FIRED + timedelta(minutes=10)).isoformat())
    during, after = (line(id=f"{n}", time=(FIRED + timedelta(minutes=n)).isoformat(), cause="db") for n in (5, 20))
    alerts = read(written(tmp_path, first, during, after))
    assert [len(one.alert("acme", alerts).earlier_incidents) for one in alerts] == [0, 0, 1]
    assert all("db" not in one.alert("acme", alerts).model_dump_json() for one in alerts), "the cause is told to nobody"


def said(causes: tuple[str, ...] | None, named: tuple[str, ...], **more: object) -> Said:
    alert = PastAlert(id="a", time=FIRED, asked_at=FIRED + timedelta(seconds=60), title="x", causes=causes)
    ranking = tuple((name, 5.0 - n) for n, name in enumerate(named))
    made = Said(key=alert.key(""), alert=alert, causes=named, inconclusive=not named, seconds=1.0, ranking=ranking)
    return made.model_copy(update={"agreement": agreement(causes, named)} | more)


@pytest.mark.parametrize(("score", "among"), [(0.5, True), (0.0, False), (-0.2, False)])
def test_a_suspect_with_nothing_against_it_is_none(score: float, *, among: bool) -> None:
    assert is_among_first(said(("db",), (), ranking=(("db", score),))) is among


names = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True).map(tuple)


@settings(max_examples=40)
@given(st.lists(st.builds(said, st.none() | names, names), max_size=12))
def test_every_answer_counts_once(found: list[Said]) -> None:
    total, kinds = summed(found, len(found)), [one.agreement for one in found]
    caused = total.named.of + total.false_alarms.of + total.not_recorded
    assert caused == total.answered == len(found)
    assert total.named.hits == kinds.count(Agreement.AGREES) == total.right.hits
    assert total.right.of == sum(kinds.count(kind) for kind in (Agreement.AGREES, Agreement.DIFFERS, Agreement.FALSE_ALARM))
    assert total.false_alarms.hits == kinds.count(Agreement.FALSE_ALARM)
    assert total.named.hits <= total.first_three.hits or total.named.of == 0


def test_suspects_that_are_as_likely_as_each_other_count_against_it() -> None:
    tied = tuple((name, 1.0) for name in ("a", "b", "c", "d"))
    assert not is_among_first(said(("a",), ("a",), ranking=tied))
    assert is_among_first(said(("a",), ("b", "a")))


def test_a_cause_that_is_recorded_later_needs_no_other_answer() -> None:
    before = said(None, ("db",))
    known = before.alert.model_copy(update={"causes": ("db",), "note": "it was the index"})
    assert known.key("") == before.key
    assert compared_again(before, known).agreement is Agreement.AGREES


def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    file, one = tmp_path / "out.jsonl", said(None, ())
    file.write_text(one.model_dump_json() + "\n" + one.model_dump_json()[:40])
    assert read_said(file) == {one.key: one}
    file.write_text("nonsense\n" + one.model_dump_json() + "\n")
    with pytest.raises(BadInput, match="line 1"):
        read_said(file)
