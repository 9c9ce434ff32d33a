"""The ready queues: shards that hold hints, so that a worker finds a task without looking at every investigation.

A hint grants nothing. Lost, a sweep restores it; doubled, it costs a look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from zlib import crc32

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import Hint, queue_keys
from middlewatch.context_store.script import Server

TAKEN_SECONDS = 300.0
"""How long a request's hint is remembered: far longer than anybody repeats a claim whose answer was lost."""

_FEEDER = "feeder"
"""Stands where a request would; feeding takes no hint."""


class Queues:
    """All shards, seen from one process. Every process of a deployment must use the same number of shards."""

    def __init__(self, server: Server, shards: int) -> None:
        self._server = server
        self._shards = shards

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
