"""Invariants: every event that the store can hold has exactly one line, and it is RFC 8785."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.approval.audit.lines import FIELDS, FIRST_PREV, line_of, timestamp
from middlewatch.approval.audit.verify import LineError, parsed
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import AuditEvent
from tests.unit.approval.audit.logs import LOG, make_logged

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.text(max_size=10))
def test_every_event_has_a_line_that_reads_back_canonical(data: dict[str, object], actor: str) -> None:
    logged = make_logged(3, data=data, actor=actor)
    line = line_of(logged, log=LOG, prev=FIRST_PREV)
    found = parsed(line)
    assert found.keys() == FIELDS
    assert (found["actor"], found["seq"], found["log"]) == (actor, 3, LOG)
    assert b"\n" not in line


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_the_line_is_the_same_after_the_event_was_stored(data: dict[str, object]) -> None:
    logged = make_logged(0, data=data)
    again = record_from(AuditEvent, text_of(logged.event))
    assert line_of(make_logged(0, data=again.data), log=LOG, prev=FIRST_PREV) == line_of(logged, log=LOG, prev=FIRST_PREV)


def test_a_line_word_by_word() -> None:
    line = line_of(make_logged(0, data={"b": 1.0, "a": "é\n", "c": 2**60}, digest=""), log=LOG, prev=FIRST_PREV)
    assert line.decode() == (
        '{"actor":"person-0","data":{"a":"é\\n","b":1,"c":"1152921504606846976"},"digest":"","event":"request.proposed",'
        f'"log":"{LOG}","obj":"req-0","prev":"{"0" * 64}","seq":0,"tenant":"acme","ts":"2026-11-21T01:56:00.123Z","v":1}}'
    )


@given(st.integers(0, 4_000_000_000_000))
def test_times_have_one_form_and_sort_as_text(time_ms: int) -> None:
    assert datetime.fromisoformat(timestamp(time_ms)).timestamp() * 1000 == pytest.approx(time_ms, abs=0.5)
    assert timestamp(time_ms) < timestamp(time_ms + 1)
    assert datetime.fromisoformat(timestamp(time_ms)).tzinfo == UTC


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"seq":0', '"seq": 0'),
        ('"seq":0', '"seq":-0'),
        ('"seq":0', '"seq":0.0'),
        ('"v":1', '"v":1.0'),
        ('"v":1', '"v":true'),
        ('"v":1', '"v":2'),
        ('"v":1', '"v":1,"v":1'),
        ('"v":1', '"v":1,"w":1'),
        ('"attempt":0', '"attempt":1e0'),
        ('"attempt":0', '"attempt":123456789012345678901'),
        ('"attempt":0', '"attempt":NaN'),
        ('"attempt":0', '"attempt":0.10'),
        ('"face":"web"', '"face":"w\\u0065b"'),
        ('"face":"web"', '"face":"\\u00e9"'),
        ('"face":"web"', '"face":"\\ud800"'),
        ('"tenant":"acme"', '"tenant":null'),
        (':00.123Z"', ':00.123+00:00"'),
        ("2026-11-21T", "2026-13-21T"),
        ('"actor":"person-0","data"', '"data"'),
        ("}", ""),
        ("{", "[{"),
    ],
)
def test_a_line_in_any_other_form_is_refused(old: str, new: str) -> None:
    line = line_of(make_logged(0), log=LOG, prev=FIRST_PREV).decode()
    assert old in line
    assert parsed(line.encode()) == json.loads(line)
    with pytest.raises(LineError):
        parsed(line.replace(old, new, 1).encode())


@pytest.mark.parametrize("number", ["0.1", "1e+21", "1e-7", "100000000000000000000", "-5", "9007199254740991", "333333333.3333333"])
def test_numbers_as_rfc_8785_has_them_pass(number: str) -> None:
    line = line_of(make_logged(0), log=LOG, prev=FIRST_PREV).decode()
    parsed(line.replace('"attempt":0', f'"attempt":{number}').encode())


def test_keys_sort_as_utf_16() -> None:
    line = line_of(make_logged(0, data={"\U0001f600": 1, "\ufb33": 2}), log=LOG, prev=FIRST_PREV)
    assert line.index("\U0001f600".encode()) < line.index("\ufb33".encode())
    parsed(line)


def test_keys_that_sort_otherwise_by_code_point_are_refused_in_that_order() -> None:
    line = line_of(make_logged(0, data={"\U0001f600": 1, "\ufb33": 2}), log=LOG, prev=FIRST_PREV).decode()
    with pytest.raises(LineError, match="canonical"):
        parsed(line.replace('"\U0001f600":1,"\ufb33":2', '"\ufb33":2,"\U0001f600":1').encode())


def test_deep_nesting_is_refused_and_does_no_harm() -> None:
    line = line_of(make_logged(0), log=LOG, prev=FIRST_PREV).replace(b'"attempt":0', b'"attempt":' + b"[" * 100_000)
    with pytest.raises(LineError):
        parsed(line)
