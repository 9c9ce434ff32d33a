"""What a first visit of a finished investigation moves, by Chromium's own count. docs/measurements/web.md has the figures.

.venv/bin/python -m tests.benchmarks.page_weight --facts 200
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import click

from middlewatch.context_store.redis_server import RedisServer
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.limits import Limits
from tests.benchmarks.first_answer import with_facts
from tests.browser import context_of, open_browser
from tests.report_finding import finding
from tests.web_server import served
from tests.web_site import open_web_site

GOAL_KB = 150
NAME = "inv-000000000001"
SETTLED_MS = 3000
"""After which every part of the page is there."""


@click.command()
@click.option("--facts", default=200, show_default=True)
def main(facts: int) -> None:
    """Seed, serve, visit with an empty cache."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(Path(folder) / "redis") as redis,
        ClickHouse.embedded(Path(folder) / "telemetry", Limits(query_seconds=20)) as telemetry,
    ):
        telemetry.migrate()
        with (
            open_web_site(redis.client(), telemetry, Path(folder)) as site,
            served(site.site) as url,
            open_browser() as chromium,
            context_of(chromium, site, url, "mara") as context,
        ):
            site.seed(with_facts(finding(), facts), NAME)
            page = context.new_page()
            devtools = context.new_cdp_session(page)
            addresses: dict[str, str] = {}
            moved: dict[str, float] = {}
            whole: dict[str, float] = defaultdict(float)
            devtools.on("Network.requestWillBeSent", lambda sent: addresses.update({sent["requestId"]: sent["request"]["url"]}))
            devtools.on(
                "Network.dataReceived",
                lambda part: whole.update({part["requestId"]: whole[part["requestId"]] + part["dataLength"]}),
            )
            devtools.on("Network.loadingFinished", lambda done: moved.update({done["requestId"]: done["encodedDataLength"]}))
            devtools.send("Network.enable")
            devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
            page.goto(f"/investigations/{NAME}")
            page.wait_for_timeout(SETTLED_MS)
            click.echo("| what | moved, with headers | unpacked |\n|---|---|---|")
            for request, size in sorted(moved.items(), key=lambda row: -row[1]):
                if addresses[request].startswith("http"):
                    click.echo(f"| {urlsplit(addresses[request]).path} | {size:,.0f} | {whole[request]:,.0f} |")
            total = sum(size for request, size in moved.items() if addresses[request].startswith("http"))
            click.echo(f"| **in all** | **{total:,.0f}** | **{sum(whole.values()):,.0f}** |")
    assert total < GOAL_KB * 1000


if __name__ == "__main__":
    main()
