"""Does everything to an exported audit log that can be done to it, and counts what `audit verify` does not find.

Run it as ``python tests/chaos/audit_mutations.py``; it takes a few minutes. It prints a table and exits with 0 when nothing was
missed. With ``--without-checkpoints`` the look at the checkpoints is cut out (here, not in the product), so that the chain of
digests stands alone: the same run must then miss what is cut off the end and what was chained anew, and exits with 0 when it does.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import rfc8785

from middlewatch.approval.audit.lines import FIELDS
from middlewatch.approval.audit.verify import Trusted, parsed, read_checkpoints
from tests.unit.approval.audit.logs import Export, chained, check, joined, make_export

EVENTS = 8
"""Few, so that every order of them (40,320) and every byte of them can be tried."""
EVERY = 3
"""Events between two checkpoints: what is done falls before, between, on and after some."""
INSERTED = b'\n\r 0"}\x00\xff'
Mutation = tuple[str, bytes]
"""What was done, and the file that it left."""
See = Callable[[Export], Trusted]
Counts = tuple[Counter[str], Counter[str]]


def edited_bytes(export: Export, values: Sequence[int]) -> Iterator[Mutation]:
    """Every byte, turned into others."""
    content = bytearray(export.content)
    for place, before in enumerate(export.content):
        for value in values:
            content[place] = before ^ value
            yield "a byte changed", bytes(content)
        content[place] = before


def moved_bytes(export: Export) -> Iterator[Mutation]:
    """A byte fewer, a byte more, two bytes in the other order, and every length."""
    content = export.content
    for place in range(len(content)):
        yield "a byte deleted", content[:place] + content[place + 1 :]
        yield "cut off in a line", content[:place]
        yield "two bytes swapped", content[:place] + content[place : place + 2][::-1] + content[place + 2 :]
        for value in INSERTED:
            yield "a byte added", content[:place] + bytes([value]) + content[place:]
    for value in INSERTED:
        yield "a byte added", content + bytes([value])


def moved_lines(lines: Sequence[bytes]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Lines gone, in another order, twice, and cut off the end."""
    size = len(lines)
    for kept in itertools.chain.from_iterable(itertools.combinations(range(size), n) for n in range(size)):
        kind = "lines cut off the end" if kept == tuple(range(len(kept))) else "lines deleted"
        yield kind, tuple(lines[n] for n in kept)
    for order in itertools.permutations(range(size)):
        yield "lines in another order", tuple(lines[n] for n in order)
    for line, place in itertools.product(range(size), range(size + 1)):
        yield "a line twice", (*lines[:place], lines[line], *lines[place:])
    for begin, end in itertools.combinations(range(size + 1), 2):
        yield "lines twice", (*lines[:end], *lines[begin:])


def forged_lines(lines: Sequence[bytes]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """A field of a line told otherwise, in canonical form; and other lines in the place of the last ones."""
    values: tuple[object, ...] = ("", "mallory", "request.denied", "f" * 64, 0, 7, {}, {"reason": "f" * 64}, None, [])
    for place, line in enumerate(lines):
        content = parsed(line)
        for field, value in itertools.product(sorted(FIELDS), values):
            yield "a field changed", (*lines[:place], rfc8785.dumps(content | {field: value}), *lines[place + 1 :])
        for number in range(200):
            other = rfc8785.dumps(content | {"actor": f"mallory-{number}"})
            yield "other lines at the end", (*lines[:place], *[other] * (len(lines) - place))


def line_mutations(export: Export) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Each kind as it is, and with the chain written anew where the lines can be read at all."""
    for kind, lines in itertools.chain(moved_lines(export.lines), forged_lines(export.lines)):
        yield kind, lines
        try:
            yield f"{kind}, chained anew", chained(lines)
        except ValueError:
            continue


def run(export: Export, trusted: Trusted, mutations: Iterator[Mutation], tried: Counter[str], missed: Counter[str]) -> None:
    """Verify every mutation; one that leaves the file as it was is none.

    Whole lines that are added after the last checkpoint are what the log itself does: they must be said not to be covered.
    """
    for kind, content in mutations:
        if content == export.content:
            continue
        verdict = check(content, trusted)
        added = content.startswith(export.content) and not verdict.problems.count
        name = "lines added after the last checkpoint" if added else kind
        tried[name] += 1
        missed[name] += verdict.good and not (added and verdict.uncovered == verdict.events - len(export.lines))


def attack_bytes(events: int, values: Sequence[int], see: See) -> Counts:
    """Do to every byte of a log of so many events what can be done to one.

    Args:
        events: of the log.
        values: with which each byte is combined by exclusive or.
        see: what the check knows of an export: its checkpoints, or nothing.

    Returns:
        How many mutations of each kind were tried, and how many not found.
    """
    tried, missed = Counter[str](), Counter[str]()
    export = make_export(events, every=EVERY)
    run(export, see(export), edited_bytes(export, values), tried, missed)
    run(export, see(export), moved_bytes(export), tried, missed)
    return tried, missed


def attack_lines(events: int, see: See) -> Counts:
    """Do to the lines of a log of so many events what can be done to them; with all checkpoints, and with the older ones alone.

    Takes and returns what `attack_bytes` does.
    """
    tried, missed = Counter[str](), Counter[str]()
    export = make_export(events, every=EVERY)
    run(export, see(export), ((kind, joined(lines)) for kind, lines in line_mutations(export)), tried, missed)
    for number in range(1, len(export.checkpoints)):
        older = replace(export, checkpoints=export.checkpoints[:number])
        reach = older.checkpoints[-1].size
        before = (
            ("before an older checkpoint", joined(lines))
            for _, lines in line_mutations(export)
            if lines[:reach] != export.lines[:reach]
        )
        run(older, see(older), before, tried, missed)
    return tried, missed


def attack_checkpoints(export: Export) -> tuple[int, int]:
    """Flip every bit of the file of checkpoints; returns how many, and how many of them were not found."""
    notes, keys = export.notes.encode(), [export.signer.verifier]
    missed = 0
    for place, bit in itertools.product(range(len(notes)), range(8)):
        edited = bytearray(notes)
        edited[place] ^= 1 << bit
        lines = io.TextIOWrapper(io.BytesIO(bytes(edited)), encoding="utf-8", errors="replace", newline="\n")
        missed += check(export.content, read_checkpoints([("checkpoints", lines)], keys)).good
    return len(notes) * 8, missed


def main() -> int:
    """Attack a log, and say what was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--values", type=int, default=100, help="other values that each byte gets, of 255")
    parser.add_argument("--without-checkpoints", action="store_true")
    options = parser.parse_args()
    values = random.Random(1).sample(range(1, 256), options.values)
    nothing = options.without_checkpoints
    begun = time.monotonic()
    see: See = (lambda export: replace(export, checkpoints=()).trusted) if nothing else (lambda export: export.trusted)
    tried, missed = attack_bytes(options.events, values, see)
    for total, more in zip((tried, missed), attack_lines(options.events, see), strict=True):
        total.update(more)
    if not nothing:
        tried["a bit of the checkpoints"], missed["a bit of the checkpoints"] = attack_checkpoints(
            make_export(options.events, every=EVERY)
        )
    for kind, number in sorted(tried.items()):
        sys.stdout.write(f"{kind:45} {number:>9,} tried {missed[kind]:>9,} missed\n")
    totals = {"tried": tried.total(), "missed": missed.total(), "seconds": round(time.monotonic() - begun)}
    sys.stdout.write(json.dumps(totals) + "\n")
    return int(bool(missed.total()) is not nothing)


if __name__ == "__main__":
    sys.exit(main())
