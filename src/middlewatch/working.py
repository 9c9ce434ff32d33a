"""What goes on in the background of a process that works: tasks, and everything that has to be looked at now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from middlewatch.executor import beside
from middlewatch.rounds import ENDING_SECONDS, go_round

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.doings import Told

ARCHIVE_SECONDS = 600.0

Loop = Callable[[threading.Event], object]
"""Goes on until the event is set."""


@contextmanager
def working(app: App, name: str | None = None, told: Told | None = None) -> Iterator[threading.Event]:
    """Work on tasks, and tend what has to be looked at, for as long as the block runs.

    Yields:
        An event that is set when the work cannot go on; leaving the block then raises why.
    """
    with (
        at_work(lambda stop: app.worker(name, told).run(stop), "worker", _loops(app)) as ended,
        beside(app.settings) if app.owner else nullcontext(),
    ):
        yield ended


@contextmanager
def at_work(work: Loop, name: str, loops: Mapping[str, Loop]) -> Iterator[threading.Event]:
    """The same of any work.

    Args:
        work: what matters: it goes on until told to stop, and bounds how long it takes to.
        name: of it.
        loops: by name, what goes on beside it and bears its own faults.

    Yields:
        An event that is set when the work has ended; leaving the block raises what ended it, also in the place of an error that
        somebody came to who waited for the work.
    """
    stop, ended = threading.Event(), threading.Event()
    problems: list[BaseException] = []

    def guarded() -> None:
        try:
            work(stop)
        except BaseException as problem:  # noqa: BLE001  # whoever leaves the block is told, of whatever kind it is
            problems.append(problem)
        finally:
            ended.set()

    worker = threading.Thread(target=guarded, name=f"middlewatch-{name}")
    beside_it = [threading.Thread(target=loop, args=(stop,), name=f"middlewatch-{n}", daemon=True) for n, loop in loops.items()]
    for thread in (worker, *beside_it):
        thread.start()
    try:
        try:
            yield ended
        finally:
            stop.set()
            worker.join()
            deadline = time.monotonic() + ENDING_SECONDS
            for thread in beside_it:
                thread.join(max(0.0, deadline - time.monotonic()))
    except Exception as error:  # of whatever kind: it came of the worker's end, which is what must be told
        if problems:
            raise problems[0] from error
        raise
    if problems:
        raise problems[0]


def _loops(app: App) -> Mapping[str, Loop]:
    """What goes on beside the tasks until told to stop."""
    models = {"models": lambda _stop: app.reasoning.prepare()} if app.settings.models_path.exists() else {}
    return {
        **models,
        "archive": lambda stop: _archive_until(app, stop),
        "approvals": lambda stop: app.approvals.tend_until(stop, app.watch),
        "alerts": app.alerting.tending.tend_until,
        "severities": app.alerting.ratings.tend_until,
        "write-backs": app.write_backs.tend_until,
        "pages": app.paging.tend_until,
        "objectives": app.objectives.tend_until,
        "deploy-watch": app.deploy_watch.watch_until,
        "audit": app.approvals.seal_until,
    }


def _archive_until(app: App, stop: threading.Event) -> None:
    def look() -> None:
        app.store.archive_closed(app.archive, older_than_seconds=app.settings.retention_hours * 3600)

    if not stop.wait(ARCHIVE_SECONDS):  # who has just started has something better to do
        go_round(stop, look, lambda: ARCHIVE_SECONDS, "closed investigations stay in the store for now")
