"""Invariant: whatever is done to an exported log is found, up to the last checkpoint; and what is good is not complained about."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.approval.audit import verify as verification
from middlewatch.approval.audit.checkpoint import Checkpoint
from middlewatch.approval.audit.lines import FIRST_PREV, line_of
from middlewatch.approval.audit.tip import Tip
from middlewatch.approval.audit.verify import Finding, Verdict, read_checkpoints
from tests.unit.approval.audit.logs import LOG, chained, check, joined, make_export, make_logged, make_signer, root_of

EVENTS = 12
EXPORT = make_export(EVENTS, every=5)
LINES = EXPORT.lines
UNCHECKED = replace(EXPORT, checkpoints=())


def problems(verdict: Verdict) -> list[tuple[int | None, str]]:
    return [(finding.line, finding.what) for finding in verdict.problems.kept]


def chain_problems(content: bytes) -> list[tuple[int | None, str]]:
    """What is found without any checkpoint."""
    return problems(check(content, UNCHECKED.trusted))


@pytest.mark.parametrize("every", [1, 3, 12])
def test_a_good_log_is_good(every: int) -> None:
    export = make_export(EVENTS, every=every)
    trusted = read_checkpoints([("c", io.StringIO(export.notes))], [export.signer.verifier])
    verdict = check(export.content, trusted)
    assert verdict == replace(verdict, events=EVENTS, covered=EVENTS, checkpoints=len(export.checkpoints), log=LOG)
    assert verdict.good
    assert (verdict.remarks.count, verdict.uncovered) == (0, 0)


def test_events_after_the_last_checkpoint_are_counted() -> None:
    export = replace(EXPORT, checkpoints=EXPORT.checkpoints[:2])
    verdict = check(export.content, export.trusted)
    assert verdict.good
    assert (verdict.covered, verdict.uncovered) == (10, 2)


@given(st.integers(0, len(EXPORT.content) - 1), st.binary(max_size=3))
def test_any_edited_piece_is_found(place: int, piece: bytes) -> None:
    content = EXPORT.content
    for end in (place, place + 1, place + len(piece)):
        edited = content[:place] + piece + content[end:]
        assert edited == content or not check(edited, EXPORT.trusted).good


@given(st.permutations(range(EVENTS)), st.integers(0, EVENTS))
def test_any_other_order_or_choice_of_lines_is_found(order: list[int], length: int) -> None:
    lines = tuple(LINES[n] for n in order[:length])
    for written in (lines, chained(lines)):
        assert written == LINES or not check(joined(written), EXPORT.trusted).good


@given(st.lists(st.integers(0, EVENTS - 1), max_size=20))
def test_any_repetition_of_lines_is_found(order: list[int]) -> None:
    lines = tuple(LINES[n] for n in order)
    assert lines == LINES or not check(joined(lines), EXPORT.trusted).good


@pytest.mark.parametrize("cut", range(1, EVENTS + 1))
def test_the_chain_alone_misses_what_is_cut_off_the_end_and_the_checkpoint_does_not(cut: int) -> None:
    content = joined(LINES[:-cut])
    assert chain_problems(content) == []
    assert problems(check(content, EXPORT.trusted)) == [
        (None, f"a checkpoint covers 12 lines and the file has {12 - cut}: {cut} are missing")
    ]


@pytest.mark.parametrize("gone", range(EVENTS))
def test_the_chain_alone_misses_a_chain_that_was_written_anew_and_the_checkpoint_does_not(gone: int) -> None:
    without, other = LINES[:gone] + LINES[gone + 1 :], list(LINES)
    other[gone] = line_of(make_logged(gone, actor="mallory"), log=LOG, prev=FIRST_PREV)
    for lines in (chained(without), chained(other)):
        assert chain_problems(joined(lines)) == []
        assert not check(joined(lines), EXPORT.trusted).good


def test_without_the_look_at_the_roots_a_new_chain_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above rest on it: without the guard they fail."""
    forged = joined(chained([line.replace(b"person-1", b"person-2") for line in LINES]))
    assert not check(forged, EXPORT.trusted).good
    monkeypatch.setattr(verification._Check, "_compare", lambda *_: None)
    assert check(forged, EXPORT.trusted).good


def test_without_the_look_beyond_the_end_a_shorter_log_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification._Check, "_beyond", lambda *_: None)
    assert check(joined(LINES[:10]), EXPORT.trusted).good


def test_a_chain_is_followed_beyond_the_last_checkpoint() -> None:
    export = replace(EXPORT, checkpoints=EXPORT.checkpoints[:1])
    edited = export.content.replace(b"req-1", b"req-9", 2)
    assert [line for line, _ in problems(check(edited, export.trusted))] == [7, 8]


def test_the_line_is_named_and_one_fault_is_not_many() -> None:
    found = problems(check(joined(LINES[:3] + LINES[4:]), EXPORT.trusted))
    assert found[:2] == [
        (4, "its prev is not the digest of line 3: one of the two was changed, or stood elsewhere"),
        (4, "its seq is 4 where 3 follows"),
    ]
    assert found[2:] == [
        (5, "the checkpoint of 5 lines has another root: lines 1 to 5 are not what was signed"),
        (None, "a checkpoint covers 12 lines and the file has 11: 1 are missing"),
    ]


def test_a_root_says_between_which_checkpoints_it_was() -> None:
    lines = list(LINES)
    lines[6] = lines[6].replace(b"person-0", b"person-9")
    assert problems(check(joined(chained(lines)), EXPORT.trusted)) == [
        (10, "the checkpoint of 10 lines has another root: lines 6 to 10 are not what was signed")
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (EXPORT.content[:-1], "it is cut off: no newline follows it"),
        (EXPORT.content + b"\n", "it is not JSON"),
        (EXPORT.content + b"\xff\xfe\n", "it is not JSON"),
        (EXPORT.content.replace(b"\n", b"\r\n", 1), "it is not in canonical form (RFC 8785)"),
        (EXPORT.content.replace(b'"v":1', b'"v":1,"w":1', 1), "it does not have the fields of a line"),
        (
            EXPORT.content.replace(b"0123456789abcdef", b"0123456789abcdee", 1),
            "it is of another log, 'middlewatch/0123456789abcdee/acme'",
        ),
        (EXPORT.content.replace(b'"acme"', b'"evil"', 1), "it is of another tenant, 'evil'"),
        (joined(LINES[1:]), "its prev is not that of a first line: what came before it is missing"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, what: str) -> None:
    assert what in [text for _, text in problems(check(content, EXPORT.trusted))]


def test_time_that_goes_back_is_a_remark() -> None:
    tip = Tip(LOG)
    lines = [tip.line(replace(make_logged(n), time_ms=1_000_000_000_000 - n)) for n in range(3)]
    verdict = check(joined(lines), replace(EXPORT, checkpoints=(tip.checkpoint(),)).trusted)
    assert verdict.good
    assert verdict.remarks.kept[0] == Finding(
        "log.jsonl", 2, "the time goes back, from 2001-09-09T01:46:40.000Z to 2001-09-09T01:46:39.999Z"
    )


def read(notes: str, seed: int = 1) -> tuple[dict[int, bytes], list[tuple[int | None, str]]]:
    trusted = read_checkpoints([("c", io.StringIO(notes))], [make_signer(seed).verifier])
    return trusted.by_size, [(finding.line, finding.what) for finding in trusted.problems.kept]


def test_a_checkpoint_by_another_key_counts_for_nothing() -> None:
    assert read(EXPORT.notes, seed=2) == (
        {},
        [(line, "this checkpoint counts for nothing: it is not signed by the given key") for line in (1, 6, 11)],
    )


def test_a_checkpoint_of_another_log_counts_for_nothing() -> None:
    note = Checkpoint("middlewatch/0123456789abcdef/other", 5, root_of(LINES[:5])).signed(make_signer())
    assert read(note) == ({}, [(1, "this checkpoint is of another log, 'middlewatch/0123456789abcdef/other'")])


def test_two_histories_are_found() -> None:
    fork = Checkpoint(LOG, 5, root_of(LINES[1:6])).signed(make_signer())
    assert read(EXPORT.notes + fork)[1] == [(16, "two checkpoints of 5 lines have different roots: the key signed two histories")]


def test_the_same_checkpoint_twice_is_one() -> None:
    assert read(EXPORT.notes * 2) == (EXPORT.trusted.by_size, [])


def test_checkpoints_of_several_keys_of_one_log_count() -> None:
    """After a key was replaced there are two."""
    old, new = make_signer(1), make_signer(2)
    notes = EXPORT.checkpoints[0].signed(old) + EXPORT.checkpoints[1].signed(new)
    assert len(read_checkpoints([("c", io.StringIO(notes))], [old.verifier, new.verifier]).by_size) == 2


def test_findings_are_counted_beyond_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "MOST_FINDINGS", 5)
    verdict = check(b"x\n" * 100, UNCHECKED.trusted)
    assert (len(verdict.problems.kept), verdict.problems.count) == (5, 100)


def test_a_file_without_newlines_is_not_read_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "LONGEST_LINE", 1000)
    assert problems(check(b"x" * 10_000, UNCHECKED.trusted))[0] == (
        1,
        "it is longer than 1,000 bytes: nothing from there on was read",
    )


def test_a_foreign_name_does_not_fill_the_screen() -> None:
    line = line_of(make_logged(0), log="x" * 10_000, prev=FIRST_PREV)
    assert len(problems(check(line + b"\n", UNCHECKED.trusted))[0][1]) < 200


def test_an_empty_file_under_a_checkpoint_of_nothing_is_good() -> None:
    assert check(b"", replace(EXPORT, checkpoints=(Tip(LOG).checkpoint(),)).trusted).good
