"""The claim protocol: who works on which task, and whose writes count.

At-least-once work, exactly-once recorded result: a task may run twice, but every write carries a fencing token that the store
checks in the same script that writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from middlewatch.context_store import scripts
from middlewatch.context_store.directory import Directory, moment
from middlewatch.context_store.keys import InvestigationKeys, checked_identifier, investigation_keys
from middlewatch.context_store.queues import Queues
from middlewatch.context_store.redaction import redact, redact_completion, redact_evidence
from middlewatch.context_store.script import Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import (
    ASKS_MODELS,
    Claim,
    Completion,
    Evidence,
    FanOut,
    FencingToken,
    Headline,
    InvestigationState,
    Record,
    Task,
    TaskState,
    TaskStatus,
    digest_of,
)
from middlewatch.records.errors import BadInput, UnknownInvestigation

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
"""A failed task waits 1, 2, 4, ... seconds: long enough for a source to come back, short enough for an incident."""

MODEL_LEASE_SECONDS = 10.0
"""Of a task that asks a model, at most: whoever dies with one leaves most of the minute that models have to whoever takes it
over, and that it was cancelled is noticed after a third of it (chosen, not derived)."""

OUTBOX_LIMIT = 1000
"""Tasks of one investigation that one sweep looks at; the longest waiting come first, so none is passed over for ever."""

_ERROR_CHARACTERS = 2000


class Claims:
    """Claims on the tasks of every tenant."""

    def __init__(self, server: Server, directory: Directory, queues: Queues, *, lease_seconds: float, max_attempts: int) -> None:
        self._server = server
        self._directory = directory
        self._queues = queues
        self._lease_seconds = lease_seconds
        self._model_lease_seconds = min(lease_seconds, MODEL_LEASE_SECONDS)
        self._max_attempts = max_attempts

    def claim(self, worker: str, request_id: str | None) -> Claim | None:
        """See `ContextStore.claim`."""
        request = checked_identifier(request_id or uuid4().hex)
        for hint, again in self._queues.offers(request, repeated=request_id is not None):
            reply = scripts.claim(
                self._server,
                investigation_keys(hint.tenant, hint.investigation),
                task=hint.task,
                worker=worker,
                request=request,
                lease_ms=_milliseconds(self._lease_seconds),
                of_kinds=[(kind, str(_milliseconds(self._model_lease_seconds))) for kind in sorted(ASKS_MODELS)],
            )
            match reply:
                case ["OK", text, attempt, epoch, counter]:
                    task = record_from(Task, text)
                    return Claim(
                        task=task,
                        owner=worker,
                        token=FencingToken(epoch=epoch, counter=counter),
                        attempt=attempt,
                        lease_seconds=self._model_lease_seconds if task.kind in ASKS_MODELS else self._lease_seconds,
                    )
                case ["EARLY", at]:
                    self._queues.feed(hint.tenant, hint.investigation, [hint.task, at])
                case ["SPENT"]:
                    return None
                case ["GONE"] if again:
                    return None  # archived, and with it whatever this request may have been granted there
        return None

    def renew(self, claim: Claim) -> None:
        """See `ContextStore.renew`."""
        scripts.renew(
            self._server,
            _keys(claim),
            task=claim.task.id,
            owner=claim.owner,
            token_epoch=claim.token.epoch,
            token_counter=claim.token.counter,
            lease_ms=_milliseconds(claim.lease_seconds),
        )

    def append(self, claim: Claim, evidence: Sequence[Evidence]) -> int:
        """See `ContextStore.append`."""
        _belongs(claim, evidence)
        reply = scripts.append(
            self._server,
            _keys(claim),
            task=claim.task.id,
            owner=claim.owner,
            token_epoch=claim.token.epoch,
            token_counter=claim.token.counter,
            written=[(f"evidence|{item.id}", text_of(item)) for item in map(redact_evidence, evidence)],
        )
        return int(reply[1])

    def finish(self, claim: Claim, completion: Completion) -> bool:
        """See `ContextStore.finish`."""
        _check(claim, completion)
        safe = redact_completion(completion)
        fan_out = safe.fan_out or FanOut(tasks=())
        reply = scripts.finish(
            self._server,
            _keys(claim),
            task=claim.task.id,
            owner=claim.owner,
            token_epoch=claim.token.epoch,
            token_counter=claim.token.counter,
            digest=digest_of(safe.model_dump(mode="json")),
            call=uuid4().hex,
            result=safe.model_dump_json(include={"result"}),
            written=_written(safe),
            next_tasks=[(task.id, text_of(task)) for task in fan_out.tasks],
            next_then=[(fan_out.then.id, text_of(fan_out.then))] if fan_out.then else [],
            preliminary=text_of(safe.preliminary) if safe.preliminary else "",
            report=text_of(safe.report) if safe.report else "",
            headline=text_of(Headline.of(safe.report)) if safe.report else "",
        )
        if reply[0] == "REPLAY":
            return False
        _, ready, state = reply
        self._queues.feed(claim.task.tenant, claim.task.investigation, ready)
        if state != InvestigationState.OPEN:
            self._directory.close(claim.task.tenant, claim.task.investigation)
        return True

    def fail(self, claim: Claim, error: str, *, retry: bool = True, given_back: bool = False) -> TaskState:
        """See `ContextStore.fail` and `ContextStore.give_back`."""
        backoff_seconds = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(claim.attempt - 1, 16))
        _, state, ready = scripts.fail(
            self._server,
            _keys(claim),
            task=claim.task.id,
            owner=claim.owner,
            token_epoch=claim.token.epoch,
            token_counter=claim.token.counter,
            error=redact(error[:_ERROR_CHARACTERS]),
            backoff_ms=int(backoff_seconds * 1000),
            max_attempts=self._max_attempts if retry else 0,
            given_back=int(given_back),
        )
        self._queues.feed(claim.task.tenant, claim.task.investigation, ready)
        return TaskState(state)

    def reap(self, limit: int) -> tuple[TaskStatus, ...]:
        """See `ContextStore.reap`."""
        reaped: list[TaskStatus] = []
        for tenant, identifier in self._directory.each_open():
            if len(reaped) >= limit:
                break
            try:
                reply = scripts.reap(
                    self._server,
                    investigation_keys(tenant, identifier),
                    limit=limit - len(reaped),
                    max_attempts=self._max_attempts,
                )
            except UnknownInvestigation:  # reserved, not created yet; or archived meanwhile
                continue
            reaped.extend(map(status, reply[1]))
            self._queues.feed(tenant, identifier, reply[2])
        return tuple(reaped)

    def restore_hints(self, tenant: str, identifier: str) -> int | None:
        """Feed the outbox of one investigation to the queues.

        Returns:
            How many hints were missing; None when the investigation is over.

        Raises:
            UnknownInvestigation: when there is none of that id.
        """
        _, state, ready = scripts.outbox(self._server, investigation_keys(tenant, identifier), limit=OUTBOX_LIMIT)
        return self._queues.feed(tenant, identifier, ready) if state == InvestigationState.OPEN else None


def status(fields: list[str | None]) -> TaskStatus:
    """A task's status from what the scripts answer of it."""
    task, state, attempts, owner, error, result, finished_at = fields
    return TaskStatus(
        task=record_from(Task, task),
        state=TaskState(state or ""),
        attempts=int(attempts or 0),
        owner=owner or "",
        error=error or "",
        result=None if result is None else record_from(Completion, result).result,
        finished_at=moment(finished_at),
    )


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _keys(claim: Claim) -> InvestigationKeys:
    return investigation_keys(claim.task.tenant, claim.task.investigation)


def _written(completion: Completion) -> list[tuple[str, str]]:
    """What a completion adds to the shared context: names under which it is written once, and the records."""
    written: list[tuple[str, Record]] = [(f"evidence|{item.id}", item) for item in completion.evidence]
    written += [(f"hypothesis|{item.id}", item) for item in completion.hypotheses]
    written += [(f"vote|{item.round}|{item.hypothesis}|{item.agent}|{item.voice}", item) for item in completion.votes]
    return [(name, text_of(record)) for name, record in written]


def _check(claim: Claim, completion: Completion) -> None:
    """Refuse a completion that the store could not keep its promises for."""
    fan_out = completion.fan_out or FanOut(tasks=())
    following = [*fan_out.tasks, *([fan_out.then] if fan_out.then else [])]
    _belongs(claim, [*completion.evidence, *completion.hypotheses, *completion.votes, *following])
    _belongs(claim, [report for report in (completion.preliminary, completion.report) if report is not None])
    if completion.report is not None and following:
        raise BadInput("A report closes the investigation, so nothing can follow it.", remedy="Fan out, or report; not both.")
    identifiers = [task.id for task in following]
    if len(set(identifiers)) < len(identifiers):
        raise BadInput("Two tasks of one fan-out have the same id.", remedy="Give each task an id of its own.")


def _belongs(claim: Claim, records: Sequence[Record]) -> None:
    home = (claim.task.tenant, claim.task.investigation)
    for record in records:
        if (getattr(record, "tenant", None), getattr(record, "investigation", None)) != home:
            raise BadInput(
                f"A task of {home[0]}/{home[1]} cannot write a {type(record).__name__.lower()} of another investigation."
            )
