"""A site over a real store, and the server over it in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from redis import Redis

from middlewatch.frontends.mcp.server import create_server
from tests.mcp_site import Site, site, token
from tests.store_fixtures import redis as server

__all__ = ["server"]

Talk = Callable[[Client], Awaitable[Any]]


@pytest.fixture
def place(server: Redis, tmp_path: Path) -> Iterator[Site]:
    with site(server, tmp_path) as made:
        yield made


@pytest.fixture
def talk(place: Site) -> Callable[..., Any]:
    """Say something to the server as somebody, in memory."""
    server_for = cache(lambda who: create_server(place.app, f"token:{token(who)}"))

    def talk(said: Talk, who: str = "leo") -> Any:
        async def run() -> Any:
            async with Client(server_for(who)) as client:
                return await said(client)

        return anyio.run(run)

    return talk


@pytest.fixture
def call(talk: Callable[..., Any]) -> Callable[..., Any]:
    """Call one tool as somebody; the answer, or the text of the refusal."""

    def call(name: str, who: str = "leo", **arguments: Any) -> Any:
        async def said(client: Client) -> Any:
            return await client.call_tool(name, arguments)

        result = talk(said, who)
        return result.content[0].text if result.is_error else result.structured_content

    return call
