"""Records an incident: the shop is started, used, changed, broken and watched, in real time."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from middlewatch.context_store.redis_program import find_binary
from middlewatch.evals.lab.detection import Detection
from middlewatch.evals.lab.faults import ShopChange, fault_named
from middlewatch.evals.lab.measurements import Measurement
from middlewatch.evals.lab.recording import Truth, read_exported, write_recording
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.schedule import Plan, schedule
from middlewatch.evals.lab.shop import AppliedChange, Shop
from middlewatch.records.errors import BadInput, Misconfigured, Unavailable

_EXTRA = ("httpx", "opentelemetry.sdk", "starlette", "uvicorn")
"""What the services import from the extra `lab`."""
_TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. ``elapsed_seconds`` counts from the start of the recording and is negative before it."""

    elapsed_seconds: float
    total_seconds: float
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """When a run's recording starts and ends, and the changes that were made, in order; the last is the fault."""

    began: datetime
    ended: datetime
    changes: tuple[AppliedChange, ...]

    @property
    def cause(self) -> AppliedChange:
        return self.changes[-1]


OnProgress = Callable[[Progress], None]


def record(  # noqa: PLR0913 -- the command's options, one by one
    output: Path,
    *,
    fault: str,
    baseline_seconds: float = 780.0,
    incident_seconds: float = 180.0,
    requests_per_second: float = 10.0,
    seed: int = 1,
    on_progress: OnProgress,
) -> Path:
    """Run the shop in real time, break it, and write the recording.

    Args:
        output: the folder to write; it must not exist, or be empty.
        fault: the name of one of `faults.faults`.
        baseline_seconds: how long the shop runs healthily before the fault; two harmless deploys happen in it.
        incident_seconds: how long it goes on running after the fault.
        requests_per_second: mean rate of the arrivals.
        seed: what customers do and when harmless deploys happen is drawn from it.
        on_progress: called about once a second.

    Returns:
        The folder of the recording.

    Raises:
        BadInput: an option makes no sense, or the folder is in use.
        Misconfigured: redis-server or the extra `lab` is missing.
        Unavailable: the shop could not be run, was disturbed before the fault, or nobody noticed the fault.
    """
    plan = Plan(
        fault=fault,
        baseline_seconds=baseline_seconds,
        incident_seconds=incident_seconds,
        requests_per_second=requests_per_second,
        seed=seed,
    )
    return record_plan(output, plan, on_progress)


def record_plan(output: Path, plan: Plan, on_progress: OnProgress) -> Path:
    """As `record`, for a plan with every detail."""
    require()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadInput(f"{output} exists and is not empty.", remedy="Name a new folder.")
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
            on_progress(Progress(plan.total_seconds, plan.total_seconds, "writing the recording"))
            _write(complete, folder, plan, run)
            complete.replace(output)
    except OSError as error:
        raise Unavailable(
            f"The recording could not be made: {' '.join(str(error).split())}.",
            remedy="See that there is room, and the right to write.",
        ) from error
    return output


def run_shop(folder: RunFolder, plan: Plan, on_progress: OnProgress) -> Run:
    """Run the shop through the plan; its telemetry is in ``folder`` afterwards."""
    changes: list[AppliedChange] = []
    on_progress(Progress(-plan.warm_up_seconds, plan.total_seconds, "starting the shop"))
    with Shop(folder, plan) as shop:
        shop.open()
        shop.start_load()
        start = time.monotonic() + plan.warm_up_seconds

        def wait_until(seconds: float, message: str) -> None:
            while (left := start + seconds - time.monotonic()) > 0:
                shop.check()
                on_progress(Progress(seconds - left, plan.total_seconds, message))
                time.sleep(min(left, _TICK_SECONDS))

        wait_until(0.0, "warming up")
        began = datetime.now(UTC)
        for step in schedule(plan):
            wait_until(step.at_seconds, "the shop is healthy")
            on_progress(Progress(step.at_seconds, plan.total_seconds, _announcement(step.change)))
            changes.append(shop.apply(step.change))
        wait_until(plan.total_seconds, f"{plan.fault} in {changes[-1].change.service}")
        ended = datetime.now(UTC)
        on_progress(Progress(plan.total_seconds, plan.total_seconds, "closing the shop"))
        shop.close()
    return Run(began, ended, tuple(changes))


def detect(plan: Plan, run: Run, rows: Iterable[Measurement]) -> Detection:
    """When the shop's alert fired.

    Raises:
        Unavailable: it did not, or before the fault.
    """
    detection = plan.alert.first(rows)
    if detection is None:
        raise Unavailable(
            f"The alert did not fire within {plan.incident_seconds:g} s of the fault {plan.fault}.",
            remedy="Record a longer incident or more requests per second.",
        )
    if detection.at < run.cause.time:
        raise Unavailable(
            f"The alert fired at {detection.at:%H:%M:%S}, before the fault: something else disturbed the shop.",
            remedy="Record again while the machine has less to do, or with fewer requests per second.",
        )
    return detection


def _write(complete: Path, folder: RunFolder, plan: Plan, run: Run) -> None:
    exported = read_exported(folder, run.began, run.ended)
    detection = detect(plan, run, exported.metrics)
    window_end = min(detection.at + timedelta(seconds=plan.investigation_seconds), run.ended)
    fault = fault_named(plan.fault)
    truth = Truth(run.cause, fault.root_cause_kind, fault.root_cause_indicator)
    write_recording(complete, exported, run.changes, detection, window_end, truth)


def _announcement(change: ShopChange) -> str:
    return f"{change.kind.value} of {change.service}: {change.description}"


def require() -> None:
    """Look for what the lab needs.

    Raises:
        Misconfigured: something is missing.
    """
    missing = [module for module in _EXTRA if not _importable(module)]
    if missing:
        raise Misconfigured(
            f"The lab's services need Python packages that are not installed: {', '.join(missing)}.",
            remedy="Install the extra: pip install 'middlewatch[lab]'.",
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
