"""Invariant: a log goes on from a kept end as if nothing had been, and from nothing but what this key kept."""

from __future__ import annotations

import pytest

from middlewatch.approval.audit.checkpoint import Checkpoint
from middlewatch.approval.audit.note import NoteError
from middlewatch.approval.audit.tip import Tip
from tests.unit.approval.audit.logs import LOG, make_export, make_logged, make_signer


@pytest.mark.parametrize("stop", range(9))
def test_it_goes_on_as_if_it_had_not_been_put_away(stop: int) -> None:
    signer, tip = make_signer(), Tip(LOG)
    lines = []
    for seq in range(9):
        if seq == stop:
            tip = Tip.opened(tip.signed(signer), signer).copy()
        lines.append(tip.line(make_logged(seq)))
    export = make_export(9)
    assert tuple(lines) == export.lines
    assert tip.checkpoint() == export.checkpoints[-1]


def test_another_key_did_not_keep_it() -> None:
    with pytest.raises(NoteError):
        Tip.opened(Tip(LOG).signed(make_signer(2)), make_signer(1))


def test_it_and_a_checkpoint_never_pass_for_each_other() -> None:
    signer = make_signer()
    with pytest.raises(NoteError):
        Tip.opened(make_export(3).checkpoints[-1].signed(signer), signer)
    with pytest.raises(NoteError):
        Checkpoint.opened(Tip(LOG).signed(signer), [signer.verifier])
