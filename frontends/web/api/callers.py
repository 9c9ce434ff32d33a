"""Who calls the API, and what they ask for once: the dependencies that its endpoints share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import Response

from middlewatch.app import App
from middlewatch.frontends.web.problems import kind_of, respond, told_of
from middlewatch.frontends.web.visitors import CSRF_HEADER, Application, SignedIn, acting
from middlewatch.frontends.web.visitors import PROGRAM_FACE as FACE
from middlewatch.idempotency import Answer, Idempotency, Turn, first_turn
from middlewatch.records import Principal, Record
from middlewatch.records.errors import MiddlewatchError, Refused

__all__ = ["FACE", "Caller", "Calling", "KeyedOnce", "Once"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks."""

    app: App
    who: str
    """Their identity as it was proved; of a token, its digest. Idempotency keys are theirs alone."""
    principal: Principal | None
    """As policy has them now; None for somebody who may look and whom policy does not know."""


@dataclass(frozen=True, slots=True)
class Once:
    """Does what is asked for, once for each idempotency key."""

    keyed: Idempotency
    who: str
    key: str | None
    request: bytes

    def __call__(
        self, do: Callable[[Turn], Record], *, status: int = 200, location: Callable[[Record], str] | None = None
    ) -> Response:
        """Do it, or give the answer that it had.

        Args:
            do: does it. A refusal is an answer too, and kept; what may go better another time is not.
            status: of the answer.
            location: where what it made is found.
        """

        def answer(turn: Turn) -> Answer:
            try:
                made = do(turn)
            except MiddlewatchError as error:
                if error.retryable or kind_of(error).status >= 500:  # noqa: PLR2004  a fault of ours
                    raise
                return told_of(error)
            headers = {} if location is None else {"Location": location(made)}
            return Answer(status=status, body=made.model_dump_json(), headers=headers)

        if self.key is None:
            return respond(answer(first_turn()))
        found, again = self.keyed.once(self.who, self.key, self.request, answer)
        return respond(found, {"Idempotency-Replayed": "true"} if again else None)


async def calling(request: Request, visitor: SignedIn, app: Application) -> Caller:
    """Who calls: a token, or the session of a browser, which shows its CSRF token with whatever changes something.

    Raises:
        NotSignedIn: nobody whom policy knows.
        Refused: the CSRF token is missing.
    """
    if request.method not in SAFE_METHODS:
        if visitor.csrf and not request.headers.get(CSRF_HEADER):  # a form of a page is no call of the API
            raise Refused(
                "The session's CSRF token is missing.",
                remedy="Send it as X-CSRF-Token, or a token of your own in place of a session.",
            )
        await acting(request, visitor)
    return Caller(app, visitor.identity, visitor.principal)


Calling = Annotated[Caller, Depends(calling)]


async def keyed_once(
    request: Request,
    caller: Calling,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[!-~]+$",
            description="a key of your own, such as a UUID: repeated within 24 hours, the request is done once",
        ),
    ] = None,
) -> Once:
    """What does the request once."""
    url = request.url
    head = f"{request.method} {url.path}?{url.query}\n"
    keyed = Idempotency(caller.app.store.server, caller.app.settings.tenant)
    return Once(keyed, caller.who, key, head.encode("utf-8", "surrogatepass") + await request.body())


KeyedOnce = Annotated[Once, Depends(keyed_once)]
