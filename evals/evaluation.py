"""Answer every incident of every recording below a folder, each through the same path as a user's investigation."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from middlewatch.alerts import incident_alert
from middlewatch.app import open_app
from middlewatch.records import AgentName, Outcome, Prediction
from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.settings import Settings

OnAnswer = Callable[[Path, Prediction], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that could not be answered, and why."""

    recording: Path
    message: str


def recordings_below(folder: Path) -> tuple[Path, ...]:
    """The folders that hold a recording.

    Raises:
        BadInput: there is none.
    """
    found = tuple(sorted(file.parent for file in folder.rglob("recording.json")))
    if not found:
        raise BadInput(f"There is no recording below {folder}.", remedy="Name a folder that has recording.json somewhere below it.")
    return found


def evaluate(
    recordings: Sequence[Path], settings: Settings, *, agents: tuple[AgentName, ...], jobs: int, on_answer: OnAnswer
) -> tuple[Failure, ...]:
    """Answer every incident.

    Each recording gets a store of its own in a temporary folder, so that evaluations neither see nor touch anything else.

    Args:
        recordings: folders.
        settings: everything but `data_dir`, `clickhouse_url` and `redis_url` is used.
        agents: which agents take part.
        jobs: processes; each takes one core and about 1 GB.
        on_answer: called in this process for every answer, as soon as its recording is done.

    Returns:
        The recordings that could not be answered.
    """
    failures = []
    context = multiprocessing.get_context("spawn")  # ClickHouse's threads do not survive a fork
    with ProcessPoolExecutor(max_workers=min(jobs, len(recordings)), mp_context=context, max_tasks_per_child=1) as pool:
        waiting = {pool.submit(_answer, folder, settings, agents): folder for folder in recordings}
        try:
            for done in as_completed(waiting):
                try:
                    for prediction in done.result():
                        on_answer(waiting[done], prediction)
                except MiddlewatchError as error:
                    failures.append(Failure(waiting[done], str(error)))
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return tuple(sorted(failures, key=lambda f: f.recording))


def _answer(folder: Path, settings: Settings, agents: tuple[AgentName, ...]) -> list[Prediction]:
    """Answer the incidents of one recording, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="middlewatch-evaluate-") as temporary:
        own = settings.model_copy(
            update={"data_dir": Path(temporary), "clickhouse_url": None, "redis_url": None, "epoch_file": None}
        )
        return list(_predictions(folder, own, agents))


def _predictions(folder: Path, settings: Settings, agents: tuple[AgentName, ...]) -> Iterator[Prediction]:
    with open_app(settings) as app, app.working():
        imported = app.import_recording(folder)
        for incident in imported.incidents:
            alert = incident_alert(settings.tenant, imported.name, incident, imported.incidents)
            started = time.monotonic()
            opened = app.investigate(alert, recording=imported.name, agents=agents)
            for _ in app.follow(opened.id):
                pass
            report = app.report(opened.id)
            assert report is not None  # noqa: S101  nobody else can cancel it
            yield Prediction(
                incident=incident.id,
                ranking=tuple((row.service, row.score) for row in report.ranking),
                confidence=report.confidence,
                inconclusive=report.outcome is Outcome.INCONCLUSIVE,
                seconds=round(time.monotonic() - started, 3),
            )
