"""Nothing is acknowledged before it is stored, small pieces are stored together, and what is too much is pushed back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pyarrow as pa
import pytest

from middlewatch.records.errors import IntakeFull, MiddlewatchError, SourceUnavailable, Unavailable
from middlewatch.telemetry.intake import ENOUGH_ROWS, Bounds, Intake

SECONDS = 10


def rows(count: int, word: str = "a") -> pa.Table:
    return pa.table({"Body": [word] * count})


class Store:
    """Takes batches, where it is let."""

    def __init__(self, refuse: Callable[[pa.Table], MiddlewatchError | None] = lambda _: None) -> None:
        self.batches: list[tuple[str, int]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self._refuse = refuse

    def insert(self, table: str, batch: pa.Table) -> None:
        self.entered.set()
        assert self.open.wait(SECONDS)
        if error := self._refuse(batch):
            raise error
        self.batches.append((table, batch.num_rows))


def hand_in_behind(store: Store, intake: Intake, *words: str) -> list[Future[None]]:
    """Pieces that wait together while another is being stored."""
    store.open.clear()
    first = intake.hand_in({"t": rows(ENOUGH_ROWS)})
    assert store.entered.wait(SECONDS)
    others = [intake.hand_in({"t": rows(1, word)}) for word in words]
    store.open.set()
    return [first, *others]


def test_what_waits_is_stored_together_and_each_caller_told_after_that() -> None:
    store = Store()
    with Intake(store.insert) as intake:
        futures = hand_in_behind(store, intake, "a", "b", "c")
        for future in futures:
            future.result(SECONDS)
    assert store.batches == [("t", ENOUGH_ROWS), ("t", 3)]


def test_nobody_is_told_before_all_tables_are_stored() -> None:
    store = Store()
    store.open.clear()
    with Intake(store.insert) as intake:
        future = intake.hand_in({"t": rows(ENOUGH_ROWS), "u": rows(ENOUGH_ROWS)})
        assert store.entered.wait(SECONDS)
        assert not future.done()
        store.open.set()
        future.result(SECONDS)
    assert sorted(store.batches) == [("t", ENOUGH_ROWS), ("u", ENOUGH_ROWS)]


def test_more_than_may_wait_is_pushed_back_with_a_time_and_taken_later() -> None:
    store = Store()
    with Intake(store.insert, Bounds(rows=ENOUGH_ROWS + 1)) as intake:
        store.open.clear()
        first = intake.hand_in({"t": rows(ENOUGH_ROWS)})
        with pytest.raises(IntakeFull) as told:
            intake.hand_in({"t": rows(2)})
        assert told.value.retryable
        assert told.value.retry_after_seconds >= 1
        store.open.set()
        first.result(SECONDS)
        intake.hand_in({"t": rows(2)}).result(SECONDS)
    assert store.batches == [("t", ENOUGH_ROWS), ("t", 2)]


def test_the_bound_on_bytes_counts_as_well_and_one_alone_is_always_taken() -> None:
    store = Store()
    with Intake(store.insert, Bounds(size_bytes=10)) as intake:
        store.open.clear()
        first = intake.hand_in({"t": rows(ENOUGH_ROWS)})
        with pytest.raises(IntakeFull):
            intake.hand_in({"t": rows(1)})
        store.open.set()
        first.result(SECONDS)


@pytest.mark.parametrize("error", [SourceUnavailable("away"), MiddlewatchError("odd")])
def test_a_failed_batch_is_told_to_each_of_its_callers_as_something_to_try_again(error: MiddlewatchError) -> None:
    store = Store(lambda _: error)
    with Intake(store.insert) as intake:
        for future in hand_in_behind(store, intake, "a", "b"):
            with pytest.raises(Unavailable):
                future.result(SECONDS)
        assert store.batches == []


def test_what_the_store_refuses_for_good_does_not_take_others_with_it() -> None:
    store = Store(lambda batch: MiddlewatchError("bad row") if "bad" in batch["Body"].to_pylist() else None)
    with Intake(store.insert) as intake:
        _, good, bad, another = hand_in_behind(store, intake, "good", "bad", "good")
        good.result(SECONDS)
        another.result(SECONDS)
        with pytest.raises(Unavailable, match="bad row"):
            bad.result(SECONDS)


def test_an_error_that_nobody_thought_of_does_not_end_the_intake() -> None:
    def insert(_table: str, batch: pa.Table) -> None:
        if batch.num_rows == 1:
            raise RuntimeError

    with Intake(insert) as intake:
        with pytest.raises(Unavailable):
            intake.hand_in({"t": rows(1)}).result(SECONDS)
        intake.hand_in({"t": rows(2)}).result(SECONDS)


def test_what_was_taken_is_stored_at_the_end_and_nothing_is_taken_after_it() -> None:
    store = Store()
    intake = Intake(store.insert)
    future = intake.hand_in({"t": rows(1)})
    intake.close()
    assert future.done()
    assert store.batches == [("t", 1)]
    with pytest.raises(Unavailable):
        intake.hand_in({"t": rows(1)})


def test_a_batch_has_one_dictionary_of_each_column_as_arrow_files_need() -> None:
    files = list[pa.Buffer]()

    def insert(_table: str, batch: pa.Table) -> None:
        with pa.ipc.new_file(sink := pa.BufferOutputStream(), batch.schema) as file:
            file.write_table(batch)
        files.append(sink.getvalue())

    def named(word: str) -> pa.Table:
        keys = pa.array([word]).dictionary_encode()
        return pa.table({"a": pa.MapArray.from_arrays([0, 1], keys, pa.array(["value"]))})

    with Intake(insert) as intake:
        for future in [intake.hand_in({"t": named(word)}) for word in "xyz"]:
            future.result(SECONDS)
    assert [row for file in files for row in pa.ipc.open_file(file).read_all()["a"].to_pylist()] == [
        [(word, "value")] for word in "xyz"
    ]


def test_nothing_is_stored_at_once() -> None:
    with Intake(Store().insert) as intake:
        assert intake.hand_in({}).done()
