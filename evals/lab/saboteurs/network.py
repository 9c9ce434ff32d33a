"""A bad network in front of some addresses: `... network --ports FILE --delay 0.1 --loss 0 127.0.0.1:5000 127.0.0.1:5001`.

Listens on one port for each address, writes the ports to FILE, and passes everything on: a delay later in either direction,
and with a share of the connections reset when a request comes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import struct
from contextlib import suppress
from pathlib import Path

from middlewatch.evals.lab.saboteurs.until import told_to_end

_CHUNK_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing the socket resets the connection."""


class _Network:
    def __init__(self, delay_seconds: float, loss: float) -> None:
        self._delay_seconds = delay_seconds
        self._loss = loss
        self._draw = random.Random()  # noqa: S311 -- nothing depends on its being hard to guess

    async def open(self, address: str) -> int:
        """Listen in front of the address; the port."""
        host, _, port = address.partition(":")

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                beyond, there = await asyncio.open_connection(host, int(port))
            except OSError:
                writer.close()
                return
            await asyncio.gather(
                self._pass(reader, there, other=writer, loss=self._loss), self._pass(beyond, writer, other=there, loss=0.0)
            )

        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        number: int = server.sockets[0].getsockname()[1]
        return number

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, other: asyncio.StreamWriter, loss: float
    ) -> None:
        """Pass on what comes until one side closes, or the connection is lost."""
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self._draw.random() < loss:
                    other.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    other.transport.abort()
                    break
                await asyncio.sleep(self._delay_seconds * self._draw.uniform(0.5, 1.5))
                writer.write(chunk)
                await writer.drain()
        writer.close()


async def _run(arguments: argparse.Namespace) -> None:
    network = _Network(arguments.delay, arguments.loss)
    ports = [await network.open(address) for address in arguments.addresses]
    partial = arguments.ports.with_name(arguments.ports.name + ".partial")
    partial.write_text("\n".join(map(str, ports)), encoding="ascii")
    partial.replace(arguments.ports)
    await asyncio.to_thread(told_to_end().wait)


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", required=True, type=Path)
    parser.add_argument("--delay", required=True, type=float, help="mean seconds in each direction")
    parser.add_argument("--loss", required=True, type=float, help="share of the requests whose connection is reset")
    parser.add_argument("addresses", nargs="+")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
