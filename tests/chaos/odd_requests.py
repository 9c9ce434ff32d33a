"""A hundred thousand requests that no honest client sends, over all routes of the web, against `middlewatch serve`.

Not one may be answered with 5xx, hang, or show what was sent as it was sent; and the process must not grow. Run by hand;
docs/measurements/web.md has the figures.

.venv/bin/python -m tests.chaos.odd_requests --raw 80000 --described 20000
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import httpx

from middlewatch.app import App, open_app
from middlewatch.approval.executor import Executor
from middlewatch.frontends.web.site import create_site
from middlewatch.records import DEFAULT_TENANT, ORCHESTRATOR, Remediation
from tests.acceptance.approvals_site import token
from tests.approval_data import FakeHands
from tests.benchmarks.first_answer import seed
from tests.chaos.request_described import call_described
from tests.chaos.request_fuzz import TEXTS, Fuzz, Target
from tests.chaos.request_targets import target_of
from tests.chaos.request_wire import Judge, send
from tests.hostile_reports import filled
from tests.report_finding import finding
from tests.web_process import Serving, prepare, serving
from tests.web_site import csrf_of

LANES = 4
ROUND = 2000
"""Requests between two looks at the process."""
WARM = 5
"""Rounds in which caches fill; growth is counted after them."""
GROWTH_KIB = 16 * 1024
"""What the process may grow by after that: allocators keep some of what they had (chosen, not derived)."""
STORED = [text for text in TEXTS if len(text) < 100 and text.isprintable()]
"""Texts that a report is made of."""


def put_there(app: App) -> list[str]:
    """Investigations and requests to meet; returns the ids."""
    ids = [f"inv-{n:012x}" for n in range(3)]
    for name, report in zip(ids, (finding(), finding(), filled(finding(), STORED)), strict=True):
        seed(app, report, name)
    for by in range(1, 6):
        wanted = Remediation(
            tenant=DEFAULT_TENANT,
            investigation=ids[0],
            action="scale_up",
            target="checkout",
            parameters={"by": by},
            proposed_by=ORCHESTRATOR,
            confidence=0.8,
        )
        ids.append(app.approvals.gateway.submit(wanted).id)
    while Executor(app.approvals.desk, FakeHands(version={"replicas": 3}), name="executor:one").step(DEFAULT_TENANT):
        pass
    return [*ids, app.snapshot(ids[0]).evidence[0].id]


def credentials(url: str) -> list[str]:
    """Header lines: of a program, and of a browser with and without its CSRF token."""
    with httpx.Client(base_url=url, headers={"sec-fetch-site": "same-origin"}, timeout=60) as client:
        csrf = csrf_of(client.get("/sign-in"))
        assert client.post("/sign-in", data={"token": token("leo"), "csrf": csrf}).status_code == 303
        cookie = f"Cookie: middlewatch={client.cookies['middlewatch']}"
    program = f"Authorization: Bearer {token('leo')}"
    return [program, program, program, cookie]


def anywhere(source: random.Random) -> str:
    """An address of this machine: wrong tokens from one keep no other from being tried, and there are more than are remembered."""
    return f"127.{source.randrange(256)}.{source.randrange(256)}.{source.randrange(1, 255)}"


def rounds(served: Serving, target: Target, count: int, seed_: int) -> Iterator[Judge]:
    """Send so many, round by round."""
    fuzz = [Fuzz(target, seed_ + lane) for lane in range(LANES)]
    sources = [random.Random(-seed_ - lane) for lane in range(LANES)]

    def lane(number: int, each: int, known: list[str]) -> Judge:
        judge = Judge()
        for _ in range(each):
            request = fuzz[number].attack(known)
            try:
                answer = send(served.url, request, source=anywhere(sources[number]))
            except TimeoutError:
                judge.wrong.append(("no answer, and the connection stays open", request[:2000], b""))
                continue
            judge.judge(request, answer)
        return judge

    with ThreadPoolExecutor(LANES) as pool:
        while count > 0:
            each = min(ROUND, count) // LANES or 1
            known = credentials(served.url)  # an attack may have signed us out
            whole = Judge()
            for part in pool.map(lane, range(LANES), [each] * LANES, [known] * LANES):
                whole.statuses += part.statuses
                whole.wrong += part.wrong
            count -= each * LANES
            yield whole


@click.command()
@click.option("--raw", default=80_000, show_default=True, help="Requests as bytes, over all routes.")
@click.option("--described", default=20_000, show_default=True, help="Requests that schemathesis makes of the API's description.")
@click.option("--seed", "seed_", default=1, show_default=True)
def main(raw: int, described: int, seed_: int) -> None:
    """Attack."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with open_app(prepare(data)) as app:
            ids = put_there(app)
            target = target_of(create_site(app), ids)
        click.echo(f"{len(target.routes)} routes")
        with serving(data, "--no-work", MIDDLEWATCH_REDIS_MEMORY_MIB="8192") as served:
            failed = attack(served, target, raw, described, seed_)
            log = (data / "serve.log").read_text(encoding="utf-8")
        if "Traceback" in log:
            click.echo(log[log.index("Traceback") - 200 :][:4000])
            failed = True
    sys.exit(1 if failed else 0)


def attack(served: Serving, target: Target, raw: int, described: int, seed_: int) -> bool:
    """Both kinds; whether anything went wrong is returned, and told."""
    begun, whole, memory = time.monotonic(), Judge(), [served.rss_kib]
    for judge in rounds(served, target, raw, seed_):
        whole.statuses += judge.statuses
        whole.wrong += judge.wrong
        memory.append(served.rss_kib)
        click.echo(f"{whole.statuses.total():>7} sent, {len(whole.wrong)} wrong, {memory[-1] / 1024:.1f} MiB")
    if described:
        call_described(served.url, described, random.Random(seed_), whole)
        memory.append(served.rss_kib)
    for reason, request, answer in whole.wrong[:10]:
        click.echo(f"WRONG: {reason}\n  {request[:600]!r}\n  {answer[:600]!r}")
    settled = memory[min(WARM, len(memory) - 1)]
    growth = memory[-1] - settled
    click.echo(f"{whole.statuses.total()} requests in {time.monotonic() - begun:.0f} s, {len(whole.wrong)} answered wrongly")
    click.echo("answers: " + ", ".join(f"{count} x {status}" for status, count in sorted(whole.statuses.items())))
    click.echo(f"memory: {settled / 1024:.1f} MiB after {WARM * ROUND}, {memory[-1] / 1024:.1f} MiB in the end")
    alive = httpx.get(f"{served.url}/healthz").text == "ok\n"
    return bool(whole.wrong) or growth > GROWTH_KIB or not alive


if __name__ == "__main__":
    main()
