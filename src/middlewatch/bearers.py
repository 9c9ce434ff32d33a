"""Programs that show a token with every request: known by policy as it is now, and signed in about once an hour.

A login event for each request would drown the audit log; none would hide that a token is used. So the first request of a token in a
process is one, and the first one an hour after that (chosen, not derived: an hour is what an auditor asks about). A wrong token is
one each time, and whoever calls this limits how often that is.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from middlewatch.approvals import Approvals
from middlewatch.records import Principal
from middlewatch.records.errors import Misconfigured, Refused

LOGIN_SECONDS = 3600.0
REMEMBERED = 1024
"""Tokens that signed in not long ago; more than any team has."""


class Bearers:
    """The tokens that are shown to one front end of this process."""

    def __init__(self, approvals: Approvals, *, face: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._approvals = approvals
        self._face = face
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """By the digest of an identity, whose it is and when that was an event last."""

    def identify(self, token: str) -> Principal | None:
        """Whose token it is, by policy as it is now; None where it is nobody's, or there is no policy.

        Raises:
            Misconfigured: the policy has a mistake; what it is, is not told to somebody who is not known.
        """
        identity = f"token:{token}"
        try:
            principal = self._approvals.recognise(identity)
            if principal is None:  # taken out of policy, it is a guess like any other, and is counted
                self._forget(identity)
            if principal is None or self._is_new(identity, principal):
                self._approvals.identify(identity, face=self._face)
        except Refused:
            return None
        except Misconfigured:
            raise Misconfigured(
                "The policy cannot be used, so nobody is known by a token.", remedy="On the server, run: middlewatch policy check"
            ) from None
        return principal

    def recognise(self, identity: str) -> Principal | None:
        """Whose an identity is that something else than a token of the policy proved; None where it is nobody's.

        Raises:
            Misconfigured: the policy has a mistake.
            Refused: there is none.
        """
        principal = self._approvals.recognise(identity)
        if principal is not None and self._is_new(identity, principal):
            self._approvals.identify(identity, face=self._face)
        return principal

    def has_seen(self, token: str) -> bool:
        """Whether it was somebody's before in this process: whoever shows it again does not guess."""
        with self._lock:
            return _digest(f"token:{token}") in self._seen

    def _forget(self, identity: str) -> None:
        with self._lock:
            self._seen.pop(_digest(identity), None)

    def _is_new(self, identity: str, principal: Principal) -> bool:
        """Whether this is the first time in an hour; asked once, it no longer is."""
        digest, now = _digest(identity), self._clock()
        with self._lock:
            whose, last = self._seen.get(digest, ("", now))
            if whose == principal.id and now - last < LOGIN_SECONDS:
                return False
            self._seen[digest] = (principal.id, now)
            self._seen.move_to_end(digest)
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return True


def _digest(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
