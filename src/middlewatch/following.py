"""The events of an investigation as they happen, for whoever waits for its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from middlewatch.context_store.store import ContextStore
from middlewatch.records import Event, InvestigationState, TaskState
from middlewatch.records.errors import Stalled, Unavailable

POLL_SECONDS = 1.0
"""How long one look for new events waits in the store."""


def follow(store: ContextStore, tenant: str, investigation: str, *, after: str, stopped: Callable[[], bool]) -> Iterator[Event]:
    """See `App.follow`."""
    while True:
        state = store.investigation(tenant, investigation).state
        wait = POLL_SECONDS if state is InvestigationState.OPEN else 0.0  # the last event is there before it is not open
        events = store.events(tenant, investigation, after=after, block_seconds=wait)
        for event in events:
            yield event
            after = event.id
            if event.kind == "investigation.stalled":
                raise _stalled(store, tenant, investigation)
        if not events and state is not InvestigationState.OPEN:
            return
        if not events and stopped():
            raise Unavailable(f"Nobody here works on the investigation {investigation} any more.", remedy="Start it again.")


def _stalled(store: ContextStore, tenant: str, investigation: str) -> Stalled:
    dead = [s for s in store.snapshot(tenant, investigation).tasks if s.state is TaskState.DEAD]
    named = "; ".join(f"{s.task.id} after {s.attempts} attempts: {s.error}" for s in dead)
    return Stalled(f"The investigation {investigation} cannot go on ({named}).", remedy="Mend the cause, then start it again.")
