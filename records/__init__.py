"""The vocabulary: frozen records that every layer shares, and the error tree (`errors`)."""

from __future__ import annotations

from middlewatch.records.alert import Alert, Symptom
from middlewatch.records.approval import Approval, Decision, Escalation, Remediation, RiskTier
from middlewatch.records.base import DEFAULT_TENANT, Identifier, Record, Scope, Tenant, UtcDatetime, Window, digest_of
from middlewatch.records.brief import Brief
from middlewatch.records.cause import Cause, CauseKind, KindChance
from middlewatch.records.evidence import (
    AgentName,
    Anomaly,
    AnomalyKind,
    Assessment,
    Evidence,
    Family,
    Mechanism,
    Onset,
    Sample,
    evidence_id,
)
from middlewatch.records.explanation import Correlation, Explanation, FoundCause, OnsetOrder, PathStep
from middlewatch.records.hypothesis import Hypothesis, Position, Vote
from middlewatch.records.investigation import Completion, Event, Investigation, InvestigationState, Snapshot
from middlewatch.records.recording import ImportedRecording, Incident, Prediction, RecordingInfo
from middlewatch.records.report import REPORT_FORMAT, Outcome, RankedHypothesis, Report, ServiceScore, Timing
from middlewatch.records.task import Claim, FanOut, FencingToken, Task, TaskKind, TaskState, TaskStatus
from middlewatch.records.telemetry import Change, ChangeKind, Edge, Freshness, Query, Signal

__all__ = [
    "DEFAULT_TENANT",
    "REPORT_FORMAT",
    "AgentName",
    "Alert",
    "Anomaly",
    "AnomalyKind",
    "Approval",
    "Assessment",
    "Brief",
    "Cause",
    "CauseKind",
    "Change",
    "ChangeKind",
    "Claim",
    "Completion",
    "Correlation",
    "Decision",
    "Edge",
    "Escalation",
    "Event",
    "Evidence",
    "Explanation",
    "Family",
    "FanOut",
    "FencingToken",
    "FoundCause",
    "Freshness",
    "Hypothesis",
    "Identifier",
    "ImportedRecording",
    "Incident",
    "Investigation",
    "InvestigationState",
    "KindChance",
    "Mechanism",
    "Onset",
    "OnsetOrder",
    "Outcome",
    "PathStep",
    "Position",
    "Prediction",
    "Query",
    "RankedHypothesis",
    "Record",
    "RecordingInfo",
    "Remediation",
    "Report",
    "RiskTier",
    "Sample",
    "Scope",
    "ServiceScore",
    "Signal",
    "Snapshot",
    "Symptom",
    "Task",
    "TaskKind",
    "TaskState",
    "TaskStatus",
    "Tenant",
    "Timing",
    "UtcDatetime",
    "Vote",
    "Window",
    "digest_of",
    "evidence_id",
]
