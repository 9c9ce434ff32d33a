"""The ready queues: shards that hold hints, so that a worker finds a task without looking at every investigation.

A hint grants nothing. Lost, a sweep restores it; doubled, it costs a look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import cast
from zlib import crc32

from middlewatch.context_store import scripts
from middlewatch.context_store.connection import patiently
from middlewatch.context_store.keys import Hint, queue_keys
from middlewatch.context_store.script import Server
from middlewatch.records import UtcDatetime

TAKEN_SECONDS = 300.0
"""How long a request's hint is remembered: far longer than anybody repeats a claim whose answer was lost."""

_FEEDER = "feeder"
"""Stands where a request would; feeding takes no hint."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is ready and not taken, of all tenants."""

    hints: int
    """Tasks that wait; a few of them may be over."""
    oldest: UtcDatetime | None
    """Since when the first of them could be taken; None where none waits."""


class Queues:
    """All shards, seen from one process. Every process of a deployment must use the same number of shards."""

    def __init__(self, server: Server, shards: int) -> None:
        self._server = server
        self._shards = shards

    def backlog(self) -> Backlog:
        """How much waits. It is about right: nobody holds the shards still meanwhile."""
        redis, names = self._server.redis, [queue_keys(shard, _FEEDER).hints for shard in range(self._shards)]
        counts = [int(patiently(redis, partial(redis.zcard, name))) for name in names]
        heads = [patiently(redis, partial(redis.zrange, name, 0, 0, withscores=True)) for name in names]
        firsts = [float(score) for head in heads for _, score in cast("list[tuple[str, float]]", head)]
        oldest = datetime.fromtimestamp(min(firsts) / 1000, tz=UTC) if firsts else None
        return Backlog(sum(counts), oldest)

    def feed(self, tenant: str, investigation: str, ready: Sequence[str | int]) -> int:
        """Add hints for ready tasks.

        Args:
            tenant: whose.
            investigation: of which.
            ready: task, time in milliseconds, task, time, ... as scripts answer it.

        Returns:
            How many hints were missing.
        """
        shards: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        for task, at in zip(ready[::2], ready[1::2], strict=True):
            hint = str(Hint(tenant, investigation, str(task)))
            shards[crc32(hint.encode()) % self._shards].append((hint, str(at)))
        return sum(scripts.feed(self._server, queue_keys(shard, _FEEDER), entries=entries)[1] for shard, entries in shards.items())

    def offers(self, request: str, *, repeated: bool) -> Iterator[tuple[Hint, bool]]:
        """Hints for one request, one after another for as long as the caller refuses them; and whether it took them before.

        A request that took a hint before is offered the same one first, from whichever shard; that is what makes a claim
        whose answer was lost safe to repeat.
        """
        order = [(crc32(request.encode()) + n) % self._shards for n in range(self._shards)]
        if repeated:
            order.sort(key=lambda shard: scripts.taken(self._server, queue_keys(shard, request))[1] is None)
        for shard in order:
            refused = ""
            while True:
                _, hint, again = scripts.take(
                    self._server, queue_keys(shard, request), refused=refused, keep_ms=int(TAKEN_SECONDS * 1000)
                )
                if hint is None:
                    break
                yield Hint.parse(hint), again == 1
                refused = hint
