"""Hide which system and which night a recording is of, before anybody sees it: public data may be what a model was trained on.

Names of services are replaced in all files and texts, times are shifted, and titles are gone; what is asked about is the same. Only
the answer is put back into real names. What is left are operations, metrics and words of logs: a model may know those too, and
docs/voting.md says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from middlewatch.evals.degradations import SHIFT, named, random_names
from middlewatch.evals.degrade import Degradation, Json, Plan, degrade, degraded
from middlewatch.records import Onset

MASKS: Final = ("random-names", "shifted-times")
"""The degradations that hide something."""
_TITLE: Final = "An alert"
_NAME: Final = "masked"
"""Of the folder, and so of the recording as it is imported."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Which name stands for which service."""

    real: Mapping[str, str] = field(default_factory=dict)
    """Masked name -> the service's own."""
    shift: timedelta = timedelta()
    """By which all times lie later than they were."""

    def plain(self, service: str) -> str:
        """A service's own name; one that was made up meanwhile stays as it is."""
        return self.real.get(service, service)

    def when(self, onset: Onset | None) -> Onset | None:
        """When something really began."""
        if onset is None:
            return None
        at = {name: getattr(onset, name) - self.shift for name in ("at", "earliest", "latest")}
        return onset.model_copy(update=at)


@contextmanager
def masked(recording: Path, *, seed: int, near: Path, mask: bool = True) -> Iterator[tuple[Path, Mask]]:
    """A copy of a recording in which nobody recognises it; the recording itself where `mask` is not set.

    Args:
        recording: the folder.
        seed: names are drawn from it.
        near: where the copy is kept for as long as the block runs.
        mask: whether to.
    """
    if not mask:
        yield recording, Mask()
        return
    untitled = Degradation(_NAME, "titles say nothing", lambda _recording, _seed: Plan(line=_untitled))
    real = {new: name for name, new in random_names(recording, seed).items()}
    with degraded(recording, named(MASKS), seed=seed, near=near) as hidden:
        output = hidden.parent / _NAME / _NAME
        output.parent.mkdir()
        degrade(hidden, output, untitled, seed=seed)
        yield output, Mask(real, SHIFT)


def _untitled(line: Json) -> Json:
    return line | {"title": _TITLE} if "title" in line else line
