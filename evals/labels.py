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
    """One line of `labels.jsonl`."""

    model_config = ConfigDict(extra="ignore")

    incident: str
    root_cause_service: str | None = Field(description="None for a quiet moment: nothing was wrong")
    root_cause_kind: str = NOTHING
    started_at: UtcDatetime | None = None


def read_labels(recording: Path) -> dict[str, Label]:
    """The labels of a recording by incident; none where it has no `labels.jsonl`.

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
        labels[label.incident] = label
    return labels
