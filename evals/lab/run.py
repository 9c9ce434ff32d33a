"""Records incidents: the shop is started, used, changed, broken, watched and mended, in real time."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from middlewatch.context_store.redis_program import find_binary
from middlewatch.evals.lab.detection import Detection, Objective
from middlewatch.evals.lab.exported import read_exported, read_metrics
from middlewatch.evals.lab.faults import QUIET
from middlewatch.evals.lab.recording import Cause, LabIncident, write_recording
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.schedule import Episode, Plan, Step, schedule
from middlewatch.evals.lab.shop import AppliedChange, Shop
from middlewatch.evals.lab.truth import write_truth
from middlewatch.evals.lab.ways import Done
from middlewatch.records.errors import BadInput, Misconfigured, Unavailable

_EXTRA = ("httpx", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "starlette", "uvicorn")
"""What the services import from the extra `lab`."""
_TICK_SECONDS = 1.0
_DECOY_SECONDS = 8.0
"""How long something that harms nobody goes on before the false alarm."""
_LONGEST_UNREST_SECONDS = 600.0
"""How long to wait for a shop that misses its objectives without a fault."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. ``elapsed_seconds`` counts from the start of the recording and is negative before it."""

    elapsed_seconds: float
    total_seconds: float
    """As usual; a busy machine takes longer."""
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """When a run's recording starts and ends, the changes that were made, in order, and the incidents."""

    began: datetime
    ended: datetime
    changes: tuple[AppliedChange, ...]
    incidents: tuple[LabIncident, ...]
    failure: str = ""
    """Why it ended before the last incident of its plan; empty where it did not."""
    quiet: tuple[LabIncident, ...] = ()
    """Moments at which nothing was wrong, where the plan wants them. They are none of the incidents."""


OnProgress = Callable[[Progress], None]


def record(output: Path, plan: Plan, on_progress: OnProgress) -> Path:
    """Run the shop in real time, break it, and write the recording.

    Args:
        output: the folder to write; it must not exist, or be empty.
        plan: what happens.
        on_progress: called about once a second.

    Returns:
        The folder of the recording.

    Raises:
        BadInput: the folder is in use.
        Misconfigured: redis-server or the extra `lab` is missing.
        Unavailable: the shop could not be run, found no rest, or nobody noticed a fault. Incidents before that are written.
    """
    require()
    refuse_used(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as partial,
            tempfile.TemporaryDirectory(prefix="middlewatch-lab-", ignore_cleanup_errors=True) as scratch,
        ):
            complete = Path(partial) / "recording"
            complete.mkdir()
            folder = RunFolder(Path(scratch))
            folder.create()
            run = run_shop(folder, plan, on_progress)
            if run.incidents:
                on_progress(Progress(plan.usual_seconds, plan.usual_seconds, "writing the recording"))
                exported = read_exported(folder, run.began, run.ended)
                write_recording(complete, exported, run.changes, run.incidents)
                write_truth(complete, exported, run.incidents, run.quiet, plan.shop)
                complete.replace(output)
    except OSError as error:
        raise Unavailable(
            f"The recording could not be made: {' '.join(str(error).split())}.",
            remedy="See that there is room, and the right to write.",
        ) from error
    if run.failure:
        number = len(run.incidents)
        before = "The incident before it is" if number == 1 else f"The {number} incidents before it are"
        written = f" {before} in {output}." if number else ""
        raise Unavailable(run.failure + written, remedy="Record again while the machine has less to do.")
    return output


def refuse_used(output: Path) -> None:
    """Raise `BadInput` if there is something in the folder."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadInput(f"{output} exists and is not empty.", remedy="Name a new folder.")


def run_shop(folder: RunFolder, plan: Plan, on_progress: OnProgress) -> Run:
    """Run the shop through the plan; its telemetry is in ``folder`` afterwards."""
    on_progress(Progress(-plan.warm_up_seconds, plan.usual_seconds, "starting the shop"))
    with Shop(folder, plan.shop) as shop:
        shop.open()
        shop.start_load()
        recorder = _Recorder(folder, plan, shop, on_progress)
        recorder.wait(plan.warm_up_seconds, "warming up")
        run = recorder.run()
        recorder.say("closing the shop")
        shop.close()
    return run


class _Recorder:
    """Leads an open shop through a plan."""

    def __init__(self, folder: RunFolder, plan: Plan, shop: Shop, on_progress: OnProgress) -> None:
        self._folder = folder
        self._plan = plan
        self._shop = shop
        self._on_progress = on_progress
        self._start = time.monotonic() + plan.warm_up_seconds
        self._changes: list[AppliedChange] = []
        self._watched = frozenset(objective.service for objective in plan.alert.objectives)

    def run(self) -> Run:
        """Every incident of the plan; fewer where something goes wrong that is not a fault of the plan."""
        began = datetime.now(UTC)
        incidents: list[LabIncident] = []
        quiet: list[LabIncident] = []
        for episode in schedule(self._plan):
            healthy_until, changes = datetime.now(UTC), len(self._changes)
            try:
                self._live(episode)
                healthy_until, changes = datetime.now(UTC), len(self._changes)
                quiet += self._quiet_moment(episode)
                incidents.append(self._suffer(episode))
            except Unavailable as reason:  # the recording ends where the shop was last known to be healthy
                return Run(began, healthy_until, tuple(self._changes[:changes]), tuple(incidents), reason.message, tuple(quiet))
        return Run(began, datetime.now(UTC), tuple(self._changes), tuple(incidents), quiet=tuple(quiet))

    def say(self, message: str) -> None:
        """Report progress."""
        self._on_progress(Progress(time.monotonic() - self._start, self._plan.usual_seconds, message))

    def wait(self, seconds: float, message: str) -> None:
        """Let the shop run on."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._shop.check()
            for instance in self._shop.tend():
                self.say(f"{instance} used too much memory and was started again")
            self.say(message)
            time.sleep(max(0.0, min(left, _TICK_SECONDS, deadline - time.monotonic())))

    def _live(self, episode: Episode) -> None:
        """Healthy time with its harmless changes; longer than planned where the alert has not been silent."""
        began = time.monotonic()
        for step in episode.before:
            self.wait(began + step.at_seconds - time.monotonic(), "the shop is healthy")
            self._change(step)
        self.wait(began + episode.healthy_seconds - time.monotonic(), "the shop is healthy")
        while self._detected(datetime.now(UTC) - timedelta(seconds=self._plan.calm_seconds)) is not None:
            if time.monotonic() - began > episode.healthy_seconds + _LONGEST_UNREST_SECONDS:
                raise Unavailable(f"The shop missed its objectives without a fault, before {episode.name}.")
            self.wait(_TICK_SECONDS, "waiting for the shop to be healthy")

    def _suffer(self, episode: Episode) -> LabIncident:
        """The faults, until they were noticed and investigated; then they are taken back."""
        began = time.monotonic()
        since = datetime.now(UTC)
        done = [self._do(fault.name, way.do(self._shop)) for fault, way in episode.faults]
        late = list(episode.after)
        done_beside = [way.do(self._shop) for way in episode.harmless]
        detection = None if episode.faults else self._false_alarm(since, episode)
        try:
            while detection is None or datetime.now(UTC) < self._window_end(detection):
                if late and time.monotonic() - began >= late[0].at_seconds:
                    self._change(late.pop(0))
                self.wait(_TICK_SECONDS, f"{episode.name}: {'noticed' if detection else 'not noticed yet'}")
                detection = detection or self._detected(since)
                if detection is None and time.monotonic() - began > self._plan.incident_seconds:
                    raise Unavailable(
                        f"The alert did not fire within {self._plan.incident_seconds:g} s of the fault {episode.name}."
                    )
        finally:
            for each in (*done, *done_beside):
                self._changes += each.take_back()
        causes = tuple(
            Cause(way.service, each.instance, fault.label, fault.indicator, each.at)
            for (fault, way), each in zip(episode.faults, done, strict=True)
        )
        return LabIncident(
            detection,
            self._window_end(detection),
            causes,
            episode.name,
            tuple(change for each in done for change in each.changes),
            datetime.now(UTC),
        )

    def _quiet_moment(self, episode: Episode) -> tuple[LabIncident, ...]:
        """The time that has just gone by, if the plan wants it, as if somebody had taken it for an incident."""
        if not self._plan.quiet_moments:
            return ()
        now = datetime.now(UTC)
        since = now - timedelta(seconds=self._plan.investigation_seconds)
        alarm = Detection(since, self._alarming(episode))
        return (LabIncident(alarm, now, (), QUIET),)

    def _false_alarm(self, since: datetime, episode: Episode) -> Detection:
        """Some moments after what harms nobody began, so that it can be seen; at once where nothing did."""
        after = timedelta(seconds=_DECOY_SECONDS if episode.harmless else 0.0)
        return Detection(since + after, self._alarming(episode))

    def _alarming(self, episode: Episode) -> Objective:
        """The objective that is said to be missed where nothing is wrong."""
        objectives = self._plan.alert.objectives
        return objectives[episode.false_alarm % len(objectives)]

    def _detected(self, since: datetime) -> Detection | None:
        return self._plan.alert.first(read_metrics(self._folder, self._watched, since))

    def _window_end(self, detection: Detection) -> datetime:
        return detection.at + timedelta(seconds=self._plan.investigation_seconds)

    def _change(self, step: Step) -> None:
        applied = self._shop.apply(step.change)
        self._changes.append(applied)
        self.say(f"{applied.change.kind.value} of {applied.change.service}: {applied.change.description}")

    def _do(self, name: str, done: Done) -> Done:
        self._changes += done.changes
        told = "".join(f", {each.change.kind.value} of {each.change.service}: {each.change.description}" for each in done.changes)
        self.say(f"{name}{told}")
        return done


def record_suite(output: Path, plans: Sequence[Plan], on_progress: OnProgress) -> list[Path]:
    """Record one plan after the other: `shop-1`, `shop-2` and so on. See `record_all`."""
    return record_all(output, {f"shop-{number}": plan for number, plan in enumerate(plans, start=1)}, on_progress)


def record_all(output: Path, plans: Mapping[str, Plan], on_progress: OnProgress) -> list[Path]:
    """Record one plan after the other, each into the folder of its name below ``output``.

    A recording that exists is left as it is, so that a suite that was interrupted can be continued.

    Returns:
        The folders, also those that existed.

    Raises:
        Unavailable: something went wrong in some of them; all others are written.
        Misconfigured: as `record`.
    """
    require()
    written: list[Path] = []
    problems: list[str] = []
    for number, (name, plan) in enumerate(plans.items(), start=1):
        folder = output / name
        written.append(folder)
        if folder.exists():
            continue
        try:
            record(folder, plan, _prefixed(f"{number}/{len(plans)} ", on_progress))
        except Unavailable as error:
            problems.append(f"{folder.name}: {error.message}")
    if problems:
        raise Unavailable(" ".join(problems), remedy="Remove those folders and record again while the machine has less to do.")
    return written


def _prefixed(prefix: str, on_progress: OnProgress) -> OnProgress:
    return lambda progress: on_progress(replace(progress, message=prefix + progress.message))


def require() -> None:
    """Look for what the lab needs.

    Raises:
        Misconfigured: something is missing.
    """
    missing = [module for module in _EXTRA if not _importable(module)]
    if missing:
        raise Misconfigured(
            f"The lab's services need Python packages that are not installed: {', '.join(missing)}.",
            remedy="Install the extra: pip install 'middlewatch[lab]', or in a checkout: scripts/setup.sh --no-dev --extra lab",
        )
    try:
        find_binary()
    except Misconfigured as error:
        remedy = "Install it with 'apt install redis-server' or 'brew install redis'."
        raise Misconfigured(error.message, remedy=remedy) from None


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
