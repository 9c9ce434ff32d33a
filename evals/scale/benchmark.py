"""Fills the stores and investigates them, each step in a process of its own, so that none's memory counts for another."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from middlewatch.evals.scale import peers as other_methods
from middlewatch.evals.scale.measuring import Incidents, Round, measure, measure_incidents
from middlewatch.evals.scale.size import Size
from middlewatch.evals.scale.store import fill
from middlewatch.records import Record
from middlewatch.records.errors import BadInput

Done = TypeVar("Done")


class Result(Record):
    """What was measured in one store."""

    rounds: tuple[Round, ...]
    incidents: Incidents | None = None
    incidents_alone: Incidents | None = Field(default=None, description="the same in a store that holds nothing else")
    peers: dict[str, tuple[float, ...]] = Field(
        default_factory=dict, description="seconds of other methods for the same incidents, by method; what they share is reading"
    )


class Recordings(Record):
    """Recorded incidents that are investigated in the same store."""

    folders: tuple[Path, ...] = ()
    peers_python: Path | None = None
    """The interpreter that has other methods, see `peers`."""


def benchmark(folder: Path, size: Size, rounds: int, recordings: Recordings, on_step: Callable[[str], None]) -> Result:
    """Fill a store where it is not there yet, and investigate it.

    Args:
        folder: where stores are.
        size: of the store.
        rounds: how often to investigate.
        recordings: whose incidents to investigate in the same store, and by which other methods.
        on_step: told what is done next.

    Raises:
        MiddlewatchError: what an investigation raises.
    """
    own = folder / f"{size.spans}-{size.lines}-{size.series}-{size.services}-{size.hours:g}-{size.interval_seconds}-{size.seed}"
    filled = own / "filled"
    if not filled.exists():
        shutil.rmtree(own, ignore_errors=True)  # of a run that was stopped
        own.mkdir(parents=True)
        _apart(fill, own / "clickhouse", size)
        filled.touch()
    measured = []
    for number in range(rounds):
        on_step(f"investigation {number + 1} of {rounds} over {size.spans:,} spans")
        measured.append(_apart(measure, own, size))
    if not recordings.folders:
        return Result(rounds=tuple(measured))
    on_step(f"incidents of {len(recordings.folders)} recordings in the same store")
    incidents = _apart(measure_incidents, own, recordings.folders)
    on_step("the same incidents in a store of their own")
    with tempfile.TemporaryDirectory(prefix="middlewatch-scale-", ignore_cleanup_errors=True) as empty:
        alone = _apart(measure_incidents, Path(empty), recordings.folders)
    if recordings.peers_python is None:
        return Result(rounds=tuple(measured), incidents=incidents, incidents_alone=alone)
    on_step("the same incidents by other methods")
    peers = _peers(recordings.peers_python, recordings.folders)
    return Result(rounds=tuple(measured), incidents=incidents, incidents_alone=alone, peers=peers)


def _peers(python: Path, folders: Sequence[Path]) -> dict[str, tuple[float, ...]]:
    """Run the other methods in their own environment.

    Raises:
        BadInput: that environment does not have them.
    """
    command = [str(python), "-W", "ignore", other_methods.__file__, *map(str, folders)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  the user's own interpreter
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        raise BadInput(f"The other methods do not run with {python}: {said}.", remedy="See evals/scale/peers.py.") from error
    found: dict[str, tuple[float, ...]] = {name: tuple(seconds) for name, seconds in json.loads(ended.stdout).items()}
    return found


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
