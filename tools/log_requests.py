"""What the spans of requests wrote, line by line: the units in which a log pattern is present or missing.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from middlewatch.tools.baseline import Floats
from middlewatch.tools.presence import LEAST_UNITS, Change, Presence
from middlewatch.tools.timeline import Timeline, microseconds

Indices = NDArray[np.intp]
Micros = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """What spans have in common."""

    service: str
    operation: str
    """'' for spans that no trace has. They are compared with all of their service, and"""
    opening: bool = False
    """with those that have the same first line, which says almost as much as an operation."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Units, the spans of requests, in order of their beginning; and their lines, in order of their keys and times.

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
    ) -> Requests:
        """From the rows of `LogSource.requests`.

        Args:
            table: those rows.
            patterns: the index of each service's pattern; others are left out.
            severe: whether a pattern says that something failed, shape (patterns,).
            silent: buckets in which nobody writes anything, shape (size,). Spans in them do not count: that says something about
                the logs, not about a service.
            timeline: the buckets.
        """
        bucket = timeline.bucket(microseconds(table.column("began").combine_chunks()))
        table = table.filter(pa.array((bucket >= 0) & ~silent[np.maximum(bucket, 0)]))
        services, service = _encoded(table.column("service").combine_chunks())
        operations, operation = _encoded(table.column("operation").combine_chunks())
        unit, pattern, at = _lines(table, services, service, patterns)
        request = np.unique(table.column("trace").to_numpy(), return_inverse=True)[1]
        failed = np.zeros(int(request.max(initial=-1)) + 1, dtype=bool)
        failed[request[unit[severe[pattern]]]] = True

        untraced = np.array([not name for name in operations], dtype=bool)
        origin, opening, line = _with_openings(untraced[operation], unit, pattern, at)
        unit, pattern, at = line.unit, line.pattern, line.at
        kinds = np.stack([service[origin], operation[origin], opening])
        found, run = np.unique(kinds, axis=1, return_inverse=True)
        runs = tuple(Run(services[s], operations[o], by >= 0) for s, o, by in found.T.tolist())
        request = request[origin]
        began, ended = (microseconds(table.column(c).combine_chunks())[origin] for c in ("began", "ended"))
        bucket = timeline.bucket(began)
        _, same, times = np.unique(request * len(runs) + run, return_inverse=True, return_counts=True)
        weight = 1 / times[same]

        width = max(1, severe.size)
        keys, key = np.unique(run[unit] * width + pattern, return_inverse=True)
        order = np.lexsort((at, unit, key))
        once = np.ones(order.size, dtype=bool)
        once[1:] = (np.diff(key[order]) != 0) | (np.diff(unit[order]) != 0)
        order = order[once]
        order = order[np.lexsort((at[order], key[order]))]
        unit, key, at = unit[order], key[order], at[order]
        key_run = keys // width
        in_all, in_sound = (
            Presence.of(
                _per_bucket(rows, run, bucket, (len(runs), timeline.size))[key_run],
                _per_bucket(rows[unit], key, bucket[unit], (keys.size, timeline.size)),
            )
            for rows in (weight, weight * ~failed[request])
        )
        return cls(
            runs=runs,
            run=run,
            request=request,
            began=began,
            ended=ended,
            bucket=bucket,
            weight=weight,
            key_run=key_run,
            key_pattern=keys % width,
            delay=_medians(at - began[unit], key, keys.size),
            first_line=np.searchsorted(key, np.arange(keys.size + 1)),
            key=key,
            unit=unit,
            at=at,
            by_unit=np.argsort(unit, kind="stable"),
            first_of_unit=np.searchsorted(np.sort(unit), np.arange(origin.size + 1)),
            all=in_all,
            sound=in_sound,
        )

    def change(self, onset: int, end: int) -> Change:
        """How much each key's presence changed, against what is usual for all requests and for the sound ones.

        What only one of the two shows is no evidence: that requests no longer fail as they did brings back other lines.
        Where hardly any request is without severe lines, they say nothing about its state.
        """
        change, sound = self.all.change(onset, end), self.all.against(self.sound, onset, end)
        alike = np.sign(sound.log_odds) == np.sign(change.log_odds)
        rare = self.sound.units[:, onset] < LEAST_UNITS
        bound = np.where(rare, change.bound, np.where(alike, np.minimum(change.bound, sound.bound), 0.0))
        return Change(change.log_odds, bound, change.before, change.after)

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


def _encoded(texts: pa.Array) -> tuple[list[str], Indices]:
    """The different texts, and the index of each one's."""
    encoded = texts.dictionary_encode()
    return cast("list[str]", encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    unit: Indices
    pattern: Indices
    at: Micros


def _with_openings(untraced: NDArray[np.bool_], unit: Indices, pattern: Indices, at: Micros) -> tuple[Indices, Indices, _Lines]:
    """Units once more for their first line where they are untraced: the original of each, the pattern of that line or -1, lines."""
    order = np.lexsort((pattern, at, unit))
    first = np.full(untraced.size, -1, dtype=np.intp)
    opened, where = np.unique(unit[order], return_index=True)
    first[opened] = pattern[order][where]
    again = np.flatnonzero(untraced & (first >= 0))
    origin = np.concatenate([np.arange(untraced.size), again])
    opening = np.concatenate([np.full(untraced.size, -1, dtype=np.intp), first[again]])
    place = np.full(untraced.size, -1, dtype=np.intp)
    place[again] = untraced.size + np.arange(again.size)
    copied = np.flatnonzero(place[unit] >= 0)
    unit, pattern, at = (np.concatenate([x, y[copied]]) for x, y in ((unit, place[unit]), (pattern, pattern), (at, at)))
    sort = np.argsort(origin, kind="stable")  # units stay in the order of their beginning
    place = np.empty(origin.size, dtype=np.intp)
    place[sort] = np.arange(origin.size)
    return origin[sort], opening[sort], _Lines(place[unit], pattern, at)


def _lines(
    table: pa.Table, services: list[str], service: Indices, patterns: Mapping[tuple[str, str], int]
) -> tuple[Indices, Indices, Micros]:
    """Unit, pattern and time of each line of a known pattern."""
    lists, times = table.column("patterns").combine_chunks(), table.column("times").combine_chunks()
    unit = np.asarray(pc.list_parent_indices(lists).to_numpy(), dtype=np.intp)
    texts, text = _encoded(lists.flatten())
    width = max(1, len(texts))
    pairs, pair = np.unique(service[unit] * width + text, return_inverse=True)
    found = np.array([patterns.get((services[at // width], texts[at % width]), -1) for at in pairs.tolist()], dtype=np.intp)
    pattern = found[pair]
    kept = pattern >= 0
    return unit[kept], pattern[kept], microseconds(times.flatten())[kept]


def _medians(values: Micros, row: Indices, rows: int) -> Floats:
    """The lower median of the values of each row, every one of which has some."""
    order = np.lexsort((values, row))
    first = np.searchsorted(row[order], np.arange(rows + 1))
    return np.asarray(values[order][(first[:-1] + first[1:] - 1) // 2], dtype=np.float64)


def _per_bucket(weight: Floats, row: Indices, bucket: Indices, shape: tuple[int, int]) -> Floats:
    """The sum of the weights of each row and bucket."""
    return np.bincount(row * shape[1] + bucket, weight, shape[0] * shape[1]).reshape(shape).astype(np.float64)
