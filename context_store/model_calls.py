"""The calls of language models, each as soon as it is over: what an investigation spent that runs still, or was cancelled.

Its report has them all, those of workers that died over a task included. Of a worker that dies in the midst of a call nobody knows
what that cost: what was set aside for it stays spent, and it is in no costs.
"""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import CallKeys, call_keys
from middlewatch.context_store.model_budgets import KEPT_SECONDS
from middlewatch.context_store.script import AT_ONCE, Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import ModelCall


class ModelCalls:
    """Of a tenant. Every method may raise `StoreUnavailable`, `StoreFull` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str) -> None:
        self._server = server
        self._tenant = tenant

    def keep(self, call: ModelCall) -> None:
        """Keep one for a month. Kept again, nothing changes.

        Args:
            call: of an investigation; one of none is not kept.
        """
        if call.investigation is not None:
            keys, kept = self._keys(call.investigation), int(KEPT_SECONDS * 1000)
            scripts.keep_call(self._server, keys, call=call.id, text=text_of(call), keep_ms=kept)

    def of(self, investigation: str) -> tuple[ModelCall, ...]:
        """Those of one investigation, in the order in which they began."""
        return self.of_all([investigation])[0]

    def of_all(self, investigations: Sequence[str]) -> list[tuple[ModelCall, ...]]:
        """Those of each."""
        found: list[tuple[ModelCall, ...]] = []
        for start in range(0, len(investigations), AT_ONCE):
            keys = [self._keys(one) for one in investigations[start : start + AT_ONCE]]
            found += [_calls(reply[1] if reply else ()) for reply in scripts.read_calls.over(self._server, keys)]
        return found

    def _keys(self, investigation: str) -> CallKeys:
        return call_keys(self._tenant, investigation)


def _calls(texts: Sequence[str]) -> tuple[ModelCall, ...]:
    return tuple(sorted((record_from(ModelCall, text) for text in texts), key=lambda call: (call.started_at, call.id)))
