"""How soon a finished investigation begins to be answered, with many in the store. docs/measurements/web.md has the figures.

.venv/bin/python -m tests.benchmarks.first_answer --investigations 1000 --facts 200 --requests 50
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from middlewatch.app import App, open_app
from middlewatch.records import DEFAULT_TENANT, Completion, Evidence, Investigation, Report, Task, TaskKind
from tests.acceptance.approvals_site import token
from tests.report_finding import finding
from tests.report_parts import INVESTIGATION
from tests.web_process import Serving, prepare, serving
from tests.web_site import csrf_of

GOAL_MS = 300.0
GOALS = ("page of a finished investigation", "API report")
MEMORY_MIB = 4096
"""Of the store: a thousand investigations of 200 facts, each fact once as such and once in the report."""


def with_facts(report: Report, count: int) -> Report:
    """The same with so many facts: those that there are, over and over, each with a subject and an id of its own."""
    kept = report.evidence
    more = []
    for n in range(len(kept), count):
        fact = kept[n % len(kept)]
        anomaly = fact.anomaly.model_copy(update={"subject": f"{fact.anomaly.subject} {n}"})
        more.append(Evidence.model_validate(fact.model_dump() | {"id": f"ev-{n:016x}", "anomaly": anomaly.model_dump()}))
    return report.model_copy(update={"evidence": (*kept, *more)})


def seed(app: App, report: Report, name: str) -> None:
    """Put a finished investigation there."""
    own = Report.model_validate_json(report.model_dump_json().replace(INVESTIGATION, name))
    own = own.model_copy(update={"alert": own.alert.model_copy(update={"source_id": name})})
    opened = Investigation(tenant=DEFAULT_TENANT, id=name, scope=own.scope, alert=own.alert)
    app.store.open(opened, Task(tenant=DEFAULT_TENANT, investigation=name, id="r1-plan", kind=TaskKind.PLAN))
    claim = app.store.claim("first-answer")
    assert claim is not None
    app.store.finish(
        claim,
        Completion(
            evidence=own.evidence,
            hypotheses=tuple(row.hypothesis for row in own.hypotheses),
            votes=tuple(vote for row in own.hypotheses for vote in row.votes),
            report=own,
        ),
    )


def first_answer_ms(client: httpx.Client, path: str) -> tuple[float, int]:
    """Until the first bytes of the content are there, and how long that content is in all."""
    begun = time.perf_counter()
    with client.stream("GET", path) as answer:
        assert answer.status_code == 200, (path, answer.status_code)
        parts = answer.iter_raw()
        next(parts)
        first = (time.perf_counter() - begun) * 1000
        for _ in parts:
            pass
        return first, answer.num_bytes_downloaded


@contextmanager
def signed_in(url: str) -> Iterator[httpx.Client]:
    """A browser of somebody whom policy knows."""
    with httpx.Client(base_url=url, headers={"sec-fetch-site": "same-origin", "accept-encoding": "gzip"}, timeout=60) as client:
        csrf = csrf_of(client.get("/sign-in"))
        assert client.post("/sign-in", data={"token": token("mia"), "csrf": csrf}).status_code == 303
        yield client


@click.command()
@click.option("--investigations", default=1000, show_default=True)
@click.option("--facts", default=200, show_default=True)
@click.option("--requests", default=50, show_default=True)
@click.option("--data", "kept", type=click.Path(path_type=Path), help="Where to seed, or where that was done before.")
def main(investigations: int, facts: int, requests: int, kept: Path | None) -> None:
    """Seed, serve, ask."""
    with tempfile.TemporaryDirectory() as folder:
        data = kept or Path(folder)
        settings = prepare(data).model_copy(update={"redis_memory_mib": MEMORY_MIB})
        report = with_facts(finding(), facts)
        names = [f"inv-{n:012x}" for n in range(investigations)]
        begun = time.perf_counter()
        with open_app(settings) as app:
            there = {row.id for row in app.store.investigations(DEFAULT_TENANT, limit=10**6)}
            for name in names:
                if name not in there:
                    seed(app, report, name)
        click.echo(f"{investigations} investigations of {facts} facts written in {time.perf_counter() - begun:.0f} s")
        with serving(data, "--no-work", MIDDLEWATCH_REDIS_MEMORY_MIB=str(MEMORY_MIB)) as served, signed_in(served.url) as client:
            step = max(1, len(names) // requests)
            asked = [names[(n * step) % len(names)] for n in range(requests)]
            rows = {
                "API report": [f"/api/v1/investigations/{name}/report" for name in asked],
                "API poll": [f"/api/v1/investigations/{name}" for name in asked],
                "API list, 50 rows": ["/api/v1/investigations"] * requests,
                "page of a finished investigation": [f"/investigations/{name}" for name in asked],
                "inbox": ["/"] * requests,
            }
            click.echo("| answer | median | p95 | slowest | processor | bytes |\n|---|---|---|---|---|---|")
            late = [what for what, paths in rows.items() if measure(served, client, what, paths) > GOAL_MS and what in GOALS]
    assert not late, f"the goal is {GOAL_MS:.0f} ms: {late}"


def measure(served: Serving, client: httpx.Client, what: str, paths: list[str]) -> float:
    """Print a row; return the 95th percentile in milliseconds."""
    times, size, before = [], 0, served.processor_seconds
    for path in paths:
        elapsed, size = first_answer_ms(client, path)
        times.append(elapsed)
    each = (served.processor_seconds - before) / len(paths) * 1000
    times.sort()
    p95 = times[math.ceil(0.95 * len(times)) - 1]
    figures = " | ".join(f"{ms:.0f} ms" for ms in (statistics.median(times), p95, times[-1], each))
    click.echo(f"| {what} | {figures} | {size:,} |")
    return p95


if __name__ == "__main__":
    main()
