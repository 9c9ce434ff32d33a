"""What really happened, for whoever scores answers. An investigation never reads it: nothing below `evals` imports this."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from middlewatch.records import Record, UtcDatetime
from middlewatch.records.errors import RecordingError

LABELS_FILE = "labels.jsonl"
NOTHING = "none"
"""The fault kind of a quiet moment."""


class Label(Record):
    """One line of `labels.jsonl`, or what all lines about one incident say."""

    model_config = ConfigDict(extra="ignore")

    incident: str
    root_cause_service: str | None = Field(description="None for a quiet moment: nothing was wrong")
    root_cause_kind: str = NOTHING
    started_at: UtcDatetime | None = None
    further_services: tuple[str, ...] = Field(default=(), description="of further causes at the same time, by further lines")

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that was at fault; none in a quiet moment."""
        return () if self.root_cause_service is None else (self.root_cause_service, *self.further_services)

    def joined(self, other: Label) -> Label:
        """Both causes of an incident in one label, since the first of them began."""
        began = [label.started_at for label in (self, other) if label.started_at is not None]
        return self.model_copy(
            update={
                "root_cause_kind": f"{self.root_cause_kind} + {other.root_cause_kind}",
                "started_at": min(began, default=None),
                "further_services": (*self.further_services, *other.services),
            }
        )


def read_labels(recording: Path) -> dict[str, Label]:
    """The labels of a recording by incident, one for all causes of it; none where it has no `labels.jsonl`.

    Raises:
        RecordingError: a line is wrong; the message names it.
    """
    file = recording / LABELS_FILE
    if not file.exists():
        return {}
    labels: dict[str, Label] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            label = Label.model_validate_json(line)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            raise RecordingError(
                f"{file}, line {number}: {'.'.join(map(str, detail['loc']))}: {detail['msg']}",
                remedy="docs/recordings.md describes the labels.",
            ) from None
        known = labels.get(label.incident)
        labels[label.incident] = label if known is None else known.joined(label)
    return labels
