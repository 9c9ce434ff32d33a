"""Records from what the scripts answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from middlewatch.context_store.claims import status
from middlewatch.context_store.directory import as_it_stands
from middlewatch.context_store.script import Reply
from middlewatch.context_store.stored import record_from
from middlewatch.records import Event, Evidence, Hypothesis, Report, Snapshot, Vote


def snapshot_of(reply: Reply) -> Snapshot:
    """Everything of one investigation, in an order that does not depend on who was faster."""
    _, head, statuses, written, report, preliminary = reply
    records: dict[str, list[str]] = {"evidence": [], "hypothesis": [], "vote": []}
    for name, text in zip(written[::2], written[1::2], strict=True):
        records[name.partition("|")[0]].append(text)
    evidence = (record_from(Evidence, text) for text in records["evidence"])
    votes = (record_from(Vote, text) for text in records["vote"])
    return Snapshot(
        investigation=as_it_stands(head),
        tasks=tuple(map(status, statuses)),
        evidence=tuple(sorted(evidence, key=lambda item: (item.round, item.agent, item.id))),
        hypotheses=tuple(record_from(Hypothesis, text) for text in records["hypothesis"]),
        votes=tuple(sorted(votes, key=lambda item: (item.round, item.hypothesis, item.agent, item.voice))),
        report=None if report is None else record_from(Report, report),
        preliminary=None if preliminary is None else record_from(Report, preliminary),
    )


def event_of(entry: tuple[str, list[str]]) -> Event:
    """One entry of the stream; its id begins with Redis' time in milliseconds."""
    identifier, values = entry
    fields = dict(zip(values[::2], values[1::2], strict=True))
    at = datetime.fromtimestamp(int(identifier.partition("-")[0]) / 1000, tz=UTC)
    return Event(id=identifier, at=at, kind=fields["kind"], data=json.loads(fields["data"]))
