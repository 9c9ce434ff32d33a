"""Many messages of protobuf at once: the first field of each is read, then the second of each, and so on.

Spans and log records come by the thousand and hardly differ in which fields they have. Read by numpy, a field of all of them costs
little more than a field of one in Python.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.message import DecodeError

from middlewatch.records.errors import BadInput

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_SIZES: Final = (0, 8, 0, -1, -1, 4, -1, -1)
"""Bytes of a field by its kind on the wire; those of -1 are no kinds, or groups, which no protocol has had since 2008."""
_LONGEST: Final = 10
"""Bytes of a varint."""
_LAST_BYTE: Final = 0x7F
"""At most this is a byte of a varint with none behind it."""
FEW: Final = 40
"""So few messages are read one by one: a step of numpy costs what so many fields cost in Python. What is far longer than the others
is read so too: a request may be a single message of a million fields."""
MOST_FIELDS: Final = 4_000_000
"""Of one request's spans or records together; honest 20 MiB have a quarter of that. Each takes about 30 bytes here. Chosen."""

Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


def varint(field: int) -> int:
    """A field's number and kind, as they stand before its value."""
    return field << 3 | VARINT


def fixed64(field: int) -> int:
    """Likewise."""
    return field << 3 | FIXED64


def fixed32(field: int) -> int:
    """Likewise."""
    return field << 3 | FIXED32


def part(field: int) -> int:
    """Likewise, of text, bytes or a message."""
    return field << 3 | LENGTH


class _Found(NamedTuple):
    """A field of some messages, in their order."""

    tag: int
    of: Places
    """The number of the message that each is of: of each message one, where the messages were read together."""
    values: Numbers
    """Of varints; lengths of others."""
    starts: Places
    """Where the value begins, behind the length that it may have."""
    ends: Places
    together: bool


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages that lie one behind the other, perhaps with something in between."""

    data: bytes
    """With at least ten zeros behind the last one."""
    starts: Places
    ends: Places

    @classmethod
    def of(cls, messages: Sequence[bytes]) -> Self:
        lengths = np.fromiter(map(len, messages), np.int64, len(messages))
        ends = np.cumsum(lengths)
        return cls(b"".join((*messages, bytes(_LONGEST))), ends - lengths, ends)

    @classmethod
    def in_array(cls, array: pa.BinaryArray) -> Self:
        """The values of an array without nulls."""
        if not len(array):
            return cls.of(())
        _, places, data = array.buffers()
        offsets = np.frombuffer(places, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
        return cls((b"" if data is None else data.to_pybytes()) + bytes(_LONGEST), offsets[:-1], offsets[1:])

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Places:
        """In bytes."""
        return self.ends - self.starts

    def array(self) -> pa.BinaryArray:
        """As they came. All of the data is cut to pieces first, these and what lies between them, which copies nothing."""
        if not len(self):
            return pa.array([], pa.binary())
        places = np.empty(2 * len(self), np.int32)
        places[::2], places[1::2] = self.starts, self.ends
        buffers = [None, pa.py_buffer(places), pa.py_buffer(self.data)]
        return pa.BinaryArray.from_buffers(pa.binary(), len(places) - 1, buffers).take(pa.array(np.arange(0, len(places), 2)))

    def fields(self, wanted: Collection[int]) -> Fields:
        """What is in them.

        Args:
            wanted: the fields that are kept, by number and kind.

        Raises:
            DecodeError: one is no message.
            BadInput: there are more than can be held.
        """
        data = np.frombuffer(self.data, np.uint8)
        found, count = list[_Found](), 0
        live, at, ends = np.flatnonzero(self.starts < self.ends), self.starts, self.ends
        at, ends = at[live], ends[live]
        while len(live) >= FEW:
            at = _read(data, live, at, ends, wanted, found)
            count += len(live)
            _bounded(count)
            left = at < ends
            if not left.all():
                live, at, ends = live[left], at[left], ends[left]
        found += _one_by_one(self.data, zip(live.tolist(), at.tolist(), ends.tolist(), strict=True), wanted, count)
        return Fields(self, found)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of messages, by number and kind. Of one that a message has several times the last counts, as protobuf has it."""

    messages: Messages
    found: Sequence[_Found]

    def varints(self, wanted: int) -> Numbers:
        """A number of each message, 0 where it has none."""
        numbers = np.zeros(len(self.messages), np.uint64)
        for own in self._own(wanted):
            numbers[own.of] = own.values
        return numbers

    def fixed(self, wanted: int) -> Numbers:
        """Likewise, one of 8 bytes or 4."""
        numbers, size = np.zeros(len(self.messages), np.uint64), _SIZES[wanted & 7]
        data = np.frombuffer(self.messages.data, np.uint8)
        windows = np.ndarray((len(data) - size + 1, size), np.uint8, data, strides=(1, 1))
        for own in self._own(wanted):
            numbers[own.of] = windows[own.starts].view(f"<u{size}").reshape(-1)
        return numbers

    def parts(self, wanted: int) -> Messages:
        """Text, bytes or a message of each message; empty where it has none."""
        starts, ends = np.zeros(len(self.messages), np.int64), np.zeros(len(self.messages), np.int64)
        for own in self._own(wanted):
            starts[own.of], ends[own.of] = own.starts, own.ends
        missing = ends == 0
        if missing.any():  # it is empty, and behind what is before it
            ends = np.maximum.accumulate(ends)
            starts[missing] = ends[missing]
        return Messages(self.messages.data, starts, ends)

    def several(self, wanted: int) -> tuple[Places, Messages]:
        """How often each message has a field, and what is in all of them: messages, text or bytes."""
        counts, ranks = np.zeros(len(self.messages), np.int64), list[Places]()
        every = list(self._own(wanted))
        for own in every:
            rank = counts[own.of]
            if own.together:
                counts[own.of] += 1
            else:
                rank += np.arange(len(own.of)) - np.searchsorted(own.of, own.of)
                counts += np.bincount(own.of, minlength=len(counts))
            ranks.append(rank)
        firsts, total = np.cumsum(counts) - counts, int(counts.sum())
        starts, ends = np.empty(total, np.int64), np.empty(total, np.int64)
        for own, rank in zip(every, ranks, strict=True):
            places = firsts[own.of] + rank
            starts[places], ends[places] = own.starts, own.ends
        return counts, Messages(self.messages.data, starts, ends)

    def last_of(self, tags: Collection[int]) -> Numbers:
        """Which of some fields is the last of each message (its `oneof`), by number and kind; 0 where it has none."""
        last, at = np.zeros(len(self.messages), np.uint64), np.zeros(len(self.messages), np.int64)
        for own in self.found:
            if own.tag in tags:
                later = own.starts > at[own.of]
                last[own.of[later]], at[own.of[later]] = own.tag, own.starts[later]
        return last

    def _own(self, wanted: int) -> Iterator[_Found]:
        return (each for each in self.found if each.tag == wanted)


def _read(data: Bytes, live: Places, at: Places, ends: Places, wanted: Collection[int], found: list[_Found]) -> Places:
    """Read one field of each message that has one left; where each field ends."""
    tags, starts = _varints(data, at)
    alike = bool((tags == tags[0]).all())
    kinds = (tags[:1] if alike else tags) & np.uint64(7)
    sizes = np.array(_SIZES)[kinds.astype(np.intp)]
    led = sizes == 0  # by a varint, which is the value or its length
    if led.all():
        values, starts = _varints(data, starts)
    else:
        values = np.zeros(len(live), np.uint64)
        if led.any():
            values[led], starts[led] = _varints(data, starts[led])
    lengths = np.where(kinds == LENGTH, values, sizes.astype(np.uint64))
    if (sizes < 0).any() or (tags - np.uint64(8) >= (1 << 32) - 8).any() or (starts > ends).any():
        raise DecodeError
    if (lengths > (ends - starts).view(np.uint64)).any():
        raise DecodeError
    over = starts + lengths.view(np.int64)
    if alike:
        if int(tags[0]) in wanted:
            found.append(_Found(int(tags[0]), live, values, starts, over, together=True))
        return over
    for each in wanted:
        own = np.flatnonzero(tags == each)
        if len(own):
            found.append(_Found(each, live[own], values[own], starts[own], over[own], together=True))
    return over


def _varints(data: Bytes, at: Places) -> tuple[Numbers, Places]:
    """The varints at some places, and where each is over."""
    read = data[at]
    values, after = read.astype(np.uint64), at + 1
    more, shift = np.flatnonzero(read > _LAST_BYTE), 7
    if len(more):
        values &= np.uint64(_LAST_BYTE)
    while len(more):
        if shift == 7 * _LONGEST:
            raise DecodeError
        read = data[after[more]]
        values[more] |= (read & _LAST_BYTE).astype(np.uint64) << np.uint64(shift)
        after[more] += 1
        more, shift = more[read > _LAST_BYTE], shift + 7
    return values, after


def _one_by_one(data: bytes, messages: Iterable[tuple[int, int, int]], wanted: Collection[int], count: int) -> Iterator[_Found]:
    """The fields of messages, each given by its number, where it begins and where it ends."""
    found = {each: array("Q") for each in wanted}
    for number, begins, ends in messages:
        at = begins
        while at < ends:
            before, start = _varint(data, at)
            size, value = _SIZES[before & 7], 0
            if size == 0:
                value, start = _varint(data, start)
                size = value if before & 7 == LENGTH else 0
            at = start + size
            if size < 0 or not 0 < before >> 3 < 1 << 29 or at > ends:
                raise DecodeError
            count += 1
            _bounded(count)
            if before in found:
                found[before].extend((number, value, start, at))
    for each, rows in found.items():
        if rows:
            of, values, starts, over = np.frombuffer(rows, np.uint64).reshape(-1, 4).T
            yield _Found(each, of.astype(np.int64), values, starts.astype(np.int64), over.astype(np.int64), together=False)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while shift < 7 * _LONGEST:
        read = data[at]
        at += 1
        value |= (read & _LAST_BYTE) << shift
        if read <= _LAST_BYTE:
            return value & (1 << 64) - 1, at
        shift += 7
    raise DecodeError


def _bounded(count: int) -> None:
    if count > MOST_FIELDS:
        raise BadInput(f"The request has more than {MOST_FIELDS:,} fields.", remedy="Send smaller batches.")
