"""Fills the stores and investigates them, each step in a process of its own, so that none's memory counts for another."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from middlewatch.evals.scale.measuring import Incidents, Round, measure, measure_incidents
from middlewatch.evals.scale.size import Size
from middlewatch.evals.scale.store import fill
from middlewatch.records import Record

Done = TypeVar("Done")


class Result(Record):
    """What was measured in one store."""

    rounds: tuple[Round, ...]
    incidents: Incidents | None = None


def benchmark(folder: Path, size: Size, rounds: int, recordings: Sequence[Path], on_step: Callable[[str], None]) -> Result:
    """Fill a store where it is not there yet, and investigate it.

    Args:
        folder: where stores are.
        size: of the store.
        rounds: how often to investigate.
        recordings: whose incidents to investigate in the same store; none may be given.
        on_step: told what is done next.

    Raises:
        MiddlewatchError: what an investigation raises.
    """
    own = folder / f"{size.spans}-{size.lines}-{size.series}-{size.services}-{size.hours:g}-{size.interval_seconds}-{size.seed}"
    filled = own / "filled"
    if not filled.exists():
        own.mkdir(parents=True)
        _apart(fill, own / "clickhouse", size)
        filled.touch()
    measured = []
    for number in range(rounds):
        on_step(f"investigation {number + 1} of {rounds} over {size.spans:,} spans")
        measured.append(_apart(measure, own, size))
    if not recordings:
        return Result(rounds=tuple(measured))
    on_step(f"incidents of {len(recordings)} recordings in the same store")
    return Result(rounds=tuple(measured), incidents=_apart(measure_incidents, own, recordings))


@contextmanager
def place(store: Path | None) -> Iterator[Path]:
    """The folder of the stores: the given one, which stays, or a temporary one."""
    if store is not None:
        yield store
        return
    with tempfile.TemporaryDirectory(prefix="middlewatch-scale-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def _apart(work: Callable[..., Done], *arguments: object) -> Done:
    """Do work in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()
