"""What a live page fetches anew as things happen, the way static/app.js does it. Keep the two alike."""

from __future__ import annotations

import asyncio
import gzip
import html
import random
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import middlewatch.frontends.web

SCRIPT = Path(middlewatch.frontends.web.__path__[0], "static", "app.js").read_text(encoding="utf-8")
_SECTION = re.compile(r'data-part="([^"]+)"(?: data-when="([^"]+)")?')


def constant(name: str) -> float:
    """A number of the script."""
    found = re.search(rf"\b{name} = (\d+)", SCRIPT)
    assert found, name
    return float(found[1])


@dataclass(frozen=True)
class Section:
    """A part of the page, and the kinds of events that it waits for; none is all."""

    path: str
    starts: tuple[str, ...]

    def concerns(self, kind: str) -> bool:
        return not self.starts or kind.startswith(self.starts)


def sections(page: str) -> tuple[Section, ...]:
    """Those of a page, in its order."""
    return tuple(Section(html.unescape(path), tuple(when.split())) for path, when in _SECTION.findall(page))


@dataclass
class Connection:
    """One connection of a browser, kept: HTTP/1.1 with the answer's length."""

    address: tuple[str, int]
    cookie: str
    moved: int = 0
    """Bytes of bodies."""
    _ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> str:
        """An answer's body."""
        try:
            return await self._asked(path)
        except (asyncio.IncompleteReadError, OSError):  # the server closes one that asked nothing for a while
            self.close()
            return await self._asked(path)

    async def _asked(self, path: str) -> str:
        if self._ends is None:
            self._ends = await asyncio.open_connection(*self.address)
        reader, writer = self._ends
        head = (
            f"GET {path} HTTP/1.1",
            f"Host: {self.address[0]}",
            f"Cookie: {self.cookie}",
            "Accept-Encoding: gzip",
            "HX-Request: true",
        )
        writer.write("\r\n".join((*head, "", "")).encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", answer)
        assert length, (path, answer)
        assert answer.startswith(b"http/1.1 200 "), (path, answer)
        packed = await reader.readexactly(int(length[1]))
        self.moved += len(packed)
        return (gzip.decompress(packed) if b"content-encoding: gzip" in answer else packed).decode()

    def close(self) -> None:
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None


@dataclass
class Sections:
    """Those of one page that is open."""

    connection: Connection
    parts: str
    """Where several are fetched at once."""
    shown: tuple[Section, ...]
    luck: random.Random
    answered_ms: list[float] = field(default_factory=list)
    """Each answer."""
    late_ms: list[float] = field(default_factory=list)
    """Of each section, from the first word that something happened until the page shows it."""
    _stale: dict[Section, float] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def freshen(self, kind: str) -> None:
        """Something happened."""
        for one in self.shown:
            if one.concerns(kind):
                self._stale.setdefault(one, time.monotonic())
        self._news.set()

    @property
    def fresh(self) -> bool:
        return not self._stale and not self._news.is_set()

    async def keep_fresh(self) -> None:
        """Fetch what is stale, until cancelled."""
        try:
            while True:
                await self._news.wait()
                rest = min(constant("REST_MS"), constant("REST") * self.answered_ms[-1]) if self.answered_ms else 0.0
                await asyncio.sleep((constant("SETTLE_MS") + self.luck.random() * max(constant("SPREAD_MS"), rest)) / 1000)
                self._news.clear()
                await self._fetch()
        finally:
            self.connection.close()

    async def _fetch(self) -> None:
        wanted, self._stale = self._stale, {}
        names = ",".join(one.path.rpartition("/")[2] for one in wanted)
        begun = time.monotonic()
        text = await self.connection.get(f"{self.parts}?names={names}" if len(wanted) > 1 else next(iter(wanted)).path)
        now = time.monotonic()
        assert len(wanted) == 1 or text.count("<hx-partial ") == len(wanted)
        self.answered_ms.append((now - begun) * 1000)
        self.late_ms += [(now - since) * 1000 for since in wanted.values()]
