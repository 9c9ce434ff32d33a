"""The runs of the scripted models over the lab's suite, and what is kept of each incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from middlewatch.evals.reasoned import Asking, Reasoned
from middlewatch.records import Record
from tests.benchmarks.scripted_speaker import Call


@dataclass(frozen=True, slots=True)
class Run:
    """One way to ask."""

    asking: Asking
    looks: int
    """Tools that each dialogue calls."""
    billed: bool
    """Whether the model takes its time, and what it costs is told; otherwise it answers at once."""


RUNS: Final[Mapping[str, Run]] = MappingProxyType(
    {
        "as they are": Run(Asking(), looks=1, billed=True),
        "names and times hidden": Run(Asking(mask=True), looks=2, billed=True),
        "hidden, without traces": Run(Asking(mask=True, degradations=("no-traces",)), looks=0, billed=False),
    }
)


class Said(Record):
    """One incident."""

    run: str
    reasoned: Reasoned
    calls: tuple[Call, ...]


def left(run: str, found: Sequence[Said]) -> Asking:
    """What a run has to ask still."""
    known = frozenset((said.reasoned.recording, said.reasoned.incident) for said in found if said.run == run)
    return replace(RUNS[run].asking, known=known)


def kept_said(file: Path) -> tuple[Said, ...]:
    """What an earlier run kept."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return tuple(map(Said.model_validate_json, lines))
