"""Columns of rows: flat lists as Arrow, since row by row costs six times as much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from middlewatch.frontends.otlp.attributes import decoded, text_of_raw
from middlewatch.frontends.otlp.wire import FEW, Messages, fixed64, part, varint

TIME: Final = pa.timestamp("ns")
TEXT: Final = pa.string()
TRACE_BYTES, SPAN_BYTES = 16, 8
_LAST = np.uint64(2**63 - 1)
_KEY, _VALUE = part(1), part(2)
"""Of an attribute."""
_STRING, _INTEGER = part(1), varint(3)
_VALUES: Final = frozenset({_STRING, varint(2), _INTEGER, fixed64(4), part(5), part(6), part(7)})
"""Of a value, which has one."""

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Numbers = Sequence[int] | npt.NDArray[np.uint64]


def maps(counts: Sequence[int] | Counts, attributes: Messages) -> pa.MapArray:
    """Sets of attributes, each as it came, as maps of text. Equal attributes are decoded once.

    Args:
        counts: how many attributes each set has.
        attributes: those of all sets.

    Raises:
        DecodeError: one is no attribute.
    """
    distinct = attributes.array().dictionary_encode()
    if len(distinct.dictionary) < FEW:
        pairs = [decoded(raw) for raw in distinct.dictionary.to_pylist()]
        keys, values = texts([key for key, _ in pairs]), texts([value for _, value in pairs])
    else:
        fields = Messages.in_array(distinct.dictionary).fields({_KEY, _VALUE})
        keys, values = decoded_texts(fields.parts(_KEY)), value_texts(fields.parts(_VALUE))
    names = keys.dictionary_encode()  # of thousands of attributes there are a few; the store keeps them so too
    keys = pa.DictionaryArray.from_arrays(names.indices.take(distinct.indices), names.dictionary)
    return pa.MapArray.from_arrays(offsets(counts), keys, values.take(distinct.indices))


def listed_maps(sets: Iterable[Sequence[bytes]]) -> pa.MapArray:
    """The same of attributes in lists."""
    listed = list(sets)
    return maps([len(each) for each in listed], Messages.of([raw for each in listed for raw in each]))


def value_texts(values: Messages) -> pa.Array:
    """Values as text.

    Raises:
        DecodeError: one is none.
    """
    fields = values.fields(_VALUES)
    kinds = fields.last_of(_VALUES)
    whole = np.flatnonzero(kinds == _INTEGER)
    others = np.flatnonzero((kinds != _STRING) & (kinds != _INTEGER) & (values.starts < values.ends))
    found = decoded_texts(fields.parts(_STRING))
    if not len(whole) and not len(others):
        return found
    integers = pa.array(fields.varints(_INTEGER)[whole].astype(np.int64)).cast(TEXT)
    rest = texts([text_of_raw(raw.as_py()) for raw in values.array().take(pa.array(others))])
    places = np.arange(len(values))
    places[whole] = len(values) + np.arange(len(whole))
    places[others] = len(values) + len(whole) + np.arange(len(others))
    return pa.concat_arrays([found, integers, rest]).take(pa.array(places))


def decoded_texts(values: Messages) -> pa.StringArray:
    """Text of protobuf.

    Raises:
        DecodeError: one is no UTF-8.
    """
    try:
        return values.array().cast(TEXT)
    except pa.ArrowInvalid:
        raise DecodeError from None


def texts(values: Sequence[str]) -> pa.Array:
    """Text as it is."""
    return pa.array(values, TEXT)


def times(values: Numbers) -> pa.Array:
    """Nanoseconds since 1970 as times; what is past the year 2262 is then."""
    return pa.array(np.minimum(np.array(values, dtype=np.uint64), _LAST).astype(np.int64), TIME)


def numbers(values: Sequence[float] | npt.NDArray[np.uint64], kind: str) -> pa.Array:
    """Numbers of a type of numpy's."""
    return pa.array(np.array(values, dtype=kind))


def words(values: Numbers, names: Sequence[str]) -> pa.Array:
    """Numbers of an enumeration as its words; what it does not have is its first."""
    found = np.array(values).astype(np.int64)
    found[(found < 0) | (found >= len(names))] = 0
    return texts(names).take(pa.array(found))


def identifiers(values: Messages, width: int) -> pa.Array:
    """Ids of `width` bytes, or none, in hexadecimal; none, and one that is all zeros, as nothing."""
    found = values.array()
    close = Messages.in_array(found)
    ends = np.concatenate((close.starts[:1], close.ends))
    joined = close.data[ends[0] : ends[-1]] if len(found) else b""
    places = (2 * (ends - ends[:1])).astype(np.int32)
    hexed = pa.StringArray.from_buffers(len(found), pa.py_buffer(places), pa.py_buffer(joined.hex().encode()))
    zeros = all_zero(found, width)
    return pc.if_else(pa.array(zeros), "", hexed) if zeros.any() else hexed


def all_zero(values: pa.BinaryArray, width: int) -> Mask:
    """Which ids of up to `width` bytes are there and all zeros."""
    return np.asarray(pc.is_in(values, pa.array([bytes(size) for size in range(1, width + 1)], values.type)))


def lists(counts: Sequence[int] | Counts, values: pa.Array) -> pa.ListArray:
    """Lists of as many values as `counts` says."""
    return pa.ListArray.from_arrays(offsets(counts), values)


def nested(name: str, counts: Sequence[int] | Counts, columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Several such columns, of as many values each, named as ClickHouse names those of one thing."""
    ends = offsets(counts)
    return {f"{name}.{column}": pa.ListArray.from_arrays(ends, values) for column, values in columns.items()}


def offsets(counts: Sequence[int] | Counts) -> pa.Array:
    """Where lists of so many values begin, and where the last one ends."""
    return pa.array(np.concatenate(([0], np.cumsum(np.array(counts, dtype=np.int64)))).astype(np.int32))
