"""One call over HTTP, and what came of it as far as can be known. Nothing is tried again here, and no redirect is followed.

What failed before anything was sent, or was refused, did not happen. What was sent and got no clear answer may have happened.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from middlewatch.records import ActionResult, Result
from middlewatch.records.errors import Misconfigured, Unavailable
from middlewatch.tools.actions.action import Step, canonical
from middlewatch.tools.wording import quoted

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer; chosen, not derived: a namespace with a thousand large ReplicaSets stays below it."""

GRACE_SECONDS = 0.5
"""After the time of a call, until its connection is closed: the client's own limit, which says what happened, comes first."""

Headers = Mapping[str, str]
Signer = Callable[[str, str, bytes], Headers]
"""From the method, the path with its query and the body to the headers that show who calls. Asked anew for each call."""


class Answered(BaseModel):
    """The base of what adapters read out of answers: what they do not know of is passed over, and no type is converted."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


_Answer = TypeVar("_Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one call."""

    result: Result
    """`done`: the other end answered with success; `not_done`: never sent, or refused; `unknown`: sent, and no clear answer."""
    detail: str = ""
    """One sentence where it is not `done`."""
    status: int = 0
    """Of HTTP; 0 where none came."""
    body: JsonValue = None

    @property
    def absent(self) -> bool:
        """Whether the other end says that there is no such thing."""
        return self.status in {404, 410}

    @property
    def later(self) -> bool:
        """Whether the same call may be answered later: it was not, or the other end is overloaded or broken."""
        return self.result is Result.UNKNOWN or self.status in {0, 408, 425, 429}

    @property
    def outcome(self) -> ActionResult:
        """The same of a call that changes something."""
        return ActionResult(result=self.result, detail=self.detail)

    def read(self, model: type[_Answer]) -> _Answer:
        """What was answered.

        Raises:
            NoAnswer: there is none, or it is not what it should be.
        """
        if self.result is not Result.DONE:
            raise NoAnswer(self)
        try:
            return model.model_validate(self.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole of it"
            unfit = f"The answer is not what it should be: {quoted(where)}: {first['msg']}."
            raise NoAnswer(Reply(Result.UNKNOWN, unfit, self.status)) from None


class NoAnswer(Unavailable):
    """What was asked for was not answered."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply: whether asking again helps depends on it."""
        self.reply = reply
        super().__init__(reply.detail)


def in_vain(detail: str) -> NoAnswer:
    """The error of an adapter that looked and cannot tell: whatever it was asked for is neither seen nor ruled out."""
    return NoAnswer(Reply(Result.UNKNOWN, detail))


class Wire:
    """A connection to one server or socket. Not kept open between calls: a call on one that was just closed would be in doubt."""

    def __init__(
        self,
        base: str,
        *,
        seconds: float,
        signer: Signer,
        secret: Callable[[], str] | None = None,
        ca: Path | None = None,
        unix: Path | None = None,
    ) -> None:
        """Nothing is opened.

        Args:
            base: as in `Step.place`, or an address of the form ``http://host`` for a socket.
            seconds: time limit of a call.
            signer: makes the headers that show who calls.
            secret: what must never be shown, even where the other end repeats it.
            ca: certificates to check the server's with.
            unix: a socket to connect to instead of the host.
        """
        self._base = base
        self._seconds = seconds
        self._signer = signer
        self._secret = secret
        self._ca = ca
        self._socket = unix
        self._tls = base.startswith("https:")

    def call(self, step: Step) -> Reply:
        """Send one call and wait for its answer.

        Raises:
            Misconfigured: a credential or certificate cannot be read; nothing was sent.
        """
        import httpx  # noqa: PLC0415  takes 60 ms to load, and most commands make no calls

        content = b"" if step.body is None else canonical(step.body).encode("ascii")
        headers = {"Accept": "application/json", "User-Agent": "middlewatch", "Connection": "close"}
        if step.body is not None:
            headers["Content-Type"] = step.content_type
        if self._socket is not None and not _listens(self._socket, self._seconds):
            return Reply(Result.NOT_DONE, "Nothing was sent: nobody listens at the socket.")
        url = httpx.URL(f"{self._base}{step.path}")
        headers.update(self._signer(step.method, url.raw_path.decode("ascii"), content))
        try:
            with self._client() as client, _hung_up(client, self._seconds):
                return self._answer(client.build_request(step.method, url, headers=headers, content=content or None), client)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            return Reply(Result.NOT_DONE, self._said(f"Nothing was sent: {_kind(error)}."))
        except httpx.TimeoutException:
            return Reply(Result.UNKNOWN, f"No answer within {self._seconds:g} s.")
        except (httpx.RequestError, ValueError) as error:
            return Reply(Result.UNKNOWN, self._said(f"The answer was lost: {_kind(error)}."))

    def _client(self) -> httpx.Client:
        """Without what the environment says: no proxy and no file of passwords takes part."""
        import httpx  # noqa: PLC0415

        logging.getLogger("httpx").addFilter(_without_addresses)
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self._tls:
                verify = ssl.create_default_context(cafile=None if self._ca is None else str(self._ca))
        except OSError as error:
            raise Misconfigured(f"The certificates {self._ca} cannot be read: {error.strerror or 'not a certificate'}.") from None
        transport = httpx.HTTPTransport(verify=verify, uds=None if self._socket is None else str(self._socket), retries=0)
        return httpx.Client(transport=transport, timeout=self._seconds, follow_redirects=False, trust_env=False)

    def _answer(self, request: httpx.Request, client: httpx.Client) -> Reply:
        response = client.send(request, stream=True)
        try:
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST_ANSWER:
                    return Reply(Result.UNKNOWN, "The answer was too long.", response.status_code)
        finally:
            response.close()
        return self._judged(response.status_code, bytes(content), response.headers.get("retry-after", ""))

    def _judged(self, status: int, content: bytes, retry_after: str) -> Reply:
        try:
            body = cast("JsonValue", json.loads(content)) if content.strip() else None
        except (ValueError, RecursionError):
            if 200 <= status < 300:  # noqa: PLR2004  success, by RFC 9110
                return Reply(Result.UNKNOWN, f"The answer to the call was {status} and is not JSON.", status)
            body = None
        if 200 <= status < 300:  # noqa: PLR2004
            return Reply(Result.DONE, "", status, body)
        said = f"{_REASONS.get(status, 'It was answered')} ({status}){_message(body)}."
        if status == 429 and retry_after.isdecimal():  # noqa: PLR2004  Too Many Requests
            said = f"{said} It may be asked again after {int(retry_after[:9])} s."
        return Reply(Result.NOT_DONE if status < 500 else Result.UNKNOWN, self._said(said), status, body)  # noqa: PLR2004

    def _said(self, text: str) -> str:
        """Without the credential, should the other end repeat it."""
        secret = self._secret() if self._secret is not None else ""
        return text.replace(secret, "***") if secret else text


_REASONS = {
    400: "It was refused as malformed",
    401: "The credential was refused",
    403: "The credential does not allow it",
    404: "There is no such thing",
    409: "It was refused: the target changed in the meantime",
    422: "It was refused: it does not fit the target as it is",
    429: "It was refused: too many calls",
}


@contextmanager
def _hung_up(client: httpx.Client, seconds: float) -> Iterator[None]:
    """Hang up when the time is over: the client's own limit is on each piece of an answer, and pieces can come for ever."""
    timer = threading.Timer(seconds + GRACE_SECONDS, client.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _without_addresses(record: logging.LogRecord) -> bool:
    """Passes what httpx warns of. Below that it logs whole addresses, and those of webhooks may hold a secret."""
    return record.levelno >= logging.WARNING


def _listens(path: Path, seconds: float) -> bool:
    """Whether a unix socket takes connections; httpcore leaves the handle of one that does not to the garbage collector."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(seconds)
        try:
            one.connect(str(path))
        except OSError:
            return False
        return True


def _message(body: JsonValue) -> str:
    """What the other end says of a refusal, as a quotation."""
    if isinstance(body, dict):
        for name in ("message", "error", "problem"):
            if isinstance(said := body.get(name), str) and said:
                return f": {quoted(said)}"
    return ""


def _kind(error: Exception) -> str:
    """What happened, without what the error repeats of the request."""
    return {
        "ConnectError": "no connection",
        "ConnectTimeout": "no connection in time",
        "PoolTimeout": "no connection in time",
        "ReadError": "the connection broke",
        "WriteError": "the connection broke",
        "RemoteProtocolError": "the other end hung up or does not speak HTTP",
    }.get(type(error).__name__, type(error).__name__)


def bearer(secret: Callable[[], str], more: Headers) -> Signer:
    """Shows a token with each call (RFC 6750), and what else the server wants to see."""
    return lambda _method, _path, _body: {"Authorization": f"Bearer {secret()}", **more}


def nobody(_method: str, _path: str, _body: bytes) -> Headers:
    """Shows nothing: the other end looks at who may open its socket."""
    return {}
