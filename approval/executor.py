"""The executor: takes up what waits for hands, and nothing else. It is a process of its own; only there are hands made."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from middlewatch.approval.desk import Desk, Hands
from middlewatch.approval.outcomes import RECONCILE_SECONDS, expire, hold_up, order_of, settle
from middlewatch.approval.stages import EXECUTION_LEASE_SECONDS, RETRY_SECONDS, Passage, walk
from middlewatch.approval.transitions import is_over_time
from middlewatch.context_store.approvals import Kept
from middlewatch.records import ActionResult, Order, RequestState, Result
from middlewatch.records.errors import Conflict, Halted, LeaseLost, MiddlewatchError, Refused, StaleEpoch

LOG = logging.getLogger(__name__)

IDLE_SECONDS = 0.25
"""Between two looks where nothing is due; less than people notice."""
PAUSE_SECONDS = 1.0
"""After the store was away."""
LATEST_CALL_SECONDS = 60.0
"""After its beginning, by the store's clock, in which the call that changes something must be made; less than anybody waits before
they believe that it was not. Chosen: signing and looking take seconds."""
LONGEST_ACTING_SECONDS = 3700.0
"""How long after its beginning an execution can still be under way, unless the hands know better: the longest that a command may be
given (an hour), and 100 s to sign the intent and to look at the target. An executor that lost the store acts on meanwhile."""


def last_look(desk: Desk, order: Order) -> None:
    """Right before the call that changes something: looking at the target took its time.

    Raises:
        LeaseLost: the execution was given up.
        Halted: the kill switch was set.
    """
    kept = desk.store.look(order.tenant, order.request)
    request, execution = kept.request, kept.request.execution
    if request.state is not RequestState.EXECUTING or request.digest != order.digest or execution is None:
        raise LeaseLost
    if kept.now > execution.began_at + timedelta(seconds=LATEST_CALL_SECONDS):
        raise LeaseLost("It took too long to get there.")
    if kept.halt is not None:
        raise Halted(f"{kept.halt.by} halted everything.")


class Executor:
    """Takes up requests one at a time. Any number may run: what is begun once is never begun again."""

    def __init__(
        self,
        desk: Desk,
        hands: Hands,
        *,
        name: str,
        lease_seconds: float = EXECUTION_LEASE_SECONDS,
        acting_seconds: Callable[[Order], float] = lambda _order: LONGEST_ACTING_SECONDS,
    ) -> None:
        """Nothing runs yet.

        Args:
            desk: what to read and write with.
            hands: what touches the world.
            name: who executes; people see it.
            lease_seconds: how long it may be silent before what it executes counts as lost.
            acting_seconds: how long after its beginning whoever executes an order can still be acting.
        """
        self._desk = desk
        self._hands = hands
        self._name = name
        self._lease_seconds = lease_seconds
        self._acting_seconds = acting_seconds

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is being executed is finished first.

        Raises:
            StaleEpoch: the operator raised the epoch; restart this process.
        """
        while not stop.is_set():
            try:
                worked = sum(self.step(tenant) for tenant in self._desk.store.tenants())
            except StaleEpoch:
                raise
            except MiddlewatchError as error:
                LOG.warning("%s: %s", self._name, error)
                stop.wait(PAUSE_SECONDS)
                continue
            except Exception:  # a fault in one adapter holds up nothing else; what it left is found out like any that was lost
                LOG.exception("%s: a fault; it goes on with the next", self._name)
                stop.wait(PAUSE_SECONDS)
                continue
            if not worked:
                stop.wait(IDLE_SECONDS)

    def step(self, tenant: str) -> bool:
        """Take up one request that waits for hands.

        Returns:
            Whether there was one.
        """
        waiting = [RequestState.PREPARING, RequestState.APPROVED, RequestState.UNKNOWN]
        kept = self._desk.store.take(tenant, waiting, lease_seconds=self._lease_seconds)
        if kept is None:
            return False
        if kept.request.state is RequestState.UNKNOWN:
            self._reconcile(kept)
            return True
        try:
            if not is_over_time(self._desk.attempt(kept)):
                expire(self._desk, kept)
                return True
            with self._holding(kept) as passage:
                walk(self._desk, passage)
        except (Conflict, LeaseLost):  # somebody denied or expired it, or found it lost, at this very moment
            LOG.info("%s: %s was changed by somebody else", self._name, kept.request.id)
        except MiddlewatchError as error:
            LOG.warning("%s: %s could not be taken further: %s", self._name, kept.request.id, error)
            self._put_off(self._desk.store.look(tenant, kept.request.id), error)
        return True

    def _put_off(self, kept: Kept, error: MiddlewatchError) -> None:
        """Try again soon, and let people see why it does not go on."""
        if kept.request.state in {RequestState.PREPARING, RequestState.APPROVED}:
            try:
                hold_up(self._desk, kept, error.message, seconds=RETRY_SECONDS)
            except Conflict:
                LOG.info("%s: %s was changed by somebody else", self._name, kept.request.id)
        else:
            self._desk.store.wait(kept, seconds=RETRY_SECONDS)

    def _reconcile(self, kept: Kept) -> None:
        """Look what became of an execution whose executor is not heard of. It is never tried again.

        What was done is done. What was not done yet may still be: the first executor may live, and have lost the store alone. That
        it was not done counts only once nobody can be acting any more.
        """
        pause = RECONCILE_SECONDS
        try:
            order = order_of(kept.request)
            found = self._hands.probe(order)
            if found.result is Result.NOT_DONE and (left := self._still_acting(kept, order)) > 0:
                found, pause = ActionResult(result=Result.UNKNOWN, detail="It may still be under way."), min(left, pause)
        except MiddlewatchError as error:
            found = ActionResult(result=Result.UNKNOWN, detail=str(error))
        if found.result is Result.UNKNOWN:
            LOG.warning("%s: nobody can tell yet what became of %s: %s", self._name, kept.request.id, found.detail)
            self._desk.store.wait(kept, seconds=pause)
            return
        undo = self._hands.undo(order) if found.result is Result.DONE else None
        try:
            settle(self._desk, kept, found, actor=self._name, undo=undo, by="probe")
        except (Conflict, Refused):
            LOG.info("%s: %s was reconciled by somebody else", self._name, kept.request.id)

    def _still_acting(self, kept: Kept, order: Order) -> float:
        """Seconds, by the store's clock as of before the look, for which whoever began it may still be acting."""
        execution = kept.request.execution
        if execution is None:
            return 0.0
        return (execution.began_at + timedelta(seconds=self._acting_seconds(order)) - kept.now).total_seconds()

    @contextmanager
    def _holding(self, kept: Kept) -> Iterator[Passage]:
        """A passage whose request nobody else takes while this lives."""
        done = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(kept, done), name=f"{self._name}-lease", daemon=True)
        keeper.start()
        try:
            yield Passage(
                kept.request.remediation, executor=self._name, lease_seconds=self._lease_seconds, hands=self._hands, kept=kept
            )
        finally:
            done.set()
            keeper.join()

    def _keep(self, kept: Kept, done: threading.Event) -> None:
        """Hold the request a third of the way into each lease; as it is now, for our own stages change it."""
        while not done.wait(self._lease_seconds / 3):
            try:
                now = self._desk.store.look(kept.request.tenant, kept.request.id)
                execution = now.request.execution
                ours = execution is not None and execution.executor.startswith(f"{self._name}/")
                if now.request.state in {RequestState.PREPARING, RequestState.APPROVED} or (
                    ours and now.request.state is RequestState.EXECUTING
                ):
                    self._desk.store.wait(now, seconds=self._lease_seconds)
            except MiddlewatchError as error:  # the lease runs out by itself
                LOG.warning("%s: %s is not held: %s", self._name, kept.request.id, error)
