"""What goes on in the background of a process that works: tasks, and everything that has to be looked at now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from middlewatch.executor import beside
from middlewatch.records.errors import MiddlewatchError, Unavailable

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.doings import Told

LOG = logging.getLogger(__name__)

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

    threads = [
        threading.Thread(target=work, name="middlewatch-worker"),
        threading.Thread(target=_archive_until, args=(app, stop), name="middlewatch-archive", daemon=True),
        threading.Thread(target=app.approvals.tend_until, args=(stop, app.watch), name="middlewatch-approvals", daemon=True),
        *app.alerting.threads(stop),
        threading.Thread(target=app.write_backs.tend_until, args=(stop,), name="middlewatch-write-backs", daemon=True),
        threading.Thread(target=app.paging.tend_until, args=(stop,), name="middlewatch-pages", daemon=True),
        threading.Thread(target=app.objectives.tend_until, args=(stop,), name="middlewatch-objectives", daemon=True),
        threading.Thread(target=app.deploy_watch.watch_until, args=(stop,), name="middlewatch-deploy-watch", daemon=True),
        threading.Thread(target=app.approvals.seal_until, args=(stop,), name="middlewatch-audit", daemon=True),
    ]
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


def _archive_until(app: App, stop: threading.Event) -> None:
    while not stop.wait(ARCHIVE_SECONDS):
        try:
            app.store.archive_closed(app.archive, older_than_seconds=app.settings.retention_hours * 3600)
        except Unavailable as error:
            LOG.warning("closed investigations stay in the store for now: %s", error)
