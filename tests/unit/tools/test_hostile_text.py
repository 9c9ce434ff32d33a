"""Invariants: whatever names, kinds, versions and log lines hold, nothing that an analysis tells has a control character in it, and
all that it repeats stands in quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from middlewatch.records import Assessment
from middlewatch.tools.deploys import assess_deploys
from middlewatch.tools.logs import assess_logs
from middlewatch.tools.metrics import assess_metrics
from middlewatch.tools.traces import assess_traces
from tests.hostile import HOSTILE as ANY
from tests.unit.tools.synthetic_changes import behaving
from tests.unit.tools.synthetic_request_sources import request_sources
from tests.unit.tools.synthetic_requests import CALLS, Fault, Requests, requests
from tests.unit.tools.synthetic_telemetry import Calls, Changes, Metrics, brief, sources
from tests.unit.tools.test_metrics import SERVICES, raised, shop

CANARY = "zqx"
"""In every hostile text and in none of our words."""
HOSTILE = ANY.map(lambda text: CANARY + text)
SLOW = settings(max_examples=5, phases=[Phase.generate])
"""For analyses that take a second: no shrinking."""
NAMES = st.lists(HOSTILE, min_size=len(SERVICES), max_size=len(SERVICES), unique=True)


def told(found: Assessment) -> list[str]:
    """All that an analysis says in words."""
    facts = [text for a in found.anomalies for text in (a.summary, a.clause)]
    return [*facts, *found.cleared, *found.notes]


def wrong(found: Assessment) -> list[str]:
    """Sentences that hold what they must not: a control character, half a quotation, or foreign text outside of one."""
    bare = [text for text in told(found) if text.count('"') % 2 or CANARY in re.sub('"[^"]*"', "", text)]
    return [*bare, *(text for text in told(found) if not text.isprintable())]


def hostile(made: Requests, names: Sequence[str]) -> Requests:
    """The same requests of services, operations and log lines with hostile text in them."""
    renamed = made.renamed(dict(zip(sorted(CALLS), names, strict=False)))
    return Requests(
        [replace(span, operation=span.operation + names[-1]) for span in renamed.spans],
        [replace(line, body=line.body + names[-1]) for line in renamed.lines],
    )


@given(HOSTILE, HOSTILE, HOSTILE, st.sampled_from(["deploy", "flag"]) | HOSTILE, st.booleans())
def test_changes(service: str, other: str, version: str, kind: str, troubled: bool) -> None:  # noqa: FBT001  drawn by hypothesis
    rows = [(-2.4, service, kind, version), (-2.2, other, kind, "1"), (0.5, other, kind, version)]
    analyses = behaving({service: -2.0} if troubled else {}, [other])
    found = assess_deploys(sources(calls=Calls(((other, service),)), changes=Changes(rows)), brief(), analyses)
    assert found.anomalies or found.cleared
    assert wrong(found) == []
    assert all(len(fact.clause) < 400 for fact in found.anomalies)  # three quotations and a few words


@SLOW
@given(NAMES, st.sampled_from([Fault("cart", returns_early=True), Fault("store", fails=True), Fault("stock", slower=4.0)]))
def test_requests(names: list[str], fault: Fault) -> None:
    asked = request_sources(hostile(requests(fault, minutes=12), names))
    spans, lines = assess_traces(asked, brief()), assess_logs(asked, brief())
    assert told(spans)
    assert wrong(spans) + wrong(lines) == []


@SLOW
@given(NAMES, HOSTILE)
def test_metrics(names: list[str], metric: str) -> None:
    rename = dict(zip(SERVICES, names, strict=True))
    held = [
        replace(series, service=rename[series.service], metric=series.metric + metric, instance=metric)
        for series in raised(shop(), "pay", "cpu", 4.0)
    ]
    found = assess_metrics(sources(Metrics(held), Calls([(rename["web"], rename["pay"])])), brief())
    assert found.anomalies
    assert wrong(found) == []
