"""Where text may go: only to hosts that the operator lists, over TLS, with no redirect followed and no proxy that nobody named.

The list is enforced where a request leaves, in the transport: whatever a provider's package makes of a base URL, of its own
environment variables or of a server's answer, a request to another host is not sent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import httpx2

from middlewatch.records.errors import Misconfigured
from middlewatch.records.loopback import is_loopback

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_PLAIN: Final = "http://"
_LONGEST_NAME: Final = 253
_REDIRECTS: Final = range(300, 400)


class HostRefused(Misconfigured):
    """A request to a host that is not on the list of allowed model hosts."""


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts that text may be sent to."""

    names: frozenset[str]
    """In lower case, without a port. `http://NAME` allows that host without TLS as well; loopback needs none."""

    @classmethod
    def of(cls, listed: Iterable[str]) -> Self:
        """The list as an operator writes it.

        Args:
            listed: names or addresses, such as 'api.example.com', '::1' or 'http://gpu-box'.

        Raises:
            Misconfigured: one of them is no host: a URL with a path, a port, a wildcard, or letters that look like others.
        """
        names = frozenset(name.lower() for name in listed)
        for name in names:
            _checked(name.removeprefix(_PLAIN))
        return cls(names)

    def host_of(self, base_url: str) -> str:
        """The host of a base URL that may be used, in lower case and without a port.

        Raises:
            Misconfigured: it is no URL of a server, has a user, a query or a fragment, or is without TLS where that is not allowed.
            HostRefused: its host is not on the list.
        """
        try:
            url = httpx2.URL(base_url)
        except (httpx2.InvalidURL, ValueError, TypeError):
            raise Misconfigured(
                "The base URL of a language model cannot be understood.", remedy="Write it as https://host/path."
            ) from None
        if not url.host or url.userinfo or url.query or url.fragment:
            raise Misconfigured(
                "The base URL of a language model must have a host, and no user, query or fragment.",
                remedy="Write it as https://host/path, and the key where keys are configured.",
            )
        return self.permit(url)

    def permit(self, url: httpx2.URL) -> str:
        """The host that a request goes to, if it may.

        Raises:
            HostRefused: it is not on the list, or the request is without TLS where that is not allowed.
        """
        host = url.raw_host.decode("ascii", "replace").lower()
        if url.scheme not in {"https", "http"} or not {host, _PLAIN + host} & self.names:
            raise HostRefused(
                f"{_shown(host)} is not on the list of allowed model hosts, so nothing was sent to it.",
                remedy=f"Add it to the list if text may go there. On it: {', '.join(sorted(self.names)) or 'nothing'}.",
            )
        if url.scheme == "http" and _PLAIN + host not in self.names and not is_loopback(host):
            raise HostRefused(
                f"{_shown(host)} is only allowed over TLS, so nothing was sent to it.",
                remedy=f"Use https, or list it as {_PLAIN}{host} if text may go there unencrypted.",
            )
        return host


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests to allowed hosts and refuses redirects."""

    def __init__(self, allowed: AllowedHosts, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        """Guard a transport.

        Args:
            allowed: where requests may go.
            inner: what sends them; the usual one, without anything from the environment, where None is given.
        """
        self._allowed = allowed
        self._inner = inner or httpx2.AsyncHTTPTransport(trust_env=False, retries=0)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it, if it may go there.

        Raises:
            HostRefused: it may not, or the server says that it should go elsewhere.
        """
        host = self._allowed.permit(request.url)
        response = await self._inner.handle_async_request(request)
        if response.status_code in _REDIRECTS:
            await response.aclose()
            raise HostRefused(
                f"{_shown(host)} answered with a redirect, which is not followed.",
                remedy="Write the address where it answers itself as the base URL.",
            )
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def guarded_client(
    allowed: AllowedHosts, *, timeout: httpx2.Timeout, inner: httpx2.AsyncBaseTransport | None = None
) -> httpx2.AsyncClient:
    """A client for a provider's package. Nothing of it comes from the environment: a proxy named there would get round the guard.

    Args:
        allowed: where requests may go.
        timeout: of a request.
        inner: what sends them; as for `GuardedTransport`.
    """
    return httpx2.AsyncClient(
        transport=GuardedTransport(allowed, inner), timeout=timeout, follow_redirects=False, trust_env=False, mounts={}
    )


def _checked(name: str) -> None:
    if len(name) > _LONGEST_NAME or not (_NAME.fullmatch(name) or _is_address(name)):
        raise Misconfigured(
            f"{_shown(name)} is no host that text may be sent to.",
            remedy="List plain host names or addresses, without scheme, port or path; 'http://' in front allows one without TLS.",
        )


def _is_address(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).compressed == name
    except ValueError:
        return False


def _shown(host: str) -> str:
    return ascii(host[:_LONGEST_NAME])
