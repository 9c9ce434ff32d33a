"""Which addresses serve a service now: callers look them up for every request, so that a deploy moves them at once."""

from __future__ import annotations

from collections import defaultdict
from itertools import count

import httpx

from middlewatch.evals.lab.run_folder import RunFolder


class DiscoveringTransport(httpx.BaseTransport):
    """Sends a request for `http://<service>/...` to one of the addresses that the service has at this moment, by turns."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._turns: dict[str, count[int]] = defaultdict(count)
        self._inner = httpx.HTTPTransport(limits=httpx.Limits(max_connections=200, max_keepalive_connections=50))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        service = request.url.host
        addresses = self._folder.address(service).read_text(encoding="ascii").split()
        host, _, port = addresses[next(self._turns[service]) % len(addresses)].partition(":")
        request.url = request.url.copy_with(host=host, port=int(port))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()
