"""What telemetry sources say of themselves, and the plain facts that are read from them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Record, Tenant, UtcDatetime, Window


class Signal(StrEnum):
    """The four kinds of telemetry."""

    METRICS = "metrics"
    LOGS = "logs"
    TRACES = "traces"
    CHANGES = "changes"


class Query(Record):
    """The query behind a fact, exact enough to run it again."""

    source: str = Field(description="the back end, such as 'clickhouse'")
    name: str = Field(description="the query's name: the stem of its .sql file")
    window: Window
    parameters: dict[str, str | int | float | list[str]] = Field(default_factory=dict)
    text: str = Field(default="", description="the statement, with named parameters")


class Freshness(Record):
    """How far a source's data reaches: 'no data since 02:03' is not 'healthy'."""

    signal: Signal
    watermark: UtcDatetime | None = Field(description="time of the newest item before the horizon; None where there is none")
    horizon: UtcDatetime = Field(description="the latest time that could have been read")
    services: int = Field(default=0, description="how many services the answer is about")

    @property
    def lag_seconds(self) -> float | None:
        return None if self.watermark is None else (self.horizon - self.watermark).total_seconds()


class ChangeKind(StrEnum):
    """What somebody or something changed."""

    DEPLOY = "deploy"
    CONFIG = "config"
    FLAG = "flag"
    SCALE = "scale"
    MIGRATION = "migration"


class Change(Record):
    """One recorded change to a service."""

    tenant: Tenant
    time: UtcDatetime
    service: str
    kind: ChangeKind
    version: str = ""
    actor: str = ""
    description: str = ""
    region: str = ""
    cluster: str = ""


class Edge(Record):
    """One arrow of the service map."""

    caller: str
    callee: str
    calls: int = Field(default=0, description="spans seen in the window; 0 where only the topology names the edge")
