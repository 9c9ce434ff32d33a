"""What stands before every route: who may be addressed, from where a change may come, how much may be sent, what a browser may do.

Pure ASGI, so that a stream goes through as it is written.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from middlewatch.frontends.web.errors import problem
from middlewatch.records.loopback import is_loopback
from middlewatch.settings import Settings

BODY_BYTES = 1024 * 1024
"""Nobody types more: the longest field of a form is 2,000 characters. Chosen, not derived."""
BODY_SECONDS = 15.0
"""In which a body has arrived whole. Chosen, not derived: 1 MiB on a slow phone."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
PROBE = "/healthz"
"""Asked for by whatever watches this process, under any name; it says one word."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends `Origin: null` with its own forms
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}
"""Where people reach it by https, they never do otherwise again for a year."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?")


class Guard:
    """Refuses what no route should see, and says with every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = allowed_hosts(settings)
        public = settings.public_url
        self._public_origin = "" if public is None else origin_of(str(public))
        self._headers: Mapping[str, str] = HEADERS | (TRANSPORT if self._public_origin.startswith("https:") else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            else:  # nothing here speaks WebSocket
                await send({"type": "websocket.close", "code": 1008})
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope)
        if refusal := self._refusal(request):
            await problem(request, *refusal)(scope, receive, sent)
        else:
            await self._app(scope, _bounded(receive), sent)

    def _refusal(self, request: Request) -> tuple[int, str, str] | None:
        """Status, message and remedy, where it goes no further."""
        headers = request.headers
        if request.url.path != PROBE and host_of(headers) not in self._hosts:
            return (
                421,
                "This server does not go by that name.",
                "Use the address that it was started with, or set MIDDLEWATCH_PUBLIC_URL.",
            )
        if request.method not in SAFE and not self._is_own(request):
            return 403, "This came from another site.", "Use the pages of this one."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES:
            return 413, f"That is more than {BODY_BYTES:,} bytes.", "Send less."
        if headers.get("content-type", "").strip().lower().startswith("multipart/"):
            # No form here is one. Its sender would choose the codec, such as one that fails, or makes text that UTF-8 cannot hold.
            return 415, "Forms are not read in parts here.", "Send application/x-www-form-urlencoded, or JSON to the API."
        return None

    def _is_own(self, request: Request) -> bool:
        """Whether a change comes from a page of ours, or from a program that no browser lends its cookies to."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None and site not in {"same-origin", "none"}:
            return False
        if origin is not None:
            return origin in {self._public_origin, f"{request.scope['scheme']}://{request.headers['host']}".lower()}
        return site is not None or "cookie" not in request.headers


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The names that a request may address: of a name that an attacker made point here, none.

    The port does not count: it is not in the attacker's hand, and it changes on the way through a tunnel.
    """
    listening = settings.host.lower()
    hosts = {f"[{listening}]" if ":" in listening else listening}
    if settings.public_url is not None and settings.public_url.host:
        hosts.add(settings.public_url.host.lower())
    return frozenset(hosts | LOOPBACK) if is_loopback(settings.host) else frozenset(hosts)


def is_local(settings: Settings) -> bool:
    """Whether the system's user may sign in by a link: the data is theirs, and nobody but this machine can reach the listener."""
    return settings.redis_url is None and is_loopback(settings.host)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as browsers write an origin."""
    parts = urlsplit(url)
    port = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, port} else "")


def host_of(headers: Headers) -> str:
    """The name without its port; empty where there is none, or more than one."""
    given = headers.getlist("host")
    found = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
    return found[1] if found else ""


def _bounded(receive: Receive) -> Receive:
    """The same, as long as a body is neither too long nor too slow. What comes after the body may take any time."""
    size, whole = 0, False
    deadline: float | None = None

    async def received() -> Message:
        nonlocal size, whole, deadline
        if whole:
            return await receive()
        loop = asyncio.get_running_loop()
        deadline = deadline or loop.time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not arrive in time") from None
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > BODY_BYTES:
            raise HTTPException(413, f"That is more than {BODY_BYTES:,} bytes")
        return message

    return received
