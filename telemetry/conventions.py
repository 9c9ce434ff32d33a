"""The OpenTelemetry semantic conventions that the code knows: the one list of attribute and metric names.

Source: OpenTelemetry semantic conventions, https://opentelemetry.io/docs/specs/semconv/ (resource and log data model).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from middlewatch.records import Mechanism

SERVICE_INSTANCE_ID: Final = "service.instance.id"
K8S_POD_NAME: Final = "k8s.pod.name"
HOST_NAME: Final = "host.name"
CLOUD_REGION: Final = "cloud.region"
K8S_CLUSTER_NAME: Final = "k8s.cluster.name"

HEADER_ATTRIBUTE: Final = "http.request.header."
"""What the name of an attribute begins with that holds a captured header, in small letters; its value is a list."""

INSTANCE_ATTRIBUTES: Final = (SERVICE_INSTANCE_ID, K8S_POD_NAME, HOST_NAME)
"""Resource attributes that name an instance of a service, most specific first."""

SEVERITY_NUMBERS: Final = {
    "TRACE": 1,
    "DEBUG": 5,
    "INFO": 9,
    "INFORMATION": 9,
    "NOTICE": 10,
    "WARN": 13,
    "WARNING": 13,
    "ERROR": 17,
    "ERR": 17,
    "SEVERE": 17,
    "CRITICAL": 21,
    "CRIT": 21,
    "ALERT": 21,
    "FATAL": 21,
    "PANIC": 21,
    "EMERGENCY": 21,
    "EMERG": 21,
}
"""Severity texts of common loggers as severity numbers (log data model, "Mapping of SeverityNumber")."""

SEVERITY_NAMES: Final = ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""Short names of the severity ranges; a number n belongs to range ceil(n / 4), and 0 means unspecified."""

SPAN_ERROR: Final = "Error"
SPAN_OK: Final = "Ok"
SPAN_UNSET: Final = "Unset"
"""Span status codes as the Collector's ClickHouse exporter writes them."""

RESOURCES: Final = {
    "cpu": "cpu",
    "memory": "memory",
    "paging": "memory",
    "heap": "memory",
    "disk": "disk",
    "filesystem": "disk",
    "network": "network",
    "connection": "connections",
    "connections": "connections",
    "thread": "threads",
    "threads": "threads",
    "goroutine": "threads",
    "goroutines": "threads",
    "descriptor": "file descriptors",
    "descriptors": "file descriptors",
}
"""Words by which the conventions' metric names say what is used up (``system.cpu.utilization``, ``db.client.connection.count``,
``jvm.thread.count``, ``process.unix.file_descriptor.count``), and the resource that each means."""

METRICS_THAT_SAY_WHY: Final = {
    "db.client.connection.wait_time": Mechanism.POOL_WAIT,
    "db.client.connection.pending_requests": Mechanism.POOL_WAIT,
    "db.client.connection.timeouts": Mechanism.POOL_WAIT,
    "jvm.gc.duration": Mechanism.GARBAGE_COLLECTION,
    "k8s.container.restart.count": Mechanism.RESTART,
}
"""Metrics of the conventions that point to a mechanism when they rise."""

OWN_CPU: Final = frozenset(
    {
        "process.cpu.time",
        "process.cpu.utilization",
        "jvm.cpu.time",
        "jvm.cpu.recent_utilization",
    }
)
"""How much of the processors a process itself uses (process and JVM metrics),"""
AROUND_CPU: Final = frozenset(
    {
        "container.cpu.time",
        "container.cpu.usage",
        "k8s.container.cpu.time",
        "k8s.container.cpu.usage",
        "k8s.pod.cpu.time",
        "k8s.pod.cpu.usage",
    }
)
"""and everything in the container or pod that it is in, itself included (container and Kubernetes metrics)."""
MEMORY_USED: Final = frozenset(
    {
        "process.memory.usage",
        "jvm.memory.used",
        "container.memory.usage",
        "container.memory.working_set",
        "k8s.container.memory.usage",
        "k8s.container.memory.working_set",
        "k8s.pod.memory.usage",
        "k8s.pod.memory.working_set",
    }
)
"""How much memory a process, container or pod uses."""
REQUESTS_ANSWERED: Final = ("http.server.request.duration", "rpc.server.call.duration", "rpc.server.duration")
"""Histograms of the time that a server's answers take; the last one is an older name."""
ERROR_TYPE: Final = "error.type"
"""The attribute that a failed request has, and no other."""
HOST_CPU: Final = frozenset({"system.cpu.time", "system.cpu.utilization", "cpu.time", "cpu.utilization"})
CPU_MODES: Final = ("cpu.mode", "system.cpu.state", "state")
"""Attributes that say what a host's processors spent time on; the last two are older names."""
STEAL: Final = "steal"

SHARES_USED: Final = (
    "system.filesystem.utilization",
    "system.memory.utilization",
    "k8s.container.memory_limit_utilization",
    "k8s.pod.memory_limit_utilization",
)
"""Metrics that tell which share of a limited resource is used (system metrics; the last two: the Collector's kubelet receiver)."""
LIMITED: Final = {
    "system.filesystem.usage": "system.filesystem.limit",
    "db.client.connection.count": "db.client.connection.max",
    "container.memory.usage": "k8s.container.memory.limit",
    "jvm.memory.used_after_last_gc": "jvm.memory.limit",
    "process.unix.file_descriptor.count": "process.unix.file_descriptor.limit",
    "process.open_file_descriptor.count": "process.open_file_descriptor.limit",
}
"""Metrics that tell how much is used, each with the one that tells how much there is. The last two limits are no part of the
conventions, which have none for file descriptors; they are named as the conventions name others."""
USED_STATES: Final = ("system.filesystem.state", "system.memory.state", "db.client.connection.state", "state")
"""Attributes that say which part of the whole a point is; the last one is an older name."""
TYPES_OF_USE: Final = frozenset({"used", "reserved"})
"""Their values that count as used."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def resource_of(metric: str) -> str:
    """The resource that a metric's name names; empty where it names none.

    >>> resource_of("process.cpu.utilization"), resource_of("http.server.request.duration")
    ('cpu', '')
    """
    return next((RESOURCES[word.lower()] for word in _WORD.findall(metric) if word.lower() in RESOURCES), "")


def mechanism_of(metric: str) -> Mechanism | None:
    """What a metric points to when it rises; None where its name does not say so. Statistics may follow the name (``.p99``)."""
    return next((points_to for name, points_to in METRICS_THAT_SAY_WHY.items() if metric.startswith(name)), None)


def is_steal(metric: str, attributes: Iterable[tuple[str, str]]) -> bool:
    """Whether a metric tells how much of a machine's processors its host gave to others.

    >>> is_steal("system.cpu.utilization", [("cpu.mode", "steal")]), is_steal("system.cpu.utilization", [("cpu.mode", "user")])
    (True, False)
    """
    return metric in HOST_CPU and any(key in CPU_MODES and value == STEAL for key, value in attributes)


DATABASE_VERBS: Final = frozenset({"select", "insert", "update", "delete", "upsert", "merge"})
"""First words, in small letters, of the names of spans that call a database: ``{db.operation.name} {target}`` (database spans)."""
HTTP_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE", "HTTP"})
"""Names of HTTP spans whose route is not known: ``{http.request.method}``, or HTTP for an unknown method (HTTP spans)."""

POOL_SPANS: Final = ("HTTP wait_for_connection",)
CONNECTION_SPANS: Final = ("HTTP connection_setup", "DNS lookup", "socket connect", "TLS client handshake", "TLS server handshake")
"""How the names of spans begin that wait for a connection of a pool, and that set one up (network spans emitted by .NET)."""


def calls_database(span_name: str) -> bool:
    """Whether a span's name is that of a database client span: an operation and its target, or the operation alone.

    One word in capitals is the name that both database and HTTP spans have where their target is not known.

    >>> calls_database("UPDATE shop.orders"), calls_database("update basket"), calls_database("GET /orders")
    (True, False, False)
    >>> calls_database("HMSET"), calls_database("GET")
    (True, False)
    """
    verb, _, target = span_name.partition(" ")
    if not target:
        return verb.isalpha() and verb.isupper() and verb not in HTTP_METHODS
    return verb.isupper() and verb.lower() in DATABASE_VERBS
