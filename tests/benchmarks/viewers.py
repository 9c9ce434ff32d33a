"""Many who watch one live investigation, cut off now and then: each sees every event once, in order. docs/measurements/web.md.

.venv/bin/python -m tests.benchmarks.viewers --viewers 200 --events 600 --rate 20
.venv/bin/python -m tests.benchmarks.viewers --viewers 200 --events 60 --rate 3 --sections   # and fetch what their page shows of it
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from middlewatch.app import App, open_app
from middlewatch.live import Cursor
from middlewatch.records import DEFAULT_TENANT, Claim, Investigation, Principal, Task, TaskKind
from tests.acceptance.approvals_site import PEOPLE
from tests.benchmarks.first_answer import signed_in
from tests.benchmarks.sections import Connection, Section, Sections, sections
from tests.report_finding import finding
from tests.store_data import make_evidence
from tests.web_process import prepare, serving

INVESTIGATION = "inv-0000000011fe"
CUT = 0.02
"""How likely a viewer is cut off after an event: with 600 of them, twelve times."""
LONGEST_AWAY_SECONDS = 2.0
SLOW = 20
"""Every so manyth viewer takes a while over each event, and falls behind."""
SLOW_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


@dataclass
class Viewer:
    """A browser: it keeps the last id, and comes back with it."""

    number: int
    address: tuple[str, int]
    cookie: str
    last: str
    page: Sections | None = None
    """What it fetches anew; None for one that reads the stream alone."""
    places: list[Cursor] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """Of what happened while it was there."""
    since: float = 0.0
    connections: int = 0

    async def watch(self, done: asyncio.Event) -> None:
        """Until everything was seen."""
        fetching = asyncio.create_task(self.page.keep_fresh()) if self.page else None
        try:
            await self._follow(done)
        finally:
            if fetching:
                assert not fetching.done(), fetching.exception()
                fetching.cancel()

    async def _follow(self, done: asyncio.Event) -> None:
        luck = random.Random(self.number)
        while not done.is_set():
            self.connections += 1
            try:
                async for frame in self._frames():
                    self._see(frame)
                    if self.number % SLOW == 0:
                        await asyncio.sleep(SLOW_SECONDS)
                    if luck.random() < CUT:
                        break
            except OSError:
                await asyncio.sleep(0.1)
            await asyncio.sleep(luck.uniform(0, LONGEST_AWAY_SECONDS))

    async def _frames(self) -> AsyncIterator[dict[str, str]]:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            path = f"/investigations/{INVESTIGATION}/stream"
            head = f"GET {path} HTTP/1.0\r\nHost: {self.address[0]}\r\nCookie: {self.cookie}\r\nLast-Event-ID: {self.last}\r\n\r\n"
            writer.write(head.encode())
            assert b" 200 " in await reader.readline()
            while (await reader.readline()).strip():
                pass
            self.since = time.time()
            frame: dict[str, str] = {}
            while line := await reader.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    frame[name] = value
                    continue
                if frame.get("event") == "update":
                    yield frame
                frame = {}
        finally:
            writer.close()

    def _see(self, frame: dict[str, str]) -> None:
        self.last = frame["id"]
        self.places.append(Cursor.parse(frame["id"]))
        update = json.loads(frame["data"])
        at = datetime.fromisoformat(update["at"]).timestamp()
        if self.page:
            self.page.freshen(update["kind"])
        if at > self.since:
            self.late_ms.append((time.time() - at) * 1000)


def parts(start: Cursor, places: list[Cursor]) -> tuple[list[str], list[int]]:
    """What was seen of each part, in its order."""
    events, rows, before = [], [], start
    for place in places:
        if place.event != before.event:
            events.append(place.event)
        if place.seq != before.seq or place.event == before.event:
            rows.append(place.seq)
        before = place
    return events, rows


def opened(app: App) -> Claim:
    """The investigation, and a worker that is on it."""
    report = finding()
    found = Investigation(tenant=DEFAULT_TENANT, id=INVESTIGATION, scope=report.scope, alert=report.alert)
    app.store.open(found, Task(tenant=DEFAULT_TENANT, investigation=found.id, id="r1-plan", kind=TaskKind.PLAN))
    claim = app.store.claim("viewers")
    assert claim is not None
    return claim


def happen(app: App, claim: Claim, events: int, rate: float) -> None:
    """Work and people in turn, at a steady pace."""
    people: tuple[Principal, ...] = app.approvals.people()
    investigation = app.investigation(INVESTIGATION)
    begun = time.monotonic()
    for number in range(events):
        if number % 2:
            app.store.append(claim, [make_evidence(f"subject {number}", investigation=investigation)])
        else:
            to = people[number // 2 % len(people)]
            app.handlings.assign(INVESTIGATION, to.id, people[0], note=f"number {number}", face="web")
        if number % 50 == 0:
            app.store.renew(claim)
        time.sleep(max(0.0, begun + (number + 1) / rate - time.monotonic()))


def truth(app: App, start: Cursor) -> tuple[list[str], list[int]]:
    """Everything, as the store has it."""
    places: list[Cursor] = []
    cursor = start
    while True:
        updates, cursor = app.live.since(INVESTIGATION, cursor)
        if not updates:
            return parts(start, places)
        places += [Cursor.parse(update.cursor) for update in updates]


def cookies(url: str, people: int) -> Iterator[str]:
    """Sessions, each signed in by the form."""
    for _ in range(people):
        with signed_in(url) as client:
            yield "; ".join(f"{name}={value}" for name, value in client.cookies.items())


async def watched(viewers: list[Viewer], app: App, claim: Claim, events: int, rate: float) -> tuple[list[str], list[int]]:
    """Let it happen before them, until all have seen all or nobody waits any longer."""
    start, done = Cursor.parse(viewers[0].last), asyncio.Event()
    watching = [asyncio.create_task(viewer.watch(done)) for viewer in viewers]
    await asyncio.sleep(2)
    await asyncio.to_thread(happen, app, claim, events, rate)
    expected = await asyncio.to_thread(truth, app, start)
    end = time.monotonic() + PATIENCE_SECONDS
    whole = len(expected[0]) + len(expected[1])
    while time.monotonic() < end and any(len(viewer.places) < whole for viewer in viewers):  # noqa: ASYNC110  they count for themselves
        await asyncio.sleep(0.2)
    await asyncio.sleep(1)  # what comes twice would come now
    while time.monotonic() < end and not all(viewer.page.fresh for viewer in viewers if viewer.page):  # noqa: ASYNC110  likewise
        await asyncio.sleep(0.2)
    done.set()
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return expected


@click.command()
@click.option("--viewers", "count", default=200, show_default=True)
@click.option("--events", default=600, show_default=True)
@click.option("--rate", default=20.0, show_default=True, help="Events a second.")
@click.option("--sections", "whole", is_flag=True, help="They have the page before them, and fetch its sections anew as it does.")
def main(count: int, events: int, rate: float, *, whole: bool) -> None:
    """Serve, watch, and hold what each saw against the store."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        settings = prepare(data)
        with serving(data, "--no-work", "--no-mcp") as served, open_app(settings) as app:
            claim = opened(app)
            start = app.live.end(INVESTIGATION)
            address = urlsplit(served.url)
            signed = list(cookies(served.url, len(PEOPLE)))
            place = (address.hostname or "", address.port or 0)
            shown = asyncio.run(of_page(Connection(place, signed[0]))) if whole else ()
            viewers = [Viewer(n, place, signed[n % len(signed)], str(start)) for n in range(count)]
            for viewer in viewers if whole else ():
                viewer.page = Sections(
                    Connection(place, viewer.cookie), f"/investigations/{INVESTIGATION}/parts", shown, random.Random(viewer.number)
                )
            before, rss = served.processor_seconds, served.rss_kib
            began = time.monotonic()
            expected = asyncio.run(watched(viewers, app, claim, events, rate))
            took, used = time.monotonic() - began, served.processor_seconds - before
            tell(viewers, start, expected, f"{used:.1f} s in {took:.0f} s | {rss / 1024:.0f} to {served.rss_kib / 1024:.0f} MiB")


async def of_page(connection: Connection) -> tuple[Section, ...]:
    """What the page of the investigation has."""
    try:
        return sections(await connection.get(f"/investigations/{INVESTIGATION}"))
    finally:
        connection.close()


def tell(viewers: list[Viewer], start: Cursor, expected: tuple[list[str], list[int]], cost: str) -> None:
    """Print the row."""
    wrong = [viewer.number for viewer in viewers if parts(start, viewer.places) != expected]
    quick = sorted(ms for viewer in viewers if viewer.number % SLOW for ms in viewer.late_ms)
    back = sum(viewer.connections - 1 for viewer in viewers)
    click.echo("| viewers | events | cut off and back | lost or twice or out of order | median | p95 | processor | memory |")
    click.echo("|---|---|---|---|---|---|---|---|")
    late = f"{statistics.median(quick):.0f} ms | {quick[int(0.95 * len(quick))]:.0f} ms"
    click.echo(f"| {len(viewers)} | {len(expected[0]) + len(expected[1])} | {back} | {len(wrong)} viewers | {late} | {cost} |")
    pages = [viewer.page for viewer in viewers if viewer.page]
    if pages:
        tell_sections(pages)
    assert not wrong, [(number, len(viewers[number].places)) for number in wrong]


def tell_sections(pages: list[Sections]) -> None:
    """Print theirs."""
    answers = sorted(ms for page in pages for ms in page.answered_ms)
    late = sorted(ms for page in pages for ms in page.late_ms)
    figures = " | ".join(
        f"{row[len(row) // 2]:.0f} ms | {row[int(0.95 * len(row))]:.0f} ms | {row[-1]:.0f} ms" for row in (answers, late)
    )
    moved = sum(page.connection.moved for page in pages) / len(pages) / 1024
    click.echo(
        "\n| answers with sections | sections | answer: median | p95 | slowest | late: median | p95 | slowest | moved for each |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|")
    click.echo(f"| {len(answers)} | {len(late)} | {figures} | {moved:.0f} KiB |")


if __name__ == "__main__":
    main()
