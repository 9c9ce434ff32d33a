"""One request of OTLP from its bytes to the answer, whichever way it came."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from middlewatch.frontends.otlp.decoded import Decoded, Ground, Rejected
from middlewatch.frontends.otlp.json_encoding import serialised
from middlewatch.frontends.otlp.logs import decode_logs
from middlewatch.frontends.otlp.messages import LogsRequest, MetricsRequest, TraceRequest
from middlewatch.frontends.otlp.metrics import decode_metrics
from middlewatch.frontends.otlp.traces import decode_traces
from middlewatch.receiving import Intake
from middlewatch.records.errors import BadInput, IntakeFull

MIB: Final = 1024 * 1024
MOST_BYTES: Final = 20 * MIB
"""Of one request, unpacked; the Collector takes as much over HTTP by default."""
IN_HAND_BYTES: Final = 128 * MIB
"""Of all requests that are being read and decoded. Chosen: what waits to be stored has a bound of its own."""


class TooLarge(BadInput):
    """The request is larger than is taken."""

    def __init__(self) -> None:
        super().__init__(f"The request is larger than {MOST_BYTES // MIB} MiB.", remedy="Send smaller batches.")


@dataclass(frozen=True, slots=True)
class _Signal:
    path: str
    service: str
    request: type[Message]
    reader: type[Message]
    response: type[Message]
    decode: Callable[[Any, Ground], Decoded]
    rejected: str
    """The field of a partial success that counts what was not taken."""


class Signal(Enum):
    """What is sent."""

    TRACES = _Signal(
        "/v1/traces",
        "opentelemetry.proto.collector.trace.v1.TraceService",
        ExportTraceServiceRequest,
        TraceRequest,
        ExportTraceServiceResponse,
        decode_traces,
        "rejected_spans",
    )
    METRICS = _Signal(
        "/v1/metrics",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        ExportMetricsServiceRequest,
        MetricsRequest,
        ExportMetricsServiceResponse,
        decode_metrics,
        "rejected_data_points",
    )
    LOGS = _Signal(
        "/v1/logs",
        "opentelemetry.proto.collector.logs.v1.LogsService",
        ExportLogsServiceRequest,
        LogsRequest,
        ExportLogsServiceResponse,
        decode_logs,
        "rejected_log_records",
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """What becomes of a request: an answer as soon as what can be stored is."""

    signal: Signal
    rejected: Rejected
    done: Future[None]

    def answer(self) -> Message:
        """For once it is done."""
        response: Any = self.signal.value.response()
        if self.rejected.items:
            setattr(response.partial_success, self.signal.value.rejected, self.rejected.items)
            response.partial_success.error_message = self.rejected.message
        return response


class Reception:
    """Takes requests. Safe to share between threads."""

    def __init__(self, intake: Intake, tenant: str, correlation_keys: tuple[str, ...]) -> None:
        self._intake = intake
        self._tenant = tenant
        self._keys = correlation_keys
        self._in_hand = 0
        self._lock = threading.Lock()
        self._decoding = threading.Lock()

    def receive(self, signal: Signal, body: bytes, *, is_json: bool = False) -> Stored:
        """Decode a request and hand in its rows.

        Args:
            signal: what it is.
            body: unpacked.
            is_json: whether it is in JSON; in protobuf otherwise.

        Raises:
            BadInput: it cannot be read.
            IntakeFull: it may be sent again later.
            Unavailable: likewise.
        """
        kind = signal.value
        try:
            content = serialised(body, kind.request) if is_json else body
            with (
                self._decoding
            ):  # two at once hand Python's lock to and fro with every column, and are slower than one after the other
                decoded = kind.decode(kind.reader.FromString(content), Ground(self._tenant, self._keys))
        except DecodeError:
            raise BadInput(f"The request is no {kind.request.__name__} in protobuf.") from None
        return Stored(signal, decoded.rejected, self._intake.hand_in(decoded.tables))

    @contextmanager
    def room(self) -> Iterator[Callable[[int], None]]:
        """Room for a request that comes in, for as long as the block runs.

        Yields:
            What is to be called with the bytes of it that came; it raises `IntakeFull` where there is no room for them.
        """
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            with self._lock:
                if self._in_hand + size > IN_HAND_BYTES:
                    raise IntakeFull
                self._in_hand += size
                taken += size

        try:
            yield take
        finally:
            with self._lock:
                self._in_hand -= taken


def unpacked(body: bytes) -> bytes:
    """What gzip has packed.

    Raises:
        BadInput: it is no gzip.
        TooLarge: there is more in it than is taken.
    """
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        found = unpacker.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise BadInput(f"The request is no gzip: {error}.") from None
    if len(found) > MOST_BYTES:
        raise TooLarge
    if not unpacker.eof or unpacker.unused_data:
        raise BadInput("The request is no gzip, or not whole.")
    return found
