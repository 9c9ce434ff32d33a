"""What goes on in the background of a process that works: tasks, and everything that has to be looked at now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from middlewatch.executor import beside
from middlewatch.records.errors import MiddlewatchError
from middlewatch.rounds import go_round

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.doings import Told

ARCHIVE_SECONDS = 600.0


@contextmanager
def working(app: App, name: str | None = None, told: Told | None = None) -> Iterator[threading.Event]:
    """Work on tasks, and tend what has to be looked at, for as long as the block runs.

    Yields:
        An event that is set when the work cannot go on; leaving the block then raises why.
    """
    stop, ended = threading.Event(), threading.Event()
    problems: list[MiddlewatchError] = []

    def work() -> None:
        try:
            app.worker(name, told).run(stop)
        except MiddlewatchError as problem:
            problems.append(problem)
        finally:
            ended.set()

    threads = [threading.Thread(target=work, name="middlewatch-worker")]
    for what, loop in _loops(app).items():
        threads.append(threading.Thread(target=loop, args=(stop,), name=f"middlewatch-{what}", daemon=True))
    for thread in threads:
        thread.start()
    try:
        with beside(app.settings) if app.owner else nullcontext():
            yield ended
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]


def _loops(app: App) -> Mapping[str, Callable[[threading.Event], None]]:
    """What goes on beside the tasks until told to stop."""
    return {
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
