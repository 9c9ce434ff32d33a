"""How requests leave: to allowed hosts only, with no header that nobody chose, and answers no longer than they may be."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import httpx2
from pydantic import SecretStr

from middlewatch.agents.language_model.allowed_hosts import HostRefused, guarded_client
from middlewatch.agents.language_model.connection import Connection
from middlewatch.agents.language_model.retrying import MOST_ATTEMPTS, MOST_REFUSED, Trouble
from middlewatch.agents.language_model.seam import Obstacle
from middlewatch.records import CallOutcome

MOST_BYTES: Final = 2_000_000
"""Of an answer, its framing included; ten times what the longest answer takes that a model may write here."""
CONNECT_SECONDS: Final = 5.0

_OF_ANY_REQUEST: Final = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "middlewatch",
}
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_TALKATIVE: Final = ("anthropic", "openai", "httpx2", "httpcore2")


class Unreadable(Exception):
    """The answer is not to be read on."""


class Unfinished(Exception):
    """The connection ended in the middle of an answer."""


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends with headers of our own alone, and reads no answer that is too long or compressed.

    The providers' packages add what they read from the environment, any header and any value, and tell of this machine.
    """

    def __init__(
        self, key: SecretStr | None, headers: Mapping[str, str] = _NONE, *, inner: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """Bound a transport.

        Args:
            key: to be sent; None for none.
            headers: of the protocol, beside those of any request.
            inner: what sends; the usual one, without anything from the environment, where None is given.
        """
        self._key, self._headers = key, {**_OF_ANY_REQUEST, **headers}
        self._inner = inner or httpx2.AsyncHTTPTransport(trust_env=False, retries=0)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it.

        Raises:
            Unreadable: the answer is compressed though nobody asked for that: its length would mean nothing.
        """
        key = {} if self._key is None else {"authorization": f"Bearer {self._key.get_secret_value()}"}
        sent = httpx2.Request(  # host and length are those of its URL and its content
            request.method,
            request.url,
            headers={**self._headers, **key},
            content=await request.aread(),
            extensions=request.extensions,
        )
        response = await self._inner.handle_async_request(sent)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise Unreadable("sent a compressed answer, which nobody asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  of an asynchronous transport
        response.stream = _Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        came = 0
        try:
            async for piece in self._inner:
                came += len(piece)
                if came > MOST_BYTES:
                    raise Unreadable(f"sent an answer of more than {MOST_BYTES // 1_000_000} MB")
                yield piece
        except (httpx2.NetworkError, httpx2.ProtocolError) as error:
            raise Unfinished from error

    async def aclose(self) -> None:
        await self._inner.aclose()


def model_client(connection: Connection, headers: Mapping[str, str] = _NONE) -> httpx2.AsyncClient:
    """What a provider's package sends its requests with.

    Args:
        connection: where they go, with which key.
        headers: of the protocol.
    """
    for name in _TALKATIVE:  # below warnings they log addresses and whole requests, and variables of their own make them do it
        logging.getLogger(name).setLevel(logging.WARNING)
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)  # each request has a limit of its own
    return guarded_client(connection.allowed, timeout=timeout, inner=BoundedTransport(connection.key, headers))


def limits(seconds: float) -> httpx2.Timeout:
    """The limits of one request that has so many seconds."""
    return httpx2.Timeout(max(seconds, 0.001), connect=max(min(seconds, CONNECT_SECONDS), 0.001))


def lost(place: str, error: BaseException) -> Trouble:
    """What it means that no answer came, or not all of it.

    Args:
        place: who was asked, with the port.
        error: of a provider's package, with its cause behind it.

    Returns:
        A trouble. Nothing of the error's own text is in it but what this module wrote.
    """
    causes = [*_causes(error)]
    words, outcome, again = _told(causes) or (f"failed with {type(error).__name__}", CallOutcome.FAILED, False)
    refused = next((cause for cause in causes if isinstance(cause, HostRefused)), None)
    if refused is not None:
        return Trouble(refused.message, CallOutcome.FAILED, remedy=refused.remedy)
    trouble = Trouble(f"{place} {words}.", outcome, again=again, billed=words not in _UNBILLED)
    if words == _UNREACHED:
        trouble.remedy, trouble.obstacle = _REMEDY, Obstacle.UNREACHED
        trouble.most = MOST_REFUSED if any(map(_is_refusal, causes)) else MOST_ATTEMPTS
    return trouble


_UNTRUSTED: Final = "has a certificate that this machine does not trust"
_UNREACHED: Final = "could not be reached"
_REMEDY: Final = "See that its server is up, that `url` in models.toml has its host and port, and that no firewall is between."
_DROPPED: Final = "dropped the connection before an answer began"
_WAITED: Final = "had no connection free in time"
_UNBILLED: Final = frozenset({_UNTRUSTED, _UNREACHED, _WAITED})
"""What was never sent. Answers come whole, not in a stream: one that never began may have been written and billed."""


_MEANINGS: Final[tuple[tuple[tuple[type[Exception], ...], str, CallOutcome, bool], ...]] = (
    ((httpx2.ConnectError, httpx2.ConnectTimeout), _UNREACHED, CallOutcome.FAILED, True),
    ((httpx2.PoolTimeout,), _WAITED, CallOutcome.FAILED, True),
    ((httpx2.TimeoutException,), "did not answer in time", CallOutcome.TIMED_OUT, False),
    # not again: it was billed, and a second one would cost what nobody set aside
    ((Unfinished,), "cut the connection in the middle of its answer", CallOutcome.FAILED, False),
    ((httpx2.HTTPError,), _DROPPED, CallOutcome.FAILED, True),
)
"""Errors, in words, what they come to, and whether it may be otherwise next time; the first that fits."""


def _told(causes: list[BaseException]) -> tuple[str, CallOutcome, bool] | None:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return _UNTRUSTED, CallOutcome.FAILED, False
    for cause in causes:
        if isinstance(cause, Unreadable):
            return str(cause), CallOutcome.MALFORMED, False
        for kinds, words, outcome, again in _MEANINGS:
            if isinstance(cause, kinds):
                return words, outcome, again
    return None


def _is_refusal(cause: BaseException) -> bool:
    """Whether nobody listens there; of a name with several addresses, at one of them."""
    group = isinstance(cause, ExceptionGroup) and cause.subgroup(ConnectionRefusedError) is not None
    return group or isinstance(cause, ConnectionRefusedError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__
