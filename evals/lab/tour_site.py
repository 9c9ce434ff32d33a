"""Where a tour takes place: a folder of its own, with `middlewatch serve` and the shop as processes that end with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from middlewatch.announcing import addresses
from middlewatch.app import App, open_app
from middlewatch.context_store.processes import start_process
from middlewatch.evals.lab.control import LabControl
from middlewatch.evals.lab.run import require
from middlewatch.evals.lab.site import write_site
from middlewatch.evals.lab.tour_timeline import Customers
from middlewatch.evals.lab.up import LabPlace
from middlewatch.records import ApprovalRequest, Investigation, Occurrence, Report
from middlewatch.records.errors import MiddlewatchError, Refused, Unavailable
from middlewatch.settings import Settings
from middlewatch.shadow import silenced

RECOVERY_SECONDS = 20.0
"""How long the symptom must have been over. Chosen: somebody stands by and watches."""
START_SECONDS = 180.0
END_SECONDS = 40.0
"""What is given to a process to end in order; `serve` finishes what it has begun, the shop's services take some seconds."""
SAMPLE_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_LEFT_SECONDS = 30.0
"""How long processes of a tour that was killed may take to end."""
_MARK = "of-a-tour"
_TAIL_CHARACTERS = 600
_OCCURRENCES = 50


@dataclass(frozen=True, slots=True)
class Site:
    """A tour's surroundings while they stand."""

    app: App
    control: LabControl
    url: str
    environment: Mapping[str, str]
    """Of a command that is run on the same data."""
    customers: Customers
    check: Callable[[], None]
    declare: Callable[[], None]

    def status(self) -> Mapping[str, Any]:
        return self.control.status()

    def fault(self, name: str, service: str) -> Mapping[str, Any]:
        return self.control.fault(name, service=service)

    def occurrences(self) -> Sequence[Occurrence]:
        return self.app.occurrences.list(limit=_OCCURRENCES)

    def investigation(self, name: str) -> Investigation:
        return self.app.investigation(name)

    def report(self, name: str) -> Report | None:
        return self.app.report(name)

    def requests(self, investigation: str) -> Sequence[ApprovalRequest]:
        return self.app.approvals.of(investigation)


@contextmanager
def site(folder: Path, program: Sequence[str], *, user: str, seed: int, say: Callable[[str], None]) -> Iterator[Site]:
    """Everything that a tour needs, while the block runs.

    Args:
        folder: the data directory; what an earlier tour left there is thrown away.
        program: the words that start this program.
        user: the unix user who leads.
        seed: what customers do is drawn from it.
        say: told what is waited for.

    Raises:
        Misconfigured: redis-server or the extra `lab` is missing.
        Refused: another tour is under way, or the folder is somebody else's.
        Unavailable: something does not start.
    """
    require()
    with _own(folder), ExitStack() as stack:
        settings = _settings(folder)
        environment = settings.for_program()
        place = LabPlace(folder)
        place.create()
        services = folder / "services.toml"
        services.write_text("# Nothing is promised of a shop that is just opening.\n", encoding="utf-8")
        write_site(folder, place.socket, user=user)
        run = _Processes(program, environment, folder, say)
        endpoint = f"http://{settings.otlp_host}:{settings.otlp_http_port}"
        stack.callback(run.end)
        run.start("serve", "serve", "--port", "0", "--no-slack")
        run.start("the shop", "lab", "up", "--otlp", endpoint, "--seed", str(seed))
        control = LabControl(place.socket)
        run.await_("middlewatch serve", lambda: bool(addresses(folder)))
        run.await_("the shop", control.answers)
        app = stack.enter_context(open_app(settings))
        customers = Customers()
        stack.enter_context(_watched(control, customers))

        def declare() -> None:
            services.unlink()
            write_site(folder, place.socket, user=user)

        yield Site(app, control, addresses(folder)[0], environment, customers, run.check, declare)
        say("ending the shop and middlewatch")


def _settings(folder: Path) -> Settings:
    """Those of the tour: whatever else is configured on this machine, a tour tells nobody and uses no server of a team."""
    http, grpc = _free_port(), _free_port()
    own: dict[str, object] = {"data_dir": folder.absolute(), "otlp_http_port": http, "otlp_grpc_port": grpc}
    own["recovery_seconds"] = RECOVERY_SECONDS
    return silenced(Settings.load()).model_copy(update=own)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Be the one tour of the folder, and find it empty.

    Raises:
        Refused: there is another one, or the folder has something of somebody else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.parent / f"{folder.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"A tour is under way in {folder}.", remedy="End it with Ctrl-C where it runs, or wait.") from None
        _clear(folder)
        yield
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise Refused(
                f"{folder} is not of a tour, and a tour begins anew.", remedy="Move it away, or name another data directory."
            )
        _await_deserted(folder)
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / _MARK).touch()


def _await_deserted(folder: Path) -> None:
    """Until nobody works with what an earlier tour left.

    Raises:
        Refused: somebody still does, such as a `serve` that was started to look at it again.
    """
    deadline = time.monotonic() + _LEFT_SECONDS
    for name in ("lock", "lab/lock"):
        while (folder / name).exists() and not _is_free(folder / name):
            if time.monotonic() > deadline:
                raise Refused(f"Something still runs on what the last tour left in {folder}.", remedy="End it, and begin again.")
            time.sleep(_LOOK_SECONDS)


def _is_free(lock: Path) -> bool:
    with lock.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


class _Processes:
    """What runs beside the tour. Each ends with it, however it ends."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str], folder: Path, say: Callable[[str], None]) -> None:
        self._program = list(program)
        self._environment = environment
        self._folder = folder
        self._say = say
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        command = [*self._program, *arguments]
        self._running[name] = start_process(command, Path.cwd(), self._environment, log=self._log(name))

    def check(self) -> None:
        """Raise where one has ended.

        Raises:
            Unavailable: it has; the message has the end of what it said.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                said = self._log(name).read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:]
                raise Unavailable(f"{name} ended: {' '.join(said.split()) or 'it said nothing'}", remedy="Begin the tour again.")

    def await_(self, what: str, ready: Callable[[], bool]) -> None:
        """Wait until something is ready.

        Raises:
            Unavailable: it takes too long, or a process has ended.
        """
        deadline = time.monotonic() + START_SECONDS
        self._say(f"starting {what}")
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise Unavailable(f"{what} does not start within {START_SECONDS:.0f} s.", remedy="Is the machine overloaded?")
            time.sleep(_LOOK_SECONDS)

    def end(self) -> None:
        """End them together, each in its order."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + END_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name.rsplit(maxsplit=1)[-1]}.log"


@contextmanager
def _watched(control: LabControl, customers: Customers) -> Iterator[None]:
    """Note what the load generator reports, while the block runs."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            try:
                customers.note(datetime.now(UTC), control.status()["customers"])
            except MiddlewatchError:  # the shop may just be ending; whoever waits for it is told by `check`
                continue

    thread = threading.Thread(target=look, name="customers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
