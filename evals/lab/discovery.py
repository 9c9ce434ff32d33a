"""Which address serves a service now: callers look it up for every request, so that a deploy moves them at once."""

from __future__ import annotations

import httpx

from middlewatch.evals.lab.run_folder import RunFolder


class DiscoveringTransport(httpx.BaseTransport):
    """Sends a request for `http://<service>/...` to the address that the service has at this moment."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._inner = httpx.HTTPTransport(limits=httpx.Limits(max_connections=200, max_keepalive_connections=50))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host, _, port = self._folder.address(request.url.host).read_text(encoding="ascii").partition(":")
        request.url = request.url.copy_with(host=host, port=int(port))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()
