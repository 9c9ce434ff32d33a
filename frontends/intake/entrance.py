"""How a delivery comes in, whatever it tells of: from a server, as it is, and of a sender who is known by what it shows."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from fastapi import Request
from starlette.exceptions import HTTPException

from middlewatch.app import App
from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.records.errors import Unavailable

LOG = logging.getLogger(__name__)

_BROWSER: Final = ("origin", "sec-fetch-site", "cookie")
"""What browsers send with a form or a script of any page, and no sender does."""
QUIET_SECONDS: Final = 60.0
"""Between two lines of the log about deliveries of one sender that were not believed. Chosen."""

Proof = Callable[[Delivery, Sequence[bytes]], bool]
"""Whether a delivery is its sender's, told what the sender signs with: nothing, or several while one rotates."""


class Unbelieved:
    """Tells of deliveries that were not believed: anybody can send those, and must not fill the log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}
        """By sender: when the last line was, and how many came since."""

    def tell(self, sender: str, now: float) -> None:
        """Count one, and tell of all that came since the last line where that is long enough ago.

        Args:
            sender: its name; empty for all that there are not, of which anybody can think up any number.
            now: of a clock that does not jump, in seconds.
        """
        with self._lock:
            last, count = self._told.get(sender, (-math.inf, 0))
            due = now - last >= QUIET_SECONDS
            self._told[sender] = (now, 0) if due else (last, count + 1)
        if due:
            LOG.warning("deliveries for %s were not believed: %d since the last such line", sender or "no sender", count + 1)


_UNBELIEVED: Final = Unbelieved()


async def carried(request: Request, what: str) -> tuple[dict[str, str], bytes]:
    """The headers by lower-case name, and the body as it came; the site's guard bounds it.

    Args:
        request: as it came.
        what: it tells of, as a sentence begins.

    Raises:
        HTTPException: 403 where a page sends it; 415 where it is packed.
    """
    if any(name in request.headers for name in _BROWSER):
        raise HTTPException(403, f"{what} come from servers, not from pages")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The body must not be packed")
    return {name.lower(): value for name, value in request.headers.items()}, await request.body()


def believed(app: App, name: str, headers: Mapping[str, str], body: bytes, proofs: Mapping[str, Proof]) -> Delivery:
    """A delivery of a sender that showed who it is.

    Args:
        app: what knows senders.
        name: of the sender, as the address has it.
        headers: by lower-case name.
        body: as it came.
        proofs: by kind of sender; those of other kinds are nobody here.

    Raises:
        HTTPException: 401 where nobody of this name is known by what was shown. It is the same, whatever is wrong: whoever tries
            names learns nothing. 503 where what its sender would be known by cannot be had now.
        Misconfigured: intake.toml or a secret cannot be used.
    """
    entry = app.senders.entry(name)
    if entry is not None and entry.kind in proofs:
        delivery = Delivery(name, entry, app.settings.tenant, headers, body, datetime.now(UTC))
        try:
            if proofs[entry.kind](delivery, app.senders.secrets_of(entry)):
                return delivery
        except Unavailable as error:
            _UNBELIEVED.tell(name, time.monotonic())
            raise HTTPException(503, error.message.rstrip(".")) from error
    _UNBELIEVED.tell(name if entry is not None else "", time.monotonic())
    raise HTTPException(401, "No sender of this name is known by what was shown")
