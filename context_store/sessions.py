"""Where sign-ins are kept: by the digest of a secret that only the browser has, each until its end.

No backup has them: what was ended must not come back with a restore. A restore raises the epoch, and that ends all of them as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import session_keys
from middlewatch.context_store.script import Server


class SessionStore:
    """Records under the digests of secrets. The secret itself is nowhere in the store."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def open(self, tenant: str, kind: str, secret: str, record: str, *, life_seconds: float) -> int:
        """Keep a record until its end, which is answered in milliseconds since 1970."""
        keys, life_ms = session_keys(tenant), int(life_seconds * 1000)
        return int(scripts.open_session(self._server, keys, name=_name(kind, secret), record=record, life_ms=life_ms)[1])

    def look(self, tenant: str, kind: str, secret: str) -> str:
        """The record; empty where there is none, or none any more."""
        return str(scripts.look_session(self._server, session_keys(tenant), name=_name(kind, secret))[1])

    def take(self, tenant: str, kind: str, secret: str) -> str:
        """The record, which ends with this: nobody else gets it."""
        return str(scripts.end_sessions(self._server, session_keys(tenant), names=[_name(kind, secret)])[1][0])

    def list(self, tenant: str, kind: str) -> list[tuple[str, str]]:
        """Pairs of the name by which `end` knows it, and the record."""
        found = scripts.list_sessions(self._server, session_keys(tenant))[1]
        return [(name, record) for name, record in found if name.startswith(f"{kind}|")]

    def end(self, tenant: str, names: Sequence[str]) -> int:
        """End those of these names; returns how many there were."""
        ended = scripts.end_sessions(self._server, session_keys(tenant), names=list(names))[1] if names else []
        return sum(bool(record) for record in ended)


def _name(kind: str, secret: str) -> str:
    """A digest hides the secret from whoever can read the store: it has more bits than can be tried."""
    return f"{kind}|{hashlib.sha256(secret.encode()).hexdigest()}"
