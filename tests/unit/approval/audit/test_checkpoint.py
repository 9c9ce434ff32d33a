"""Invariants: a checkpoint has one form, and a damaged note in a file of them spoils no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.approval.audit.checkpoint import Checkpoint, notes_in
from middlewatch.approval.audit.note import NoteError
from tests.unit.approval.audit.logs import LOG, make_export, make_signer

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32))
def test_it_is_read_as_it_was_written(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(LOG, size, root)
    signer = make_signer()
    assert Checkpoint.opened(checkpoint.signed(signer), [signer.verifier]) == checkpoint


def test_the_example_of_the_specification_is_read() -> None:
    found = Checkpoint.parse(f"example.com/behind-the-sofa\n20852163\n{ROOT}\n")
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.text == f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        f"a\n01\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        f"a\n1\n{ROOT[:-2]}=\n",
        f"a\n1\n{ROOT[:-2]}J=\n",
        f"\n1\n{ROOT}\n",
        f"a\n1\n{ROOT}\n\n",
        "a\n1\n!\n",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def lines_of(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def test_a_file_of_notes_is_cut_into_them() -> None:
    notes = [checkpoint.signed(make_signer()) for checkpoint in make_export(3).checkpoints]
    assert [note for _, note in notes_in(lines_of("".join(notes)))] == notes
    assert [number for number, _ in notes_in(lines_of("\n" + "\n\n".join(notes)))] == [2, 9, 16]


def test_a_note_that_was_cut_short_spoils_no_other() -> None:
    one, two = (checkpoint.signed(make_signer()) for checkpoint in make_export(2).checkpoints)
    for cut in range(1, len(one)):
        found = [note for _, note in notes_in(lines_of(one[:cut] + "\n\n" + two))]
        assert found[-1] == two


def test_a_file_of_anything_is_not_kept_in_memory() -> None:
    assert max(len(note) for _, note in notes_in("x\n" for _ in range(10_000))) < 1000
