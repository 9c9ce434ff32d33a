"""A lab that stays up: started in the foreground or apart, asked through its socket, and ended without a trace.

`running` is the seam for whatever needs a live shop for a while, such as a tour: a context that starts one and ends it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from middlewatch.evals.lab.control import LabControl, serving
from middlewatch.evals.lab.run import require
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.shop import Shop, ShopOptions
from middlewatch.evals.lab.supervisor import Supervisor, Tell
from middlewatch.records.errors import Refused, Unavailable

START_SECONDS = 120.0
"""How long a lab may take to answer; usually it takes about fifteen."""
DOWN_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_TAIL_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class LabPlace:
    """The lab's folder inside a data directory."""

    data_dir: Path

    @property
    def root(self) -> Path:
        return self.data_dir / "lab"

    @property
    def socket(self) -> Path:
        return self.root / "control.sock"

    @property
    def log(self) -> Path:
        """What a lab that was started apart says."""
        return self.root / "lab.log"

    def create(self) -> None:
        for folder in (self.data_dir, self.root):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the one lab of this folder.

        Raises:
            Refused: there is one already.
        """
        self.create()
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise Refused(
                "A lab runs here already.", remedy="See `middlewatch lab status`, or end it: `middlewatch lab down`."
            ) from None
        try:
            yield
        finally:
            os.close(handle)


@contextmanager
def running(
    place: LabPlace, options: ShopOptions, tell: Tell, say: Callable[[str], None], end: threading.Event
) -> Iterator[Supervisor]:
    """A live shop with customers, supervised and reachable through its socket while the block runs; nothing of it afterwards.

    Args:
        place: where.
        options: what kind of shop.
        tell: called for every change that is made.
        say: called with what happens while it starts and ends.
        end: set when somebody asks for the end through the socket.

    Raises:
        Misconfigured: redis-server or the extra `lab` is missing.
        Refused: a lab runs there already.
        Unavailable: the shop does not start.
    """
    require()
    with place.owned(), ExitStack() as stack:
        for left in place.root.glob("run-*"):  # of a lab that was killed
            shutil.rmtree(left, ignore_errors=True)
        root = Path(tempfile.mkdtemp(prefix="run-", dir=place.root))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        folder = RunFolder(root)
        folder.create()
        say("starting the shop")
        shop = stack.enter_context(Shop(folder, options))
        shop.open()
        shop.start_load()
        supervisor = Supervisor(shop, tell)
        stop = threading.Event()
        tending = threading.Thread(target=supervisor.tend_until, args=(stop,), name="tend", daemon=True)
        with serving(supervisor, place.socket, end):
            tending.start()
            try:
                say("the shop is open")
                yield supervisor
            finally:
                say("closing the shop")
                stop.set()
                tending.join()


def start_apart(command: Sequence[str], place: LabPlace) -> LabControl:
    """Start a lab as a process of its own and wait until it answers.

    Args:
        command: the program and its arguments, which run a lab in the foreground.
        place: where it will be.

    Raises:
        Unavailable: it ended, or takes too long; the message has the end of what it said.
    """
    place.create()
    control = LabControl(place.socket)
    if control.answers():
        raise Refused("A lab runs here already.", remedy="See `middlewatch lab status`, or end it: `middlewatch lab down`.")
    with place.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 -- this program itself
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while not control.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                process.terminate()
            said = place.log.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:]
            raise Unavailable(f"The lab did not start: {' '.join(said.split()) or 'it said nothing'}.", remedy="Try it again.")
        time.sleep(_LOOK_SECONDS)
    return control


def bring_down(place: LabPlace) -> None:
    """Ask the lab to end, and wait until it has.

    Raises:
        Unavailable: no lab runs there, or it does not end.
    """
    LabControl(place.socket).down()
    deadline = time.monotonic() + DOWN_SECONDS
    while time.monotonic() < deadline:
        with suppress(Refused), place.owned():
            return
        time.sleep(_LOOK_SECONDS)
    raise Unavailable("The lab does not end.", remedy=f"See {place.log}.")
