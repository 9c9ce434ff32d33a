"""Who does a thing that one process at a time is enough for. A lease saves doubled work and guards nothing."""

from __future__ import annotations

from uuid import uuid4

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import lease_keys
from middlewatch.context_store.script import Server


class StoreLease:
    """One thing of a tenant, by its name. Every method may raise `StoreUnavailable` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str, name: str) -> None:
        self._server = server
        self._keys = lease_keys(tenant, name)
        self._holder = uuid4().hex

    def take(self, seconds: float) -> bool:
        """Have it for so long from now, unless somebody else has."""
        reply = scripts.take_lease(self._server, self._keys, holder=self._holder, life_ms=max(1, int(seconds * 1000)))
        return bool(reply[1])

    def end(self) -> None:
        """Leave it to others at once."""
        scripts.end_lease(self._server, self._keys, holder=self._holder)
