"""Time cut into equal buckets, and the moments at which the same question can be asked.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from middlewatch.records import Brief, Onset, Window
from middlewatch.records.errors import BoundExceeded
from middlewatch.tools.baseline import Floats
from middlewatch.tools.onset import Split

STEP_SECONDS = 15
"""Fine enough for an onset, coarse enough that a bucket of a busy operation holds tens of spans."""
BUCKETS_PER_MINUTE = 60 // STEP_SECONDS
RECENT_BUCKETS = 3600 // STEP_SECONDS
"""Spreads are taken from the last hour: enough for a standard error, and close enough to be of the same mood of the system."""
ONSET_BUCKETS = 20 * BUCKETS_PER_MINUTE
"""How far before the end of the window an onset is looked for."""
HISTORY_HOURS = (6.0, 1.5, 0.33)
"""How much of the past is asked for; the next is tried where a query hits its bound."""
ONSETS = 7
"""Candidate onsets; the scores are averaged over them, because the true one is unknown."""
DETECTION_SECONDS = 60.0
"""Few alerts fire within a minute of the beginning: a rule needs at least one evaluation. Where no more than that is in question,
right after an earlier incident, whatever began did so within it, and may have begun at any moment up to the detection."""
HEALTHY_SECONDS = 60.0
"""At least so long after an incident, or after telemetry begins, is taken for healthy; half of the time until the next detection
where that is shorter. Whatever is compared needs something to be compared with."""
EARLIER_QUESTIONS = 30
EARLIER_ONSETS = 3
LEAST_VOLUME = 0.3
"""An earlier minute with less than this share of the median minute's volume cannot be compared with the present."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What is different in the buckets ``onset <= i < end`` from all before? Asked for every candidate onset."""

    onsets: tuple[int, ...]
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Buckets of `STEP_SECONDS`, from a whole minute on, up to the end of the incident."""

    window: Window
    size: int
    hidden: NDArray[np.bool_]
    """Buckets of known earlier incidents, shape (size,): they belong to no baseline."""
    question: Question

    @classmethod
    def of(cls, brief: Brief, *, history_hours: float = HISTORY_HOURS[0]) -> Self:
        """The buckets of a brief.

        Args:
            brief: its baseline is cut to the latest `history_hours`.
            history_hours: how much of the past to look at.
        """
        earliest = max(brief.baseline.start, brief.incident.start - timedelta(hours=history_hours))
        window = Window(start=earliest.replace(second=0, microsecond=0), end=brief.incident.end)
        size = _ceil(window, window.end)
        hidden = np.zeros(size, dtype=bool)
        free = 1
        for known in brief.alert.earlier_incidents:
            if known.end <= brief.alert.detected_at:
                last = max(0, _ceil(window, known.end))
                hidden[max(0, _floor(window, known.start)) : last] = True
                free = max(free, last)
        onsets = _onsets(window, brief.incident.start, brief.alert.detected_at, free, size)
        return cls(window=window, size=size, hidden=hidden, question=Question(onsets, size))

    def moment(self, index: int) -> datetime:
        """When a bucket begins."""
        return self.window.start + timedelta(seconds=index * STEP_SECONDS)

    def onset(self, split: Split | None, first: int) -> Onset:
        """When something changed: where its split is, or anywhere from the bucket `first` on where it shows none."""
        split = split or Split(step=first, before=max(0, first - 1), last=self.size - 1)
        return split.onset(self.window.start, STEP_SECONDS)

    def span(self, first: int, last: int) -> Window:
        """The window of the buckets ``first <= i < last``."""
        return Window(start=self.moment(first), end=min(self.moment(last), self.window.end))

    def bucket(self, micros: NDArray[np.int64]) -> NDArray[np.intp]:
        """The bucket of each moment, -1 for those outside of the timeline or in a hidden bucket.

        Args:
            micros: microseconds since 1970 UTC, any shape.
        """
        start = round(self.window.start.timestamp()) * 1_000_000
        at = np.asarray((micros - start) // (STEP_SECONDS * 1_000_000), dtype=np.intp)
        inside = (at >= 0) & (at < self.size)
        return np.where(inside & ~self.hidden[np.where(inside, at, 0)], at, -1)

    def spread(self, table: pa.Table, column: str, group: NDArray[np.intp] | None = None) -> Floats:
        """A list column with one row of buckets per row of the table, 0 where there is nothing.

        Args:
            table: has the list columns `times` (timestamps) and `column`, parallel to each other. What lies outside the
                timeline or in a hidden bucket is left out.
            column: the numbers to spread.
            group: the row of the result that each row of the table is added to; each has its own where this is left out.

        Returns:
            Shape (rows or groups, size).
        """
        group = np.arange(table.num_rows) if group is None else group
        spread = np.zeros((int(group.max()) + 1 if len(group) else 0, self.size))
        times, values = table.column("times").combine_chunks(), table.column(column).combine_chunks()
        if len(times) and len(flat := times.flatten()):
            rows = group[pc.list_parent_indices(times).to_numpy()]
            numbers = values.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
            at = self.bucket(microseconds(flat))
            inside = (at >= 0) & np.isfinite(numbers)
            np.add.at(spread, (rows[inside], at[inside]), numbers[inside])
        return spread

    def unveiled(self, volume: Floats) -> Timeline:
        """This timeline, or one that hides nothing where the known incidents left no baseline.

        Args:
            volume: how much was seen per bucket, hidden ones left out; shape (size,).
        """
        if self.hidden.any() and volume[: max(self.question.onsets)].sum() == 0:
            return replace(self, hidden=np.zeros_like(self.hidden))
        return self

    def begun(self, volume: Floats, detected: datetime) -> Timeline:
        """This timeline, with no onset in question before something was seen that it can be compared with (`healthy_until`).

        Args:
            volume: how much was seen per bucket, hidden ones left out; shape (size,).
            detected: when the alarm was raised.
        """
        seen = np.flatnonzero(volume)
        if not seen.size or (began := self.moment(int(seen[0]))) >= detected:
            return self
        start = healthy_until(began, detected)
        if (least := min(_ceil(self.window, start), self.size - 1)) <= min(self.question.onsets):
            return self
        return replace(self, question=replace(self.question, onsets=_onsets(self.window, start, detected, least, self.size)))

    def without(self, hidden: NDArray[np.bool_]) -> Timeline:
        """This timeline with more hidden buckets, shape (size,)."""
        return replace(self, hidden=self.hidden | hidden)

    def earlier_questions(self, volume: Floats) -> tuple[Question, ...]:
        """The same question at earlier moments at which nothing is known to have been wrong, spread over the history.

        Args:
            volume: how much was seen per bucket, shape (size,).
        """
        asked, minute = self.question, BUCKETS_PER_MINUTE
        reach = asked.end - min(asked.onsets)
        minutes = np.add.reduceat(volume, np.arange(0, self.size, minute))
        typical = float(np.median(minutes[minutes > 0])) if minutes.any() else 0.0
        first = minute * -(-(reach + minute) // minute)
        ends = [
            end
            for end in range(first, min(asked.onsets) + 1, minute)
            if minutes[end // minute - 1] > 0
            and minutes[end // minute - 1] >= LEAST_VOLUME * typical
            and not self.hidden[end - minute : end].any()
        ]
        chosen = [ends[i] for i in sorted({int(i) for i in np.linspace(0, len(ends) - 1, EARLIER_QUESTIONS)})] if ends else []
        onsets = asked.onsets[:: max(1, len(asked.onsets) // EARLIER_ONSETS)]
        return tuple(Question(tuple(end - asked.end + onset for onset in onsets), end) for end in chosen)


def with_history(brief: Brief, read: Callable[[Timeline], T]) -> tuple[T, Timeline, tuple[str, ...]]:
    """Read as much of the past as the source's bounds allow.

    Args:
        brief: what is asked.
        read: asks the source about a timeline.

    Returns:
        What was read, the timeline it was read for, and notes.

    Raises:
        BoundExceeded: even the shortest history is too much.
    """
    notes: tuple[str, ...] = ()
    for hours in HISTORY_HOURS[:-1]:
        timeline = Timeline.of(brief, history_hours=hours)
        try:
            return read(timeline), timeline, notes
        except BoundExceeded as error:
            notes = (f"less than {hours:g} h of history were read, since more hit a bound: {error.message}",)
    timeline = Timeline.of(brief, history_hours=HISTORY_HOURS[-1])
    return read(timeline), timeline, notes


def healthy_until(since: datetime, detected: datetime) -> datetime:
    """Until when at the earliest all was well after something was over, or began, and before the next detection."""
    return since + min(timedelta(seconds=HEALTHY_SECONDS), (detected - since) / 2)


def microseconds(times: pa.Array) -> NDArray[np.int64]:
    """Timestamps as microseconds since 1970 UTC."""
    return cast("NDArray[np.int64]", times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy())


def encoded(texts: pa.Array) -> tuple[list[str], NDArray[np.intp]]:
    """The different texts of a column, and the index of each row's."""
    column = texts.dictionary_encode()
    return cast("list[str]", column.dictionary.to_pylist()), column.indices.to_numpy().astype(np.intp)


def heaviest(before: Floats, after: Floats, most: int) -> NDArray[np.intp]:
    """The rows with the largest shares of all that was before or of all that was after, at most so many, in their order.

    Args:
        before: how much of each row was before, shape (rows,).
        after: the same of after.
        most: how many rows to keep.
    """
    weight = before / max(1.0, before.sum()) + after / max(1.0, after.sum())
    return np.sort(np.argsort(-weight, kind="stable")[:most])


def busiest(table: pa.Table, column: str, most: int) -> pa.Table:
    """The rows with the largest sums of a list column, in their order.

    Args:
        table: any rows with that column.
        column: lists of numbers.
        most: how many rows to keep.
    """
    if table.num_rows <= most:
        return table
    lists = table.column(column).combine_chunks()
    rows, values = pc.list_parent_indices(lists).to_numpy(), lists.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    totals = np.bincount(rows, weights=values, minlength=table.num_rows)
    return table.take(pa.array(np.sort(np.argsort(-totals, kind="stable")[:most])))


def active_minutes(volume: Floats) -> float:
    """How long anything was seen at all, minute by minute.

    Args:
        volume: how much was seen per bucket, shape (buckets,).
    """
    starts = np.arange(0, len(volume), BUCKETS_PER_MINUTE)
    if not len(starts):
        return 0.0
    lengths = np.diff(np.append(starts, len(volume)))
    return float(lengths[np.add.reduceat(volume, starts) > 0].sum()) / BUCKETS_PER_MINUTE


def cumulative(values: Floats) -> Floats:
    """Sums over the buckets before each, with the total as one more column: any window's sum is one difference."""
    return np.concatenate([np.zeros((values.shape[0], 1)), np.cumsum(values, axis=1)], axis=1)


def _onsets(window: Window, start: datetime, detected: datetime, free: int, size: int) -> tuple[int, ...]:
    first = _floor(window, start)
    slack = (detected - start).total_seconds() - DETECTION_SECONDS
    last = max(first, _floor(window, detected - timedelta(seconds=min(DETECTION_SECONDS, max(0.0, slack)))))
    candidates = sorted({round(float(i)) for i in np.linspace(first, last, ONSETS)})
    usable = tuple(i for i in candidates if free <= i < size)
    return usable or (min(max(last, free), size - 1),)


def _floor(window: Window, moment: datetime) -> int:
    return int((moment - window.start).total_seconds() // STEP_SECONDS)


def _ceil(window: Window, moment: datetime) -> int:
    return -int(-(moment - window.start).total_seconds() // STEP_SECONDS)
