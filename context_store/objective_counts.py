"""Where the counts of objectives are kept, and which of the built-in sender's alerts fire.

No backup has them: counts are taken from telemetry again, and so is what fires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import count_keys, raised_keys
from middlewatch.context_store.script import Server

KEPT_SECONDS: Final = 100 * 24 * 3600
"""After the last look; more than the longest objective has days. Counts of objectives that nobody has any more go then."""

Buckets = Mapping[int, tuple[float, float]]
"""Seconds since 1970 that a bucket begins at -> good ones, and all."""


class StoredCounts(NamedTuple):
    """What is kept of one series."""

    minutes: Buckets
    hours: Buckets
    at: float | None
    """When it was counted last, in seconds since 1970."""


class CountStore:
    """The counts of a tenant's objectives. Every method may raise `StoreUnavailable`, `StoreFull` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str) -> None:
        self._server = server
        self._tenant = tenant

    def read(self, series: Sequence[str]) -> tuple[StoredCounts, ...]:
        """Those of each series."""
        if not series:
            return ()
        found = scripts.read_counts.over(self._server, [count_keys(self._tenant, one) for one in series])
        return tuple(_parsed("" if reply is None else reply[1]) for reply in found)

    def write(self, series: str, counted: StoredCounts, drop: StoredCounts) -> None:
        """Keep buckets; one that is counted again takes the place of the one before.

        Args:
            series: whose.
            counted: the buckets, and when they were counted; None where that is not to change.
            drop: those that are too old.
        """
        fields = [text for pair in _named(counted) for text in pair]
        when = [] if counted.at is None else ["at", repr(counted.at)]
        scripts.write_counts(
            self._server,
            count_keys(self._tenant, series),
            counts=[*fields, *when],
            drop=[name for name, _ in _named(drop)],
            keep_ms=KEPT_SECONDS * 1000,
        )

    def found(self, look: str) -> str:
        """What a look found last; empty before the first."""
        return str(scripts.read_look(self._server, raised_keys(self._tenant), name=look)[1])

    def keep_found(self, look: str, found: str) -> None:
        """Keep what a look found."""
        scripts.write_look(self._server, raised_keys(self._tenant), name=look, found=found)

    def raised(self) -> dict[str, str]:
        """What fires, by its fingerprint: the message that was sent last, as JSON."""
        flat = scripts.read_raised(self._server, raised_keys(self._tenant))[1]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def keep_raised(self, messages: Mapping[str, str]) -> None:
        """Keep what was sent; an empty message is one that is resolved."""
        scripts.write_raised(self._server, raised_keys(self._tenant), messages=[list(pair) for pair in messages.items()])


def _named(counts: StoredCounts) -> list[tuple[str, str]]:
    """Names of buckets, and what was counted in each."""
    kinds = (("m", counts.minutes), ("h", counts.hours))
    return [
        (f"{kind}{start}", f"{float(good)!r} {float(total)!r}") for kind, some in kinds for start, (good, total) in some.items()
    ]


def _parsed(text: str) -> StoredCounts:
    flat = text.split("\n") if text else []
    minutes: dict[int, tuple[float, float]] = {}
    hours: dict[int, tuple[float, float]] = {}
    at: float | None = None
    for name, counted in zip(flat[::2], flat[1::2], strict=True):
        if name == "at":
            at = float(counted)
            continue
        good, _, total = counted.partition(" ")
        (minutes if name[0] == "m" else hours)[int(name[1:])] = (float(good), float(total))
    return StoredCounts(minutes, hours, at)
