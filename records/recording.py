"""Telemetry of past incidents on disk. The format is described in docs/recordings.md."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from middlewatch.records.alert import Symptom
from middlewatch.records.base import Record, UtcDatetime
from middlewatch.records.cause import KindChance
from middlewatch.records.evidence import Onset


class RecordingInfo(Record):
    """`recording.json`."""

    model_config = ConfigDict(extra="ignore")

    format: Literal["recording/v1"]
    system: str
    start: UtcDatetime
    end: UtcDatetime
    source: str = ""
    licence: str = ""
    notes: str = ""


class Incident(Record):
    """One line of `incidents.jsonl`."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1, max_length=128)
    title: str
    detected_at: UtcDatetime
    window_end: UtcDatetime
    symptom: Symptom | None = None


class ImportedRecording(Record):
    """A recording that was copied into the telemetry store."""

    name: str = Field(description="the scope's `recording`")
    info: RecordingInfo
    incidents: tuple[Incident, ...]
    rows: dict[str, int] = Field(description="rows per table")
    digest: str = Field(description="SHA-256 over the files' names and contents; the same recording is not imported twice")


class Prediction(Record):
    """One line of `middlewatch evaluate --output`: what was answered for one incident."""

    incident: str
    ranking: tuple[tuple[str, float], ...]
    confidence: float
    inconclusive: bool
    seconds: float
    causes: tuple[str, ...] = Field(default=(), description="the services that the finding names")
    kind: KindChance | None = Field(default=None, description="of the first cause, or of the best guess")
    onset: Onset | None = Field(default=None, description="when the trouble of the first cause began")
