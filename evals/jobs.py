"""Work through every recording below some folders, each in a process and a store of its own."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TypeVar

from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.settings import Settings

Answer = TypeVar("Answer")

Work = Callable[[Path, Settings], Iterator[Answer]]
"""What is done with one recording: one answer for each of its incidents. A function of a module, with `functools.partial` where it
has parameters, because it is sent to another process; so are its answers. It may write beside `settings.data_dir`."""

NO_RESOURCES = 71
"""Exit code where the system gave out, such as memory (EX_OSERR of sysexits.h)."""
INPUT_OUTPUT = 74
"""Exit code where a file could not be read or written (EX_IOERR of sysexits.h)."""
STOP_SECONDS = 30.0
"""How long a job that was told to stop may take to close its back ends before it is killed."""

_SPAWN = multiprocessing.get_context("spawn")
"""ClickHouse's threads do not survive a fork."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that could not be answered, or not in full, and why."""

    recording: Path
    message: str
    exit_code: int


def recordings_below(*folders: Path) -> tuple[Path, ...]:
    """The folders that hold a recording.

    Raises:
        BadInput: there is none below one of `folders`.
    """
    found: list[Path] = []
    for folder in folders:
        below = sorted(file.parent for file in folder.rglob("recording.json"))
        if not below:
            raise BadInput(
                f"There is no recording below {folder}.", remedy="Name a folder that has recording.json somewhere below it."
            )
        found += below
    return tuple(dict.fromkeys(found))


def answer_all(
    recordings: Sequence[Path], settings: Settings, work: Work[Answer], *, jobs: int, on_answer: Callable[[Path, Answer], None]
) -> tuple[Failure, ...]:
    """Do the work for every recording.

    Each gets a process and a temporary folder of its own, so that evaluations neither see nor touch anything else, and one that
    dies takes no other with it.

    Args:
        recordings: folders.
        settings: everything but `data_dir`, `clickhouse_url` and `redis_url` is used.
        work: what to do with each.
        jobs: processes at a time; each takes one core and about 1 GB.
        on_answer: called in this process for every answer, as soon as it is made.

    Returns:
        The recordings that could not be answered in full.
    """
    waiting = list(reversed(recordings))
    running: dict[Connection, _Job] = {}
    failures: list[Failure] = []
    with tempfile.TemporaryDirectory(prefix="middlewatch-evaluate-", ignore_cleanup_errors=True) as temporary:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    own = Path(temporary) / str(len(waiting))
                    with _interrupts_held():  # a job that was started is always known, so that it can be stopped
                        job = _Job.started(waiting.pop(), own, settings, work)
                        running[job.answers] = job
                for answers in wait(list(running)):
                    job = running[answers]  # type: ignore[index]  # wait returns what it was given
                    said = job.next()
                    if said is not None and not isinstance(said, Failure):
                        on_answer(job.recording, said.answer)  # type: ignore[arg-type]  # what `work` yields
                        continue
                    del running[job.answers]
                    failures += [said] if said else []
        finally:
            for job in running.values():
                job.process.terminate()
            for job in running.values():
                job.end(STOP_SECONDS)
    return tuple(sorted(failures, key=lambda f: f.recording))


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: object


@dataclass(frozen=True, slots=True)
class _Job:
    """A process that answers the incidents of one recording."""

    recording: Path
    folder: Path
    process: SpawnProcess
    answers: Connection

    @classmethod
    def started(cls, recording: Path, folder: Path, settings: Settings, work: Work[Answer]) -> _Job:
        own = {"data_dir": folder / "data", "clickhouse_url": None, "redis_url": None, "epoch_file": None}
        answers, to_parent = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_run, args=(recording, settings.model_copy(update=own), work, to_parent))
        process.start()
        to_parent.close()  # from here on only the job holds it, so that its end is seen here
        return cls(recording, folder, process, answers)

    def next(self) -> _Answered | Failure | None:
        """The next answer; where there is none any more, why not, or None after the last incident."""
        try:
            said = self.answers.recv()
        except (EOFError, OSError):  # the latter where it died in the middle of an answer
            return self.end()
        if isinstance(said, Failure):
            self.end()
        assert isinstance(said, _Answered | Failure)  # noqa: S101  what _run sends
        return said

    def end(self, seconds: float | None = None) -> Failure | None:
        """Wait for the process, kill it where it takes longer, and remove what it left."""
        try:
            self.process.join(seconds)
        finally:  # also where somebody does not want to wait
            self.process.kill()
            self.process.join()
            self.answers.close()
            shutil.rmtree(self.folder, ignore_errors=True)
        code = self.process.exitcode or 0
        if not code:
            return None
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        why = "; perhaps memory ran out: try fewer --jobs" if -code == signal.SIGKILL else ""
        return Failure(self.recording, f"Its process {how}{why}.", NO_RESOURCES)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for as long as the block runs. Processes that are started in it never get one.

    A terminal sends Ctrl-C to all processes; the parent alone decides what it means, and stops its jobs with SIGTERM.
    """
    resource_tracker.ensure_running()  # multiprocessing would start it in the block, and thereby let interrupts in
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(recording: Path, settings: Settings, work: Work[Answer], to_parent: Connection) -> None:
    """Answer the incidents of one recording, in a process of its own."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that the back ends are closed
    try:
        for answer in work(recording, settings):
            to_parent.send(_Answered(answer))
    except BrokenPipeError:
        return  # nobody listens any more
    except MiddlewatchError as error:
        to_parent.send(Failure(recording, str(error), error.exit_code))
    except OSError as error:
        to_parent.send(Failure(recording, str(error), INPUT_OUTPUT))
    except MemoryError:
        to_parent.send(Failure(recording, "Memory ran out: try fewer --jobs.", NO_RESOURCES))
