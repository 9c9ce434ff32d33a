"""Sign-ins in the browser: opened once by whoever proved who they are, looked at by every request, ended at any time.

A session says which identity signed in, and nothing of what that may do: policy says that, at each request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from middlewatch.context_store.script import Server
from middlewatch.context_store.sessions import SessionStore
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import Record, UtcDatetime
from middlewatch.records.tokens import digest_of_token

SECRET_BYTES = 32
"""Of randomness in a cookie, a link and a form's token: 256 bits cannot be guessed."""
LINK_SECONDS = 600.0
"""How long a one-time link can be used: time to find the browser. Chosen, not derived."""
MOST_SESSIONS = 20
"""Of one identity at a time: more browsers than anybody uses. With another one the oldest ends. Chosen, not derived."""
DEVICE_CHARACTERS = 200
"""Kept of what a browser says it is."""
_SESSION, _LINK = "session", "link"


class Session(Record):
    """One sign-in, as the store has it."""

    identity: str
    """As policy maps them; of a token only the SHA-256."""
    csrf: str
    """What forms of this session carry."""
    opened_at: UtcDatetime
    ends_at: UtcDatetime
    device: str = ""
    """What the browser said it is: foreign text."""


class Link(Record):
    """A one-time link, as the store has it."""

    identity: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session in a list."""

    name: str
    """By which it is ended; it opens nothing."""
    session: Session


class Sessions:
    """The sign-ins of a tenant."""

    def __init__(self, server: Server, tenant: str, *, hours: float) -> None:
        """Use `App.sessions`.

        Args:
            server: where they are kept.
            tenant: whose.
            hours: how long one lasts, whatever is done with it.
        """
        self._store = SessionStore(server)
        self._tenant = tenant
        self._seconds = hours * 3600

    def open(self, identity: str, *, device: str = "") -> tuple[str, Session]:
        """Open one for an identity that was proved just now. Beyond `MOST_SESSIONS` of it the oldest end.

        Returns:
            The secret for the browser's cookie, and the session.
        """
        now = datetime.now(UTC)
        session = Session(
            identity=kept_identity(identity),
            csrf=secrets.token_urlsafe(SECRET_BYTES),
            opened_at=now,
            ends_at=now + timedelta(seconds=self._seconds),
            device=device[:DEVICE_CHARACTERS],
        )
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._store.open(self._tenant, _SESSION, secret, text_of(session), life_seconds=self._seconds)
        others = [one.name for one in self.of(lambda identity: identity == session.identity) if one.name != name_of(secret)]
        self.end_all(others[MOST_SESSIONS - 1 :])
        return secret, session

    def look(self, secret: str) -> Session | None:
        """The session of a cookie; None where there is none, or none any more."""
        found = self._store.look(self._tenant, _SESSION, secret)
        return record_from(Session, found) if found else None

    def end(self, secret: str) -> None:
        """End the one of a cookie."""
        self._store.take(self._tenant, _SESSION, secret)

    def of(self, is_theirs: Callable[[str], bool]) -> tuple[OpenSession, ...]:
        """Those whose identity is somebody's, the one that was opened last first."""
        found = (OpenSession(name, record_from(Session, text)) for name, text in self._store.list(self._tenant, _SESSION))
        theirs = (one for one in found if is_theirs(one.session.identity))
        return tuple(sorted(theirs, key=lambda one: one.session.opened_at, reverse=True))

    def end_all(self, names: list[str]) -> int:
        """End those of these names; returns how many there were."""
        return self._store.end(self._tenant, names)

    def offer_link(self, identity: str) -> str:
        """The secret of a link that signs an identity in, once, within `LINK_SECONDS`."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._store.open(self._tenant, _LINK, secret, text_of(Link(identity=identity)), life_seconds=LINK_SECONDS)
        return secret

    def use_link(self, secret: str) -> str:
        """Whose link it is, who is signed in with it now; empty where it was used, is too old, or never was."""
        found = self._store.take(self._tenant, _LINK, secret)
        return record_from(Link, found).identity if found else ""


def name_of(secret: str) -> str:
    """By which the session of a cookie is in a list."""
    return f"{_SESSION}|{hashlib.sha256(secret.encode()).hexdigest()}"


def kept_identity(identity: str) -> str:
    """What is kept of an identity: never a token itself."""
    scheme, colon, rest = identity.partition(":")
    if scheme == "token":
        return f"token-sha256:{digest_of_token(rest)}"
    return scheme + colon + rest
