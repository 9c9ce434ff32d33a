"""Requests that somebody may repeat because they never saw the answer: done once, and answered the same each time.

Whoever begins holds it for `LEASE_SECONDS`. Where they die before there is an answer, whoever repeats the request does it again,
and is told since when it was begun first: what is made of that moment is made once. So it is with an answer of before a restore or
a failover: what it tells of may be gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from middlewatch.context_store import scripts
from middlewatch.context_store.directory import moment
from middlewatch.context_store.keys import once_keys
from middlewatch.context_store.script import Server

KEPT_SECONDS: Final = 24 * 3600.0
"""How long an answer is given again (chosen, not derived: a day, as other services have it)."""
LEASE_SECONDS: Final = 60.0
"""Longer than any call to the store is patient, several of them in a row included (chosen, not derived)."""


@dataclass(frozen=True, slots=True)
class Begun:
    """It is the caller's to do."""

    since: datetime
    """When it was begun first, by the store's clock."""


@dataclass(frozen=True, slots=True)
class Done:
    """It was done."""

    answer: str


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody does it now."""

    seconds: float
    """After which nobody is believed to."""


@dataclass(frozen=True, slots=True)
class Other:
    """The key stands for another request."""


class IdempotencyStore:
    """What came of the requests of a tenant. Every method may raise `StoreUnavailable`, `StoreFull` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str) -> None:
        self._server = server
        self._tenant = tenant

    def begin(self, digest: str, fingerprint: str, holder: str) -> Begun | Done | Busy | Other:
        """Begin a request, unless it was done or somebody does it.

        Args:
            digest: of who asks and the key that they gave it.
            fingerprint: of what they ask.
            holder: names this attempt.
        """
        reply = scripts.begin_once(
            self._server,
            once_keys(self._tenant, digest),
            fingerprint=fingerprint,
            holder=holder,
            lease_ms=int(LEASE_SECONDS * 1000),
            keep_ms=int(KEPT_SECONDS * 1000),
        )
        match reply:
            case ["DONE", answer]:
                return Done(answer)
            case ["BUSY", milliseconds]:
                return Busy(milliseconds / 1000)
            case ["OTHER"]:
                return Other()
        since = moment(str(reply[1]))
        assert since is not None  # noqa: S101  there was a number
        return Begun(since)

    def end(self, digest: str, holder: str, answer: str) -> bool:
        """Keep the answer; without one (empty) anybody may try again at once.

        Returns:
            False where the time of this attempt was over and somebody else began meanwhile; nothing is kept then.
        """
        keys = once_keys(self._tenant, digest)
        reply = scripts.end_once(self._server, keys, holder=holder, answer=answer, keep_ms=int(KEPT_SECONDS * 1000))
        return bool(reply[0] == "OK")
