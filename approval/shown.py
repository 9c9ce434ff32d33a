"""To whom which request was shown: that somebody saw it is one event, however often a page or a program asks for it."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from middlewatch.records import ApprovalRequest, Principal

MOST_SHOWN = 10_000
"""Showings that are remembered, the newest: one that is forgotten is written again, as after a restart. Chosen, not derived."""

Showing = tuple[str, str, str, str, str]


class Shown:
    """What one process showed: to each on each face a request anew only when it has another digest. Any number of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: OrderedDict[Showing, None] = OrderedDict()

    def first(self, request: ApprovalRequest, principal: Principal, face: str) -> bool:
        """Whether they are shown it for the first time, which is remembered."""
        showing = _showing(request, principal, face)
        with self._lock:
            known = showing in self._seen
            self._seen[showing] = None
            self._seen.move_to_end(showing)
            if len(self._seen) > MOST_SHOWN:
                self._seen.popitem(last=False)
            return not known

    def forget(self, request: ApprovalRequest, principal: Principal, face: str) -> None:
        """It could not be written down: the next time it is tried again."""
        with self._lock:
            self._seen.pop(_showing(request, principal, face), None)


def _showing(request: ApprovalRequest, principal: Principal, face: str) -> Showing:
    return request.tenant, principal.id, face, request.id, request.digest
