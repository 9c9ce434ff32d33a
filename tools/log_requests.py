"""What the spans of requests wrote, line by line: the units in which a log pattern is present or missing.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.tools.baseline import Floats
from middlewatch.tools.log_units import Indices, Micros, Run, Units
from middlewatch.tools.presence import HALF_LIFE_SECONDS, INDIFFERENT, LEAST_UNITS, Change, Presence
from middlewatch.tools.timeline import STEP_SECONDS, Timeline, heaviest, microseconds

MANY_REQUESTS = 30
"""From so many requests in the half-life of a presence on, the recent ones tell what is usual. Where there are fewer, as in a
sample, all that is known counts, and what else is known of lines."""
MOST_KEYS = 4000
"""Keys that are compared; their rows of buckets are 48 kB."""


@dataclass(frozen=True, slots=True, eq=False)
class KeyChange(Change):
    """What changed at one onset, of keys."""

    among_sound: NDArray[np.bool_]
    """Where it is seen among the sound requests, before and after, and all requests do not show it; shape (keys,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Units, the spans of requests, in order of their buckets; and their lines, in order of their keys and times.

    A key is a pattern in a run. A unit has a key's line once, the first. Requests weigh the same however many spans of a run they
    have: spans of one request are no independent observations.
    """

    runs: tuple[Run, ...]
    run: Indices
    request: Indices
    began: Micros
    ended: Micros
    bucket: Indices
    weight: Floats
    key_run: Indices
    key_pattern: Indices
    delay: Floats
    """How long after the beginning of its unit each key's line usually comes, in microseconds: the median."""
    first_line: Indices
    """Where the lines of each key begin, shape (keys + 1,)."""
    key: Indices
    unit: Indices
    at: Micros
    by_unit: Indices
    """The lines in the order of their units,"""
    first_of_unit: Indices
    """and where those of each unit begin, shape (units + 1,)."""
    all: Presence
    sound: Presence
    """The same, but only of requests in which nothing severe was written."""

    @classmethod
    def of(
        cls,
        table: pa.Table,
        patterns: Mapping[tuple[str, str], int],
        severe: NDArray[np.bool_],
        silent: NDArray[np.bool_],
        timeline: Timeline,
        clocks: Mapping[str, int] | None = None,
    ) -> Requests:
        """From the rows of `LogSource.requests`.

        Args:
            table: those rows.
            patterns: the index of each service's pattern; lines of others are left out.
            severe: whether a pattern says that something failed, shape (patterns,).
            silent: buckets in which nobody writes anything, shape (size,). Spans in them do not count: that says something about
                the logs, not about a service.
            timeline: the buckets.
            clocks: by how many microseconds a service's is ahead of the others'.
        """
        bucket = timeline.bucket(microseconds(table.column("began").combine_chunks()))
        counted = np.flatnonzero((bucket >= 0) & ~silent[np.maximum(bucket, 0)])
        units = Units.of(table.take(pa.array(counted)), patterns, clocks or {})
        bucket, width = bucket[counted][units.row], max(1, severe.size)
        _, same, times = np.unique(units.request * len(units.runs) + units.run, return_inverse=True, return_counts=True)
        weight = 1 / times[same]
        failed = np.zeros(int(units.request.max(initial=-1)) + 1, dtype=bool)
        failed[units.request[units.unit[severe[units.pattern]]]] = True
        half_lives = np.count_nonzero(~silent) * STEP_SECONDS / HALF_LIFE_SECONDS

        keys, lines, key = _first_lines(units, width, bucket[units.unit] >= min(timeline.question.onsets))
        unit, at = units.unit[lines], units.at[lines]
        shape = (len(units.runs), timeline.size)
        counts = [
            (
                _per_bucket(each, units.run, bucket, shape)[keys // width],
                _per_bucket(each[unit], key, bucket[unit], (keys.size, timeline.size)),
            )
            for each in (weight, weight * ~failed[units.request])
        ]
        few, before = failed.size < MANY_REQUESTS * half_lives, slice(min(timeline.question.onsets))
        all_units, present = (count[:, before].sum(axis=1) for count in counts[0])
        alike = _alike(all_units, present, severe[keys % width]) if few else None
        in_all, in_sound = (Presence.of(*each, alike=alike) for each in counts)
        return cls(
            runs=units.runs,
            run=units.run,
            request=units.request,
            began=units.began,
            ended=units.ended,
            bucket=bucket,
            weight=weight,
            key_run=keys // width,
            key_pattern=keys % width,
            delay=_medians(at - units.began[unit], key, keys.size),
            first_line=np.searchsorted(key, np.arange(keys.size + 1)),
            key=key,
            unit=unit,
            at=at,
            by_unit=np.argsort(unit, kind="stable"),
            first_of_unit=np.searchsorted(np.sort(unit), np.arange(units.run.size + 1)),
            all=in_all,
            sound=in_sound,
        )

    def change(self, onset: int, end: int) -> KeyChange:
        """How much each key's presence changed, against what is usual for all requests and for the sound ones.

        What only one of the two shows is no evidence: that requests no longer fail as they did brings back other lines. It is if
        the sound requests after the onset show it, too: that what failed before lacked the same line excuses none that did not
        fail. Where hardly any request is without severe lines, they say nothing about its state.
        """
        change, sound, within = self.all.change(onset, end), self.all.against(self.sound, onset, end), self.sound.change(onset, end)
        rare = self.sound.units[:, onset] < LEAST_UNITS
        both = np.where(rare, change.bound, _agreed(change, sound))
        alone = np.where(rare, 0.0, _agreed(within, sound))
        only = alone > both
        return KeyChange(
            log_odds=np.where(only, within.log_odds, change.log_odds),
            bound=np.maximum(both, alone),
            before=np.where(only, within.before, change.before),
            after=np.where(only, within.after, change.after),
            among_sound=only,
        )

    @property
    def written(self) -> Indices:
        """How many units wrote each key's line; none for units that are looked at a second time."""
        second = np.array([run.opening for run in self.runs], dtype=bool)
        return np.where(second[self.key_run], 0, np.diff(self.first_line))

    def lines_of(self, key: int) -> slice:
        """The lines of a key."""
        return slice(int(self.first_line[key]), int(self.first_line[key + 1]))

    def missed(self, key: int, units: Indices) -> Micros:
        """When each of these units should have written the key's line at the latest: where one that usually comes later was
        written, or at their end.
        """
        first, count = self.first_of_unit[units], np.diff(self.first_of_unit)[units]
        owner = np.repeat(np.arange(units.size), count)
        place = np.arange(owner.size) - np.repeat(np.cumsum(count) - count, count)
        lines = self.by_unit[first[owner] + place]
        later = self.delay[self.key[lines]] > self.delay[key]
        missed = self.ended[units].copy()
        np.minimum.at(missed, owner[later], self.at[lines[later]])
        return missed


def _first_lines(units: Units, width: int, late: NDArray[np.bool_]) -> tuple[Indices, Indices, Indices]:
    """The heaviest keys, the first line of each in every unit, and that line's key; by key and by time.

    Args:
        units: with their lines.
        width: how many patterns there are; a key is a run and a pattern.
        late: whether a line was written after the earliest onset, shape (lines,).
    """
    keys, key = np.unique(units.run[units.unit] * width + units.pattern, return_inverse=True)
    before, after = (np.bincount(key[side], minlength=keys.size).astype(np.float64) for side in (~late, late))
    chosen = heaviest(before, after, MOST_KEYS)
    place = np.full(keys.size, -1, dtype=np.intp)
    place[chosen] = np.arange(chosen.size)
    lines = np.flatnonzero(place[key] >= 0)
    key = place[key[lines]]
    order = np.lexsort((units.at[lines], units.unit[lines], key))
    again = (np.diff(key[order]) == 0) & (np.diff(units.unit[lines[order]]) == 0)
    order = order[np.append(True, ~again)[: order.size]]
    order = order[np.lexsort((units.at[lines[order]], key[order]))]
    return keys[chosen], lines[order], key[order]


def _agreed(one: Change, other: Change) -> Floats:
    """What both show, in nats; shape (keys,)."""
    return np.where(np.sign(one.log_odds) == np.sign(other.log_odds), np.minimum(one.bound, other.bound), 0.0)


def _alike(units: Floats, present: Floats, severe: NDArray[np.bool_]) -> Floats:
    """In which share of the units lines of the same kind, severe or not, usually are; between 0 and 1, shape (keys,)."""
    alike = np.zeros(severe.size)
    for kind in (severe, ~severe):
        alike[kind] = (present[kind].sum() + INDIFFERENT) / (units[kind].sum() + 2 * INDIFFERENT)
    return alike


def _medians(values: Micros, row: Indices, rows: int) -> Floats:
    """The lower median of the values of each row, every one of which has some."""
    order = np.lexsort((values, row))
    first = np.searchsorted(row[order], np.arange(rows + 1))
    return np.asarray(values[order][(first[:-1] + first[1:] - 1) // 2], dtype=np.float64)


def _per_bucket(weight: Floats, row: Indices, bucket: Indices, shape: tuple[int, int]) -> Floats:
    """The sum of the weights of each row and bucket."""
    return np.bincount(row * shape[1] + bucket, weight, shape[0] * shape[1]).reshape(shape).astype(np.float64)
