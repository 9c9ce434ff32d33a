"""Rows that come in live, stored in batches: whoever hands rows in waits until the batch that they are in has been inserted.

ClickHouse is slow with small inserts, and senders send small ones. So what arrives within a moment is inserted together, one batch
a table at a time; while a batch is being inserted the next one gathers. Nobody is told that rows are stored before they are.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Self

import pyarrow as pa

from middlewatch.records.errors import IntakeFull, MiddlewatchError, SourceUnavailable, Unavailable

LOG = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.1
"""How long the first rows of a small batch wait for others. An SDK sends 512 spans at a time and waits for each answer, so this is
what bounds a busy service; ten inserts a second cost a store little. Chosen, not derived."""
ENOUGH_ROWS: Final = 5_000
"""So many are inserted without waiting for more. Below 1,000 an insert costs the same however few they are."""
BATCH_ROWS: Final = 100_000
"""At most so many at once, as imports do."""
MIB: Final = 1024 * 1024
LEAST_RETRY_SECONDS: Final = 1
MOST_RETRY_SECONDS: Final = 30
FIRST_RATE: Final = 20_000.0
"""Rows a second that a store is taken for until one was seen to take some."""
KEPT_OF_RATE: Final = 0.7
"""How much the batches before count against the latest one."""

Insert = Callable[[str, pa.Table], None]
"""Appends rows to a table; they are on disk when it returns."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may wait at once. More is pushed back: a sender that repeats itself loses nothing, a process without memory does."""

    rows: int = 200_000
    """About four seconds of what a store takes: less than a sender waits. Chosen, not derived."""
    size_bytes: int = 256 * MIB


class Intake:
    """Takes rows and stores them. Safe to share between threads."""

    def __init__(self, insert: Insert, bounds: Bounds | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is inserted yet, and no thread runs.

        Args:
            insert: stores a batch.
            bounds: what may wait at once.
            clock: in seconds.
        """
        self._insert = insert
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}
        self._rows = self._bytes = 0
        self._rate = FIRST_RATE
        self._closed = False

    def hand_in(self, tables: Mapping[str, pa.Table]) -> Future[None]:
        """Take rows; they are stored once the answer is there.

        Args:
            tables: rows by the name of the table that they go to.

        Returns:
            What is over when all of them are stored. Where they could not be, it raises an `Unavailable`: the rows may be handed in
            again, and some of them may then be there twice.

        Raises:
            IntakeFull: too much waits already; none of these rows was taken.
            Unavailable: the intake is closing.
        """
        rows, size = sum(table.num_rows for table in tables.values()), sum(table.nbytes for table in tables.values())
        ticket = _Ticket(len(tables), rows, size)
        if not tables:
            ticket.future.set_result(None)
            return ticket.future
        with self._lock:
            if self._closed:
                raise Unavailable("The intake is closing.", remedy="Send it again in a moment.")
            if self._rows and (self._rows + rows > self._bounds.rows or self._bytes + size > self._bounds.size_bytes):
                raise IntakeFull(retry_after_seconds=self._wait_seconds())
            self._rows += rows
            self._bytes += size
            for name, table in tables.items():
                self._lane(name).put(_Piece(table, ticket, self._clock()))
        return ticket.future

    def close(self) -> None:
        """Take nothing more, and store what was taken."""
        with self._lock:
            self._closed = True
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lane(self, name: str) -> _Lane:
        if name not in self._lanes:
            self._lanes[name] = _Lane(name, self._store, self._clock)
        return self._lanes[name]

    def _wait_seconds(self) -> int:
        """How long it takes until what waits is stored, about."""
        return min(MOST_RETRY_SECONDS, max(LEAST_RETRY_SECONDS, math.ceil(self._rows / self._rate)))

    def _store(self, name: str, pieces: list[_Piece]) -> None:
        """Insert pieces together, and tell whoever handed them in. What the store refuses as it is, is tried one by one."""
        began = self._clock()
        error = self._inserted(name, pieces)
        if error is not None and not error.retryable and len(pieces) > 1:
            for piece in pieces:
                self._over(piece, self._inserted(name, [piece]))
            return
        taken = self._clock() - began
        if error is None and taken > 0:
            with self._lock:
                rows = sum(piece.table.num_rows for piece in pieces)
                self._rate = max(1.0, KEPT_OF_RATE * self._rate + (1 - KEPT_OF_RATE) * rows / taken)
        for piece in pieces:
            self._over(piece, error)

    def _inserted(self, name: str, pieces: list[_Piece]) -> MiddlewatchError | None:
        try:
            # One dictionary for all: Arrow's file format, in which they are inserted, has one of each column.
            self._insert(name, pa.concat_tables([piece.table for piece in pieces]).unify_dictionaries())
        except MiddlewatchError as error:
            LOG.warning("%d rows of %s were not stored: %s", sum(piece.table.num_rows for piece in pieces), name, error)
            return error
        except Exception as error:  # of whatever kind: whoever waits for it must hear that it was not stored
            LOG.exception("%d rows of %s were not stored", sum(piece.table.num_rows for piece in pieces), name)
            return MiddlewatchError(f"{type(error).__name__} while storing")
        return None

    def _over(self, piece: _Piece, error: MiddlewatchError | None) -> None:
        ticket = piece.ticket
        with self._lock:
            ticket.error = ticket.error or error
            ticket.tables -= 1
            last = ticket.tables == 0
            if last:
                self._rows -= ticket.rows
                self._bytes -= ticket.size_bytes
        if last:
            ticket.tell()


@dataclass(slots=True)
class _Ticket:
    """What one caller waits for."""

    tables: int
    """That are not stored yet."""
    rows: int
    size_bytes: int
    error: MiddlewatchError | None = None
    future: Future[None] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.future.set_running_or_notify_cancel()  # a caller that goes away takes nothing back

    def tell(self) -> None:
        if self.error is None:
            self.future.set_result(None)
        elif isinstance(self.error, Unavailable):
            self.future.set_exception(self.error)
        else:
            told = SourceUnavailable(f"It could not be stored: {self.error.message}", remedy=self.error.remedy)
            self.future.set_exception(told)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one caller for one table."""

    table: pa.Table
    ticket: _Ticket
    at: float


class _Lane:
    """The rows that wait for one table, and the thread that stores them."""

    def __init__(self, name: str, store: Callable[[str, list[_Piece]], None], clock: Callable[[], float]) -> None:
        self._name = name
        self._store = store
        self._clock = clock
        self._waiting: deque[_Piece] = deque()
        self._rows = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"intake-{name}", daemon=True)
        self._thread.start()

    def put(self, piece: _Piece) -> None:
        with self._changed:
            self._waiting.append(piece)
            self._rows += piece.table.num_rows
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while pieces := self._next():
            self._store(self._name, pieces)

    def _next(self) -> list[_Piece]:
        """The next batch; none when there is nothing left and nothing to come."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._waiting:
                until = self._waiting[0].at + GATHER_SECONDS
                while self._rows < ENOUGH_ROWS and not self._closed and (left := until - self._clock()) > 0:
                    self._changed.wait(left)
            batch: list[_Piece] = []
            rows = 0
            while self._waiting and (not batch or rows + self._waiting[0].table.num_rows <= BATCH_ROWS):
                batch.append(self._waiting.popleft())
                rows += batch[-1].table.num_rows
            self._rows -= rows
            return batch
