"""The rows of `LogSource.requests` as arrays: the spans of requests, and the lines that they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from middlewatch.tools.timeline import encoded, microseconds

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
class Units:
    """Spans, in the order of the table's rows, and lines in no order.

    Spans that no trace has are there twice, once for their service and once for their first line.
    """

    runs: tuple[Run, ...]
    run: Indices
    request: Indices
    began: Micros
    ended: Micros
    row: Indices
    """The row of the table that each is from."""
    unit: Indices
    """The unit of each line,"""
    pattern: Indices
    """its pattern,"""
    at: Micros
    """and when it was first written."""

    @classmethod
    def of(cls, table: pa.Table, patterns: Mapping[tuple[str, str], int], clocks: Mapping[str, int]) -> Units:
        """From the rows of `LogSource.requests`, on one clock.

        Args:
            table: those rows.
            patterns: the index of each service's pattern; lines of others are left out.
            clocks: by how many microseconds a service's is ahead; others are right.
        """
        services, service = encoded(table.column("service").combine_chunks())
        operations, operation = encoded(table.column("operation").combine_chunks())
        lists = table.column("patterns").combine_chunks()
        unit = np.asarray(pc.list_parent_indices(lists).to_numpy(), dtype=np.intp)
        texts, text = encoded(lists.flatten())
        width = max(1, len(texts))
        pairs, pair = np.unique(service[unit] * width + text, return_inverse=True)
        found = [patterns.get((services[at // width], texts[at % width]), -1) for at in pairs.tolist()]
        pattern = np.array(found, dtype=np.intp)[pair]
        known = pattern >= 0
        width = max(1, len(operations))
        kinds, kind = np.unique(service * width + operation, return_inverse=True)
        ahead = np.array([clocks.get(name, 0) for name in services], dtype=np.int64)[service]
        units = cls(
            runs=tuple(Run(services[at // width], operations[at % width]) for at in kinds.tolist()),
            run=kind,
            request=np.unique(table.column("trace").to_numpy(), return_inverse=True)[1],
            began=microseconds(table.column("began").combine_chunks()) - ahead,
            ended=microseconds(table.column("ended").combine_chunks()) - ahead,
            row=np.arange(table.num_rows),
            unit=unit[known],
            pattern=pattern[known],
            at=(microseconds(table.column("times").combine_chunks().flatten()) - ahead[unit])[known],
        )
        return units._with_openings()

    def _with_openings(self) -> Units:
        """The same, and the spans that no trace has once more, by the pattern of their first line."""
        order = np.lexsort((self.pattern, self.at, self.unit))
        opened, where = np.unique(self.unit[order], return_index=True)
        first = np.full(self.run.size, -1, dtype=np.intp)
        first[opened] = self.pattern[order][where]
        untraced = np.array([not run.operation for run in self.runs], dtype=bool)
        again = np.flatnonzero(untraced[self.run] & (first >= 0))
        patterns, opening = np.unique(first[again], return_inverse=True)
        of_pattern = dict(zip(first[again].tolist(), self.run[again].tolist(), strict=True))  # a pattern is of one service
        copied = np.flatnonzero(np.isin(self.unit, again))
        place = np.zeros(self.run.size, dtype=np.intp)
        place[again] = np.arange(again.size)
        origin = np.concatenate([np.arange(self.run.size), again])
        order = np.argsort(origin, kind="stable")
        rank = np.empty(order.size, dtype=np.intp)
        rank[order] = np.arange(order.size)
        return Units(
            runs=(*self.runs, *(replace(self.runs[of_pattern[at]], opening=True) for at in patterns.tolist())),
            run=np.concatenate([self.run, len(self.runs) + opening])[order],
            request=self.request[origin[order]],
            began=self.began[origin[order]],
            ended=self.ended[origin[order]],
            row=self.row[origin[order]],
            unit=rank[np.concatenate([self.unit, self.run.size + place[self.unit[copied]]])],
            pattern=np.concatenate([self.pattern, self.pattern[copied]]),
            at=np.concatenate([self.at, self.at[copied]]),
        )
