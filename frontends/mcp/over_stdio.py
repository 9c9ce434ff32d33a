"""The server over standard input and output: until the client closes its end, or somebody asks it to stop."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import anyio

from middlewatch.app import App
from middlewatch.frontends.mcp.server import create_server

INPUT: Final = 0
"""The descriptor of standard input."""
LOOK_SECONDS: Final = 0.1
"""Between two looks whether to stop: the longest wait for the client, or for whoever reads what it said. Chosen."""
_CHUNK: Final = 64 * 1024


def serve(app: App, identity: str, *, stopped: Callable[[], bool]) -> None:
    """Answer until told to stop, or until nothing comes any more.

    Args:
        app: what is served.
        identity: of whoever started it.
        stopped: whether to stop; asked ten times a second.
    """
    server = create_server(app, identity)
    with _closed_when(stopped):
        try:
            anyio.run(server.run_stdio_async)
        except* BrokenPipeError:
            pass  # nobody reads the answers any more: it is over, as when nothing comes


@contextmanager
def _closed_when(stopped: Callable[[], bool]) -> Iterator[None]:
    """Standard input that ends when it is time to stop, as it does when the client closes it.

    A read of it cannot be given up, and the library would wait for one for ever. So it reads a socket in its place, and who hands
    on what the client says waits for neither for long.
    """
    client, over = os.dup(INPUT), threading.Event()
    ours, read = socket.socketpair()
    with read:
        os.dup2(read.fileno(), INPUT)
    carrier = threading.Thread(
        target=_carry, args=(client, ours, lambda: over.is_set() or stopped()), name="mcp-input", daemon=True
    )
    carrier.start()
    try:
        yield
    finally:
        over.set()
        carrier.join()
        os.dup2(client, INPUT)
        os.close(client)
        ours.close()


def _carry(client: int, to: socket.socket, stopped: Callable[[], bool]) -> None:
    """Hand on what the client says, until it says no more, nobody listens, or it is time to stop."""
    to.setblocking(False)
    said = b""
    with suppress(OSError):  # nobody listens any more
        while not stopped():
            if said:
                said = said[to.send(said) :] if _is_ready(to.fileno(), select.POLLOUT) else said
            elif _is_ready(client, select.POLLIN):
                said = os.read(client, _CHUNK)
                if not said:
                    break
    _end(to)


def _is_ready(file: int, what: int) -> bool:
    """Whether it can be read or written by then, or is at its end."""
    look = select.poll()
    look.register(file, what)
    return bool(look.poll(LOOK_SECONDS * 1000))


def _end(to: socket.socket) -> None:
    """The other end reads what is there, and then that this is the end; whoever still sends is told that nobody listens."""
    with suppress(OSError):  # it has ended already
        to.shutdown(socket.SHUT_WR)
