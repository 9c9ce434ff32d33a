"""Messages that are read all at once say what protobuf's own library reads in them, one by one."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from middlewatch.frontends.otlp import wire
from middlewatch.frontends.otlp.attributes import text_of
from middlewatch.frontends.otlp.columns import decoded_texts, maps, words
from middlewatch.frontends.otlp.traces import KINDS, STATUSES, _Event, _Span, _Status
from middlewatch.frontends.otlp.wire import FEW, Messages, part, varint
from middlewatch.records.errors import BadInput
from tests.unit.frontends.otlp.requests import spans

Row = tuple[Any, ...]
WHOLE = spans(
    'name: "GET /" kind: SPAN_KIND_CLIENT parent_span_id: "abcdefgh" flags: 257 start_time_unix_nano: 5 end_time_unix_nano: 6 '
    'status { code: STATUS_CODE_ERROR message: "no" } '
    'attributes { key: "a" value { string_value: "text" } } attributes { key: "b" value { int_value: -3 } } '
    'attributes { key: "c" value { array_value { values { bool_value: true } } } } '
    'attributes { key: "d" value { double_value: 0.5 } } attributes { key: "e" } '
    'attributes { value { bytes_value: "x" } } events { name: "one" } events { name: "two" }',
    'start_time_unix_nano: 7 end_time_unix_nano: 8 name: "'
    + "long " * 60
    + '" attributes { key: "kvs" value { kvlist_value { values { key: "k" } } } }',
)
SEEDS = [span.SerializeToString() for span in WHOLE.resource_spans[0].scope_spans[0].spans]


def read_by_the_library(raw: bytes) -> Row:
    span = Span.FromString(raw)
    return (
        span.name,
        KINDS[span.kind] if 0 <= span.kind < len(KINDS) else KINDS[0],
        span.start_time_unix_nano,
        span.parent_span_id,
        [(attribute.key, text_of(attribute.value)) for attribute in span.attributes],
        [event.name for event in span.events],
        STATUSES[span.status.code] if 0 <= span.status.code < len(STATUSES) else STATUSES[0],
        span.status.message,
    )


def read_together(raws: list[bytes]) -> list[Row]:
    fields = Messages.of(raws).fields(frozenset(_Span))
    status = fields.parts(_Span.STATUS).fields(frozenset(_Status))
    counts, events = fields.several(_Span.EVENTS)
    later = iter(decoded_texts(events.fields(frozenset(_Event)).parts(_Event.NAME)).to_pylist())
    return list(
        zip(
            decoded_texts(fields.parts(_Span.NAME)).to_pylist(),
            words(fields.varints(_Span.KIND), KINDS).to_pylist(),
            fields.fixed(_Span.START).tolist(),
            fields.parts(_Span.PARENT_ID).array().to_pylist(),
            maps(*fields.several(_Span.ATTRIBUTES)).to_pylist(),
            [[next(later) for _ in range(count)] for count in counts],
            words(status.varints(_Status.CODE), STATUSES).to_pylist(),
            decoded_texts(status.parts(_Status.MESSAGE)).to_pylist(),
            strict=True,
        )
    )


def bent(chance: random.Random) -> bytes:
    """A span that came to harm, or two that became one. Many are still spans."""
    raw = bytearray(chance.choice(SEEDS))
    if chance.random() < 0.2:
        return bytes(raw + chance.choice(SEEDS))
    for _ in range(chance.randint(0, 3)):
        place = chance.randrange(len(raw))
        match chance.randrange(3):
            case 0:
                raw[place] = chance.randrange(256)
            case 1:
                raw[place:place] = chance.choice([b"\x00", b"\x80", b"\x08\x01", b"\x4a\x00", b"\xf8\x01\x05", b"\x7d1234"])
            case _:
                del raw[place : place + chance.randint(1, 4)]
    return bytes(raw)


def is_refused(raws: list[bytes]) -> bool:
    try:
        read_together(raws)
    except DecodeError:
        return True
    return False


def test_it_reads_what_the_library_reads_and_refuses_what_that_refuses() -> None:
    chance, taken = random.Random(6), list[tuple[bytes, Row]]()
    for raw in (bent(chance) for _ in range(600)):
        try:
            taken.append((raw, read_by_the_library(raw)))
        except DecodeError:
            assert is_refused([raw])
            assert is_refused([*SEEDS[:1] * FEW, raw])
    assert len(taken) > 200
    assert read_together([raw for raw, _ in taken]) == [row for _, row in taken]
    for raw, row in taken[:FEW]:
        assert read_together([raw]) == [row]


def test_a_message_that_is_far_longer_than_the_others_is_read_to_its_end() -> None:
    several = WHOLE.resource_spans[0].scope_spans[0].spans[0]
    long = type(several)()
    long.CopyFrom(several)
    for number in range(1000):
        long.attributes.add(key=str(number)).value.int_value = number
    raws = [*SEEDS * FEW, long.SerializeToString(), *SEEDS]
    assert read_together(raws) == [read_by_the_library(raw) for raw in raws]


def test_nothing_is_read_as_nothing() -> None:
    fields = Messages.of([]).fields({part(1), varint(2)})
    assert len(fields.parts(part(1)).array()) == 0
    assert Messages.of([b""]).fields({part(1)}).parts(part(1)).array().to_pylist() == [b""]


@pytest.mark.parametrize("raws", [[b"\x4a\x00" * 100], [b"\x4a\x00" * 2] * 50], ids=["one message", "many"])
def test_more_fields_than_memory_is_for_are_refused(raws: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_FIELDS", 99)
    with pytest.raises(BadInput, match="more than 99 fields"):
        Messages.of(raws).fields(frozenset(_Span))
