"""The worker: claims tasks, keeps their leases, and hands in what the handlers return."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping

from middlewatch.context_store.store import ContextStore
from middlewatch.records import ASKS_MODELS, Claim, Completion, TaskKind
from middlewatch.records.errors import BadInput, LeaseLost, MiddlewatchError, StaleEpoch

_LOG = logging.getLogger(__name__)

_FIRST_IDLE_SECONDS = 0.02
_LONGEST_IDLE_SECONDS = 0.25
"""Between two looks at empty queues: short after work, for the next phase comes soon, then longer; less than people notice."""

_PAUSE_SECONDS = 1.0
"""Between two tries while the store is away."""

_LOOK_SECONDS = 0.2
"""How soon `run` notices that it has to end."""

_REAP_SECONDS = 3.0
"""Between two looks for expired leases at most, about: well below the shortest lease (chosen, not derived)."""

_MOST_BESIDE = 32
"""Tasks beside the slots that wait for models, in one process (chosen, not derived): a day's budget pays for few more at once."""


class Lease:
    """What a handler watches while it works: whether the task is still its own."""

    def __init__(self, claim: Claim, held_since: float) -> None:
        """A fresh claim.

        Args:
            claim: what is worked on.
            held_since: monotonic time, in seconds, at which the claim was asked for; it holds at least from then.
        """
        self.claim = claim
        self.lost = threading.Event()
        """Set when the lease is lost, the investigation is over, or the worker has to stop without waiting."""
        self._held_since = held_since

    def check(self) -> None:
        """Between two steps of work.

        Raises:
            LeaseLost: stop at once; nothing that this task writes counts any more.
        """
        if time.monotonic() - self._held_since > self.claim.lease_seconds:
            self.lost.set()  # nothing was heard of the store for a whole lease: somebody else may have the task
        if self.lost.is_set():
            raise LeaseLost

    def renewed(self, sent_at: float) -> None:
        """The store extended the lease; the renewal was sent at this monotonic time."""
        self._held_since = sent_at


Handler = Callable[[Claim, Lease], Completion]
"""Does one task. Handlers of one kind may run in several threads at once."""


class Worker:
    """Runs tasks in its own threads. Any number of workers may run, in any number of processes; one slot is enough.

    No handler waits for another task: what follows a group of tasks is enqueued by the last of them, in the store. So no
    worker is ever blocked by work that only it could do. A task that waits for a language model runs beside the slots: however slow
    a model is, the next incident's rules have theirs.
    """

    def __init__(
        self,
        store: ContextStore,
        handlers: Mapping[TaskKind, Handler],
        *,
        name: str,
        slots: int = 1,
        grace_seconds: float = 10.0,
    ) -> None:
        """Nothing runs yet.

        Args:
            store: where tasks are claimed.
            handlers: one for each kind of task.
            name: who holds the claims; people see it.
            slots: how many tasks run at once.
            grace_seconds: how long a stopping worker waits for running handlers before it gives their tasks back.
        """
        self._store = store
        self._handlers = dict(handlers)
        self._name = name
        self._slots = slots
        self._grace_seconds = grace_seconds
        self._running: dict[threading.Thread, Lease] = {}
        self._beside = threading.Semaphore(_MOST_BESIDE)
        self._failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then finish what runs, or give it back after `grace_seconds`, and return.

        What waits for a model is given back at once.

        Raises:
            StaleEpoch: the operator raised the epoch; restart this process.
        """
        self._failure = None
        ended = threading.Event()
        janitor = self._thread("janitor", self._mend, ended)
        slots = [self._thread(str(n), self._work, stop) for n in range(self._slots)]
        for thread in (janitor, *slots):
            thread.start()
        while not stop.wait(_LOOK_SECONDS) and self._failure is None:
            pass
        deadline = time.monotonic() + (self._grace_seconds if self._failure is None else 0.0)
        while time.monotonic() < deadline and (self._running or any(slot.is_alive() for slot in slots)):
            self._give_back(ASKS_MODELS)  # each time: a slot may just be claiming one, such as what was given back a moment ago
            time.sleep(_LOOK_SECONDS)
        self._give_back(frozenset(TaskKind))
        ended.set()
        for thread in (janitor, *slots):
            thread.join(_LOOK_SECONDS)
        if self._failure is not None:
            raise self._failure

    def _thread(self, name: str, work: Callable[[threading.Event], None], until: threading.Event) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(work, until), name=f"{self._name}-{name}", daemon=True)

    def _guard(self, work: Callable[[threading.Event], None], until: threading.Event) -> None:
        """The outermost call of a thread: what ends it ends the worker, which says why."""
        try:
            work(until)
        except BaseException as error:  # noqa: BLE001  # `run` raises it
            self._failure = error

    def _work(self, stop: threading.Event) -> None:
        """One slot."""
        idle_seconds = _FIRST_IDLE_SECONDS
        while not stop.is_set() and self._failure is None:
            asked_at = time.monotonic()
            try:
                claim = self._store.claim(self._name)
            except StaleEpoch:
                raise
            except MiddlewatchError as error:
                _LOG.warning("%s: no task could be claimed: %s", self._name, error)
                stop.wait(_PAUSE_SECONDS)
                continue
            if claim is None:
                stop.wait(idle_seconds)
                idle_seconds = min(1.5 * idle_seconds, _LONGEST_IDLE_SECONDS)
            else:
                idle_seconds = _FIRST_IDLE_SECONDS
                self._take(Lease(claim, asked_at))

    def _take(self, lease: Lease) -> None:
        """Do a task here, or beside the slots where it waits for a model."""
        if lease.claim.task.kind not in ASKS_MODELS or not self._beside.acquire(blocking=False):
            self._do(lease)
            return

        def work(_: threading.Event) -> None:
            try:
                self._do(lease)
            finally:
                self._beside.release()

        thread = self._thread(lease.claim.task.id, work, lease.lost)
        self._running[thread] = lease
        thread.start()

    def _do(self, lease: Lease) -> None:
        """One task, with its lease renewed from the side."""
        claim, done = lease.claim, threading.Event()
        self._running[threading.current_thread()] = lease
        threading.Thread(target=self._keep, args=(lease, done), name=f"{self._name}-lease", daemon=True).start()
        try:
            completion = self._handle(lease)
            if completion is not None:
                self._hand_in(lease, completion)
        except LeaseLost:
            _LOG.info("%s: lost the lease on task %s", self._name, claim.task.id)
        except StaleEpoch:
            raise
        except MiddlewatchError as error:
            # The lease runs out by itself, and the task is tried again.
            _LOG.warning("%s: the outcome of task %s was not recorded: %s", self._name, claim.task.id, error)
        finally:
            done.set()
            del self._running[threading.current_thread()]

    def _handle(self, lease: Lease) -> Completion | None:
        """What the handler returns; None where the task failed and the store knows."""
        claim = lease.claim
        try:
            completion = self._handlers[claim.task.kind](claim, lease)
        except (LeaseLost, StaleEpoch):
            raise
        except Exception as error:  # noqa: BLE001  # a handler may fail in any way; the task is tried again, then shown as dead
            lease.check()
            hopeless = isinstance(error, MiddlewatchError) and not error.retryable
            state = self._store.fail(claim, f"{type(error).__name__}: {error}", retry=not hopeless)
            _LOG.warning("%s: task %s failed (%s) and is %s", self._name, claim.task.id, type(error).__name__, state)
            return None
        lease.check()
        return completion

    def _hand_in(self, lease: Lease, completion: Completion) -> None:
        """Finish; while the store is away, try again for as long as the lease may hold."""
        while True:
            try:
                self._store.finish(lease.claim, completion)
            except BadInput as error:  # a handler's mistake: the next attempt may do better, a person sees it otherwise
                self._store.fail(lease.claim, str(error))
            except MiddlewatchError as error:
                if not error.retryable:
                    raise
                lease.lost.wait(_PAUSE_SECONDS)
                lease.check()
                continue
            return

    def _keep(self, lease: Lease, done: threading.Event) -> None:
        """Renew a third of the way into each lease, until the task is done or lost."""
        while not done.wait(lease.claim.lease_seconds / 3) and not lease.lost.is_set():
            sent_at = time.monotonic()
            try:
                self._store.renew(lease.claim)
                lease.renewed(sent_at)
            except (LeaseLost, StaleEpoch):
                lease.lost.set()
            except MiddlewatchError as error:  # Lease.check counts the time for which nothing was heard
                _LOG.warning("%s: the lease on task %s was not renewed: %s", self._name, lease.claim.task.id, error)

    def _mend(self, ended: threading.Event) -> None:
        """Reap and sweep for everybody, now and then; workers take no turns, since both are safe to do at once."""
        every = 0.3 * self._store.lease_seconds
        looked, swept = min(every, _REAP_SECONDS), -every
        while True:
            try:
                if time.monotonic() - swept >= every:
                    self._store.sweep()
                    swept = time.monotonic()
                self._store.reap()
            except StaleEpoch:
                raise
            except MiddlewatchError as error:
                _LOG.warning("%s: could not reap and sweep: %s", self._name, error)
            # Spread, so that many workers do not look at the same moment.
            if ended.wait(looked * random.uniform(0.7, 1.3)):  # noqa: S311  # not a secret
                return

    def _give_back(self, kinds: Collection[TaskKind]) -> None:
        """Take running tasks of some kinds from their handlers: those that did not end in time, or wait for somebody else."""
        for lease in list(self._running.values()):
            if lease.claim.task.kind not in kinds or lease.lost.is_set():
                continue
            lease.lost.set()
            try:
                self._store.give_back(lease.claim)
            except MiddlewatchError as error:  # finished at the last moment, or the lease runs out by itself
                _LOG.info("%s: task %s was not given back: %s", self._name, lease.claim.task.id, error)
