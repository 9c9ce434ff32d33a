"""The requests of OTLP as they are read here: as they are defined, but for spans, log records, attributes and values, which stay
the bytes that came.

A message inside another and bytes look the same on the wire. Spans and records are read all at once (`wire`). Attributes come again
and again; as bytes, equal ones are found and decoded once, in place of each by itself.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

Read = Any
"""A message whose attributes are bytes: no generated type says so."""

_OPAQUE: Final = (
    ".opentelemetry.proto.common.v1.KeyValue",
    ".opentelemetry.proto.common.v1.AnyValue",
    ".opentelemetry.proto.trace.v1.Span",
    ".opentelemetry.proto.logs.v1.LogRecord",
)
_FILES: Final = (
    resource_pb2,
    trace_pb2,
    logs_pb2,
    metrics_pb2,
    trace_service_pb2,
    logs_service_pb2,
    metrics_service_pb2,
)


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    common = FileDescriptorProto()
    common_pb2.DESCRIPTOR.CopyToProto(common)
    for message in common.message_type:
        if message.name == "InstrumentationScope":
            _blur(message)
    pool.Add(common)
    for module in _FILES:
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _blur(message)
        pool.Add(file)
    return pool


def _blur(message: Any) -> None:  # noqa: ANN401  a DescriptorProto
    for field in message.field:
        if field.type_name in _OPAQUE:
            field.ClearField("type_name")
            field.type = FieldDescriptorProto.TYPE_BYTES
    for inner in message.nested_type:
        _blur(inner)


_POOL: Final = _pool()


def _reader(name: str) -> type[Message]:
    found: type[Message] = GetMessageClass(_POOL.FindMessageTypeByName(f"opentelemetry.proto.collector.{name}"))
    return found


TraceRequest: Final = _reader("trace.v1.ExportTraceServiceRequest")
LogsRequest: Final = _reader("logs.v1.ExportLogsServiceRequest")
MetricsRequest: Final = _reader("metrics.v1.ExportMetricsServiceRequest")
