"""Invariant: of all that can be done to a small log nothing is missed; and a check without its checkpoints misses a lot.

`make chaos-audit` does the same to a larger one.
"""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.audit_mutations import attack_bytes, attack_checkpoints, attack_lines
from tests.unit.approval.audit.logs import make_export


def test_nothing_is_missed() -> None:
    for tried, missed in (
        attack_bytes(2, [1, 0x80], lambda export: export.trusted),
        attack_lines(4, lambda export: export.trusted),
    ):
        assert {kind: number for kind, number in missed.items() if number} == {}
        assert tried.total() > 2000


def test_the_chain_alone_misses_what_is_cut_off_and_chained_anew() -> None:
    tried, missed = attack_lines(4, lambda export: replace(export, checkpoints=()).trusted)
    everything = ["lines cut off the end", "lines deleted, chained anew", "lines in another order, chained anew"]
    assert [(kind, missed[kind]) for kind in everything] == [(kind, tried[kind]) for kind in everything]
    assert missed["lines deleted"] == missed["lines in another order"] == 0, "the chain does see these"


def test_no_bit_of_the_checkpoints_can_change() -> None:
    assert attack_checkpoints(make_export(1))[1] == 0
