"""How a delivery comes in, whatever it tells of: from a server, as it is, and of a sender who is known by what it shows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from fastapi import Request
from starlette.exceptions import HTTPException

from middlewatch.app import App
from middlewatch.frontends.intake.delivery import Delivery

LOG = logging.getLogger(__name__)

_BROWSER: Final = ("origin", "sec-fetch-site", "cookie")
"""What browsers send with a form or a script of any page, and no sender does."""

Proof = Callable[[Delivery, Sequence[bytes]], bool]
"""Whether a delivery is its sender's, told what the sender signs with: nothing, or several while one rotates."""


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
            names learns nothing.
        Misconfigured: intake.toml or a secret cannot be used.
    """
    entry = app.senders.entry(name)
    if entry is not None and entry.kind in proofs:
        delivery = Delivery(name, entry, app.settings.tenant, headers, body, datetime.now(UTC))
        if proofs[entry.kind](delivery, app.senders.secrets_of(entry)):
            return delivery
    LOG.warning("a delivery for the sender %r was not believed", name[:64])
    raise HTTPException(401, "No sender of this name is known by what was shown")
