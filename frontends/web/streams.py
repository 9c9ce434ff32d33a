"""What is watched on this site: investigations, and whether any list has changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import cast

from fastapi import Request

from middlewatch.app import App
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.steps import Step
from middlewatch.frontends.web.hub import Hub
from middlewatch.frontends.web.people import People
from middlewatch.frontends.web.readers import Reader, Readers, Wake
from middlewatch.live import Update
from middlewatch.records import digest_of

LISTS_SECONDS = 1.0
"""How soon a list is seen to have changed. Chosen: a person notices no less, and a look costs some milliseconds."""
NEWEST = 200
"""Investigations whose state is looked at. An older one that ends is not seen at once; what is decided on it is, by the log."""
_SAY = Quotation()


class Lists(Reader):
    """Whether an investigation or a request changed: one look at the store for all who have a list before them."""

    def __init__(self, now: Callable[[], str], stopping: Callable[[], bool]) -> None:
        super().__init__(stopping)
        self._now = now
        self.state = ""
        """As the lists stand; empty before the first look."""

    def look(self) -> bool:
        if self.state:
            time.sleep(LISTS_SECONDS)
        before, self.state = self.state, self._now()
        return self.state != before


class Watching:
    """Who watches what."""

    def __init__(self, app: App, stopping: Callable[[], bool]) -> None:
        """Nothing is read before somebody watches."""
        self._app = app
        self._readers = Readers(stopping)

    def investigation(self, investigation: str, wake: Wake) -> AbstractContextManager[Hub]:
        """Watch one, by its whole id. See `Readers.watching`."""
        live, tell = self._app.live, partial(told, self._app)

        def make() -> Hub:
            return Hub(
                lambda: live.end(investigation),
                lambda cursor, seconds: live.since(investigation, cursor, wait_seconds=seconds),
                tell,
                self._readers.stopping,
            )

        return self._readers.watching(investigation, make, wake)

    def lists(self, wake: Wake) -> AbstractContextManager[Lists]:
        """Watch the lists."""
        return self._readers.watching("", lambda: Lists(self.lists_now, self._readers.stopping), wake)

    def lists_now(self) -> str:
        """How the lists stand: what is read after this call is at least as new."""
        app = self._app
        rows = [f"{row.id} {row.state}" for row in app.store.investigations(app.settings.tenant, limit=NEWEST)]
        return digest_of(str(app.live.log_size()), *rows)[:16]

    def __len__(self) -> int:
        """How many threads read."""
        return len(self._readers)


def watching(request: Request) -> Watching:
    """Of the site that is asked."""
    return cast("Watching", request.app.state.watching)


def told(app: App, update: Update) -> bytes:
    """What everybody who watches is sent of an update; its words are harmless as text, and no HTML."""
    if update.actor:
        people = People.of(app)
        words, actor = people.act(update.kind, update.data, update.actor), people.called(update.actor)
    else:
        step = Step(update)
        words, actor = _SAY.clean(step.words), _SAY.clean(step.who)
    data = {"kind": update.kind, "at": update.at.isoformat(timespec="milliseconds"), "words": words, "actor": actor}
    return f"event: update\ndata: {json.dumps(data)}\n\n".encode()
