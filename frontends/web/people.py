"""People as pages call them: by the name that policy has for them now, else by the id that was kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from middlewatch.app import App
from middlewatch.frontends.acts import act, actor
from middlewatch.frontends.quotation import Quotation
from middlewatch.records import Principal
from middlewatch.records.errors import Misconfigured, Refused

_SAY = Quotation()


@dataclass(frozen=True, slots=True)
class People:
    """Those whom policy names; nobody where there is no policy that can be used."""

    by_id: Mapping[str, Principal]

    @classmethod
    def of(cls, app: App) -> People:
        """As policy has them at this moment."""
        try:
            return cls({one.id: one for one in app.approvals.people()})
        except (Refused, Misconfigured):
            return cls({})

    def called(self, name: str) -> str:
        """Somebody, or a part of middlewatch, by what was kept of them; harmless."""
        found = self.by_id.get(name)
        return _SAY.clean(found.name) if found is not None and found.name else actor(name, _SAY)

    def act(self, kind: str, data: Mapping[str, JsonValue], by: str) -> str:
        """What somebody did, with people by their names; harmless."""
        to = data.get("to")
        if kind == "investigation.assigned" and isinstance(to, str) and to != by:
            return f"gave it to {self.called(to)}"
        return act(kind, data, _SAY, by=by)

    @property
    def active(self) -> tuple[Principal, ...]:
        """Those whom something can be given to, by their names."""
        return tuple(sorted((one for one in self.by_id.values() if one.active), key=lambda one: (one.name or one.id).lower()))
