"""What a request holds once it is decoded: rows, and what could not be taken with the reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NANOSECONDS: Final = 1_000_000_000
DAY_SECONDS: Final = 86_400
OLDEST_SECONDS: Final = 400 * DAY_SECONDS
"""Older than this is a clock that was never set. The tables have a partition a day, so what comes in at once must not be of any day
there is. A little more than a year: whoever fills in a year can. Chosen."""
AHEAD_SECONDS: Final = DAY_SECONDS
"""So far ahead a clock may be: a time zone taken for UTC is at most 14 h. Chosen."""
REASONS_TOLD: Final = 5

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Rejected:
    """Items that cannot be stored, by reason."""

    reasons: Counter[str] = field(default_factory=Counter)

    def fit(self, bad: Mapping[str, Mask]) -> Mask:
        """Which items can be stored; the others are counted.

        Args:
            bad: which items cannot be, by reason; the first that holds of an item counts.
        """
        unfit = np.zeros_like(next(iter(bad.values())))
        for reason, own in bad.items():
            self.add(reason, int((own & ~unfit).sum()))
            unfit |= own
        return ~unfit

    def add(self, reason: str, items: int = 1) -> None:
        if items:
            self.reasons[reason] += items

    @property
    def items(self) -> int:
        return self.reasons.total()

    @property
    def message(self) -> str:
        """For whoever sent them; empty where all were taken."""
        told = [f"{count} {reason}" for reason, count in self.reasons.most_common(REASONS_TOLD)]
        more = len(self.reasons) - len(told)
        return "; ".join([*told, f"{more} further reasons"] if more > 0 else told)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows of one request."""

    tables: dict[str, pa.Table]
    """By the name of the table that they go to; none without rows."""
    rejected: Rejected

    @classmethod
    def fitting(cls, table: str, rows: pa.Table, fit: Mask, rejected: Rejected) -> Self:
        """Of one table those rows that can be stored."""
        if not fit.all():
            rows = rows.filter(pa.array(fit))
        return cls({table: rows} if rows.num_rows else {}, rejected)

    @property
    def rows(self) -> int:
        return sum(table.num_rows for table in self.tables.values())


@dataclass(frozen=True, slots=True)
class Ground:
    """What decoding needs to know beside the request."""

    tenant: str
    correlation_keys: tuple[str, ...] = ()
    """Names of attributes whose value stands for what belongs together across requests, the first that is there."""
    now_ns: int = field(default_factory=time.time_ns)

    @property
    def oldest_ns(self) -> int:
        return self.now_ns - OLDEST_SECONDS * NANOSECONDS

    @property
    def newest_ns(self) -> int:
        return self.now_ns + AHEAD_SECONDS * NANOSECONDS

    def has_use_for(self, moment_ns: int) -> bool:
        """Whether something may have happened then."""
        return self.oldest_ns <= moment_ns <= self.newest_ns

    def have_no_use_for(self, moments_ns: npt.NDArray[np.uint64]) -> Mask:
        """Which moments are none at which something may have happened."""
        return (moments_ns < np.uint64(self.oldest_ns)) | (moments_ns > np.uint64(self.newest_ns))

    def table(self, columns: dict[str, pa.Array]) -> pa.Table:
        """Rows of the tenant's live telemetry."""
        size = len(next(iter(columns.values())))
        owner = {"Tenant": pa.repeat(pa.scalar(self.tenant), size), "Recording": pa.repeat(pa.scalar(""), size)}
        return pa.table({**owner, **columns})
