"""Checks an exported log against a public key and checkpoints. Needs neither Redis nor settings, and reads a file of any size."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import rfc8785

from middlewatch.approval.audit.checkpoint import Checkpoint, notes_in
from middlewatch.approval.audit.lines import FIELDS, FIRST_PREV, LARGEST_EXACT, VERSION
from middlewatch.approval.audit.merkle import Frontier, leaf_hash
from middlewatch.approval.audit.note import NoteError, VerifierKey

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes. Far beyond any event; a file without newlines must not fill the memory."""
LONGEST_QUOTED = 80
MOST_FINDINGS = 1000
"""Of each sort that are kept; all are counted."""

_TEXTS = ("actor", "digest", "event", "obj", "prev", "tenant", "ts", "log")
_TS = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
_EXACT_DIGITS = 15
"""A whole number of so many digits is one that RFC 8785 writes as it is."""


class LineError(ValueError):
    """It is no line of a log."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth a look."""

    file: str
    """Which of the given files."""
    line: int | None
    """From 1 on, as editors and sed count; None where it is about the whole file."""
    what: str


@dataclass(slots=True)
class Findings:
    """What was found, in the order of the lines; counted beyond what is kept."""

    kept: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(self, file: str, line: int | None, what: str) -> None:
        self.count += 1
        if len(self.kept) < MOST_FINDINGS:
            self.kept.append(Finding(file, line, what))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a check."""

    log: str
    events: int
    """Lines of the file."""
    covered: int
    """Lines, from the first on, under the newest checkpoint that the file agrees with."""
    uncovered: int
    """Lines after the last checkpoint: of these the chain alone is known, so that some may be missing or made up."""
    checkpoints: int
    """That were signed by the key; each size counts once."""
    problems: Findings
    """Not empty: this is not the log that was signed."""
    remarks: Findings
    """Worth a look, and no proof of anything."""

    @property
    def good(self) -> bool:
        return not self.problems.count


@dataclass(frozen=True, slots=True)
class Trusted:
    """Checkpoints whose signatures hold."""

    by_size: dict[int, bytes]
    """Size -> root."""
    problems: Findings


def read_checkpoints(files: Iterable[tuple[str, Iterable[str]]], keys: Collection[VerifierKey]) -> Trusted:
    """Read signed notes and check their signatures.

    Args:
        files: the name of each and its lines, each with its newline.
        keys: of the log; all have its name.
    """
    trusted = Trusted({}, Findings())
    log = {key.name for key in keys}
    for name, lines in files:
        for number, note in notes_in(lines):
            try:
                checkpoint = Checkpoint.opened(note, keys)
            except NoteError as error:
                trusted.problems.add(name, number, f"this checkpoint counts for nothing: {error}")
                continue
            if checkpoint.origin not in log:
                trusted.problems.add(name, number, f"this checkpoint is of another log, {_short(checkpoint.origin)}")
            elif trusted.by_size.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
                trusted.problems.add(
                    name, number, f"two checkpoints of {checkpoint.size} lines have different roots: the key signed two histories"
                )
    return trusted


def verify(name: str, lines: IO[bytes], log: str, trusted: Trusted) -> Verdict:
    """Check a log.

    Args:
        name: of the file, for findings.
        lines: the file, opened for binary reading.
        log: the name of the log: that of the public key.
        trusted: what `read_checkpoints` gave.
    """
    return _Check(name, log, trusted).run(lines)


class _Check:
    """One pass over a file."""

    def __init__(self, name: str, log: str, trusted: Trusted) -> None:
        self._name = name
        self._log = log
        self._trusted = trusted
        self._problems = Findings([*trusted.problems.kept], trusted.problems.count)
        self._remarks = Findings()
        self._frontier = Frontier()
        self._covered = 0
        self._broken = False
        self._prev = FIRST_PREV
        self._seq = 0
        self._ts = ""

    def run(self, lines: IO[bytes]) -> Verdict:
        roots, frontier = self._trusted.by_size, self._frontier
        number = 0
        if 0 in roots:
            self._compare(0, roots[0])
        while raw := lines.readline(LONGEST_LINE):
            number += 1
            line = raw.removesuffix(b"\n")
            if len(line) == len(raw):
                self._problem(number, _unfinished(raw))
                if len(raw) == LONGEST_LINE:
                    break  # nothing after it can be told apart
            self._line(number, line)
            frontier.add(leaf_hash(line))
            self._prev = hashlib.sha256(line).hexdigest()
            if number in roots:
                self._compare(number, roots[number])
        self._beyond(number, [size for size in roots if size > number])
        uncovered = max(0, number - max(roots, default=0))
        return Verdict(self._log, number, self._covered, uncovered, len(roots), self._problems, self._remarks)

    def _problem(self, number: int, what: str) -> None:
        self._problems.add(self._name, number, what)

    def _line(self, number: int, line: bytes) -> None:
        """Everything that one line can say of itself and of the one before it. One finding does not cause others further on."""
        expected = self._seq
        self._seq += 1
        try:
            found = parsed(line)
        except LineError as error:
            self._problem(number, str(error))
            return
        if found["prev"] != self._prev:
            self._problem(number, _unchained(number))
        if found["seq"] != expected:
            self._problem(number, f"its seq is {found['seq']} where {expected} follows")
            self._seq = found["seq"] + 1
        if found["log"] != self._log:
            self._problem(number, f"it is of another log, {_short(found['log'])}")
        elif self._log.rpartition("/")[2] != found["tenant"]:
            self._problem(number, f"it is of another tenant, {_short(found['tenant'])}")
        if found["ts"] < self._ts:
            self._remarks.add(self._name, number, f"the time goes back, from {self._ts} to {found['ts']}")
        self._ts = found["ts"]

    def _compare(self, size: int, root: bytes) -> None:
        """The file as far as it was read, with the checkpoint of that size."""
        if self._frontier.root() == root:
            self._covered = size
        elif not self._broken:
            self._broken = True  # every later one differs too
            first = self._covered + 1
            since = f"lines {first:,} to {size:,} are" if first < size else f"line {size:,} is"
            self._problem(size, f"the checkpoint of {size:,} lines has another root: {since} not what was signed")

    def _beyond(self, events: int, sizes: Sequence[int]) -> None:
        if sizes:
            missing = max(sizes) - events
            self._problems.add(
                self._name, None, f"a checkpoint covers {max(sizes):,} lines and the file has {events:,}: {missing:,} are missing"
            )


def parsed(line: bytes) -> dict[str, Any]:
    """The line's content.

    Raises:
        LineError: it is no line of a log; the message says why.
    """
    try:
        text = line.decode()
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise LineError("it is not JSON") from None
    if not isinstance(found, dict) or found.keys() != FIELDS:
        raise LineError("it does not have the fields of a line")
    if found["v"] != VERSION or type(found["v"]) is not int or type(found["seq"]) is not int or found["seq"] < 0:
        raise LineError("it is of no version that is known, or has no seq")
    if not isinstance(found["data"], dict) or not all(isinstance(found[name], str) for name in _TEXTS):
        raise LineError("one of its fields is of the wrong type")
    if not _TS.fullmatch(found["ts"]):
        raise LineError(f"its ts {_short(found['ts'])} is not a time as the log writes them")
    if not _canonical(text, found):
        raise LineError("it is not in canonical form (RFC 8785)")
    return found


def _whole(text: str) -> object:
    return int(text) if len(text) <= _EXACT_DIGITS else _ODD


def _odd(_: str) -> object:
    return _ODD


_ODD = object()
"""Stands for a number that Python's JSON writer may write otherwise than RFC 8785. It cannot be written at all."""
_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_odd, parse_constant=_odd)
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))


def _canonical(text: str, found: dict[str, Any]) -> bool:
    """Whether the line is what RFC 8785 makes of its content.

    Python's own JSON writer, ten times as fast, does the same for ASCII text and small whole numbers; for anything else, and for
    what it finds different, rfc8785 decides.
    """
    try:
        return (text.isascii() and _ENCODER.encode(found) == text) or bool(rfc8785.dumps(found) == text.encode())
    except (TypeError, ValueError, RecursionError):
        return _canonical_numbers(text)


def _canonical_numbers(text: str) -> bool:
    """The same for a line with numbers of any kind: they are doubles in RFC 8785, also whole ones that are too large for it."""

    def number(digits: str) -> int | float:
        return int(digits) if abs(int(digits)) <= LARGEST_EXACT else float(digits)

    try:
        return bool(rfc8785.dumps(json.loads(text, parse_int=number)) == text.encode())
    except (ValueError, OverflowError, RecursionError):  # half a surrogate pair, NaN, a number without end
        return False


def _short(text: str) -> str:
    return repr(text if len(text) <= LONGEST_QUOTED else text[:LONGEST_QUOTED] + "...")


def _unchained(number: int) -> str:
    if number == 1:
        return "its prev is not that of a first line: what came before it is missing"
    return f"its prev is not the digest of line {number - 1}: one of the two was changed, or stood elsewhere"


def _unfinished(raw: bytes) -> str:
    if len(raw) == LONGEST_LINE:
        return f"it is longer than {LONGEST_LINE:,} bytes: nothing from there on was read"
    return "it is cut off: no newline follows it"
