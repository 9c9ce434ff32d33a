"""An answer is given again only to the same question, only for a moment, and only while all answers fit; a failure never is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records.errors import BoundExceeded
from middlewatch.telemetry.answers import Answers, Rows


@dataclass
class Store:
    """Counts what it is asked; an answer says how many came before it."""

    rows: int = 1
    asked: int = 0
    now: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> Rows:
        with self.lock:
            self.asked += 1
            return pa.table({"asked": [self.asked] * self.rows}), ""


def number(rows: Rows) -> int:
    return int(rows[0]["asked"][0].as_py())


def test_the_same_question_is_asked_once_within_the_time_and_again_after_it() -> None:
    store = Store()
    answers = Answers(seconds=60, clock=lambda: store.now)
    assert [number(answers.get("q", {"a": 1}, store.ask)) for _ in range(2)] == [1, 1]
    store.now = 59.9
    assert number(answers.get("q", {"a": 1}, store.ask)) == 1
    store.now = 60
    assert number(answers.get("q", {"a": 1}, store.ask)) == 2


@given(
    st.lists(
        st.tuples(st.sampled_from("pq"), st.dictionaries(st.sampled_from("ab"), st.integers(0, 1) | st.just("1"))), max_size=20
    )
)
def test_another_name_or_another_parameter_is_another_question(questions: list[tuple[str, dict[str, object]]]) -> None:
    store, answers = Store(), Answers()
    given_before: dict[str, int] = {}
    for name, parameters in questions:
        answer = number(answers.get(name, parameters, store.ask))
        assert given_before.setdefault(repr((name, sorted(parameters.items()))), answer) == answer
    assert store.asked == len(given_before)


def test_threads_that_ask_the_same_wait_for_one_answer() -> None:
    store, answers, begun, go = Store(), Answers(), threading.Event(), threading.Event()

    def slow() -> Rows:
        begun.set()
        assert go.wait(30)
        return store.ask()

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(answers.get, "q", {}, slow)
        assert begun.wait(30)
        others = [pool.submit(answers.get, "q", {}, store.ask) for _ in range(7)]
        assert number(answers.get("another", {}, Store().ask)) == 1, "nobody waits for a question of somebody else"
        go.set()
        assert {number(answer.result(30)) for answer in (first, *others)} == {1}
    assert store.asked == 1


def test_a_failure_reaches_everybody_who_waits_and_is_not_kept() -> None:
    store, answers, begun, go = Store(), Answers(), threading.Event(), threading.Event()

    def fail() -> Rows:
        begun.set()
        assert go.wait(30)
        raise BoundExceeded("too much")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.get, "q", {}, fail)
        assert begun.wait(30)
        second = pool.submit(answers.get, "q", {}, fail)
        go.set()
        for answer in (first, second):
            with pytest.raises(BoundExceeded):
                answer.result(30)
    assert number(answers.get("q", {}, store.ask)) == 1


def test_the_least_recently_used_goes_first_when_the_bytes_are_full() -> None:
    store = Store(rows=10)
    answers = Answers(most_bytes=2 * store.ask()[0].nbytes)
    one, two = (number(answers.get(name, {}, store.ask)) for name in ("one", "two"))
    assert number(answers.get("one", {}, store.ask)) == one
    answers.get("three", {}, store.ask)
    assert number(answers.get("one", {}, store.ask)) == one
    assert number(answers.get("two", {}, store.ask)) != two


def test_an_answer_larger_than_all_bytes_is_given_and_not_kept() -> None:
    store = Store()
    answers = Answers(most_bytes=1)
    assert [number(answers.get("q", {}, store.ask)) for _ in range(2)] == [1, 2]
