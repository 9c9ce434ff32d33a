"""The process that acts: the only one that opens the credentials of actions. It reads no telemetry; its work is in the store.

In the embedded deployment the owner of the data directory starts it; beside a Redis server it is started as `middlewatch executor`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from uuid import uuid4

from middlewatch.approval.desk import Desk
from middlewatch.approval.executor import Executor, last_look
from middlewatch.auditing import LateLog
from middlewatch.besides import kept_running
from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.script import Server
from middlewatch.desks import LiveCatalogue, open_desk
from middlewatch.doings import TellingHands, Told
from middlewatch.live_file import LiveFile
from middlewatch.records import ActionResult, Inspection, Order, Scalar, Undo
from middlewatch.records.errors import MiddlewatchError
from middlewatch.rounds import ENDING_SECONDS
from middlewatch.settings import Settings
from middlewatch.tools.actions.configuration import Configuration
from middlewatch.tools.actions.credentials import Credentials
from middlewatch.tools.actions.execution import Actions

LOG = logging.getLogger(__name__)


class LiveActions:
    """What can be executed, as the configuration is now. Implements the gateway's `Hands`."""

    def __init__(self, settings: Settings, desk: Desk) -> None:
        credentials, journal = Credentials(settings.credentials_path), settings.data_dir / "executor"
        look = partial(last_look, desk)
        self._actions = LiveFile(settings.actions_path, lambda path: Actions(Configuration.of(path), credentials, journal, look))

    def inspect(self, action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:
        return self._actions().inspect(action, target, parameters)

    def run(self, order: Order) -> ActionResult:
        return self._actions().run(order)

    def probe(self, order: Order) -> ActionResult:
        return self._actions().probe(order)

    def undo(self, order: Order) -> Undo | None:
        return self._actions().undo(order)

    def acting_seconds(self, order: Order) -> float:
        """How long after its beginning whoever executes an order can still be acting."""
        return self._actions().acting_seconds(order)


def execute(settings: Settings, stop: threading.Event, told: Told | None = None) -> None:
    """Take up what waits for hands, and say what they did, until told to stop; what is being executed then is finished.

    Raises:
        MiddlewatchError: the store, the policy or the configuration cannot be used.
    """
    with closing(client_of(_redis_url(settings))) as redis:
        server = Server(redis, Epoch.read(settings.epoch_path))
        audit = LateLog(settings, server)
        desk = open_desk(settings, server, audit, LiveCatalogue(settings.actions_path), lambda _tenant, _investigation: ())
        name = f"executor:{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        sealing = threading.Thread(target=audit.seal_until, args=(stop, settings.tenant), name="seal", daemon=True)
        sealing.start()
        hands = LiveActions(settings, desk)
        Executor(desk, TellingHands(hands, told) if told else hands, name=name, acting_seconds=hands.acting_seconds).run(stop)
        sealing.join(ENDING_SECONDS)


def _redis_url(settings: Settings) -> str:
    return str(settings.redis_url) if settings.redis_url else RedisServer(settings.data_dir / "redis").url


@contextmanager
def beside(settings: Settings) -> Iterator[None]:
    """An executor in a process of its own for as long as the block runs, from when there is anything that it could do.

    It is started again when it dies, and ends with us, however we end. What it was executing then is found out at the next start.
    """
    command = [sys.executable, "-m", "middlewatch.executor"]
    there = settings.actions_path.exists  # somebody may write it at any time, as our own notices ask for
    with kept_running("executor", command, settings.for_executor(), "the executor", once=there):
        yield


def main() -> None:
    """What `beside` starts. Its words go nowhere; what matters is in the store."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        execute(Settings.load(), stop)
    except MiddlewatchError as error:
        LOG.error("the executor cannot work: %s", error)  # noqa: TRY400  the message says it all
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
