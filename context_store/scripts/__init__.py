"""The scripts' signatures. What each guards and does stands at the head of its ``.lua`` file.

Times in answers are Redis' own, in milliseconds since 1970. `records` are pairs of ``kind|id`` and a JSON text; tasks are
pairs of an id and a JSON text; `call` names one call by one client, so that its repetition gets the same answer.
"""

from __future__ import annotations

from typing import Any

from middlewatch.context_store.keys import (
    ApprovalKeys,
    IndexKeys,
    InvestigationKeys,
    OnceKeys,
    QueueKeys,
    SessionKeys,
    TenantKeys,
)
from middlewatch.context_store.script import Script
from middlewatch.context_store.scripts.alerts import count_occurrences as count_occurrences
from middlewatch.context_store.scripts.alerts import due_occurrences as due_occurrences
from middlewatch.context_store.scripts.alerts import end_lease as end_lease
from middlewatch.context_store.scripts.alerts import end_plan as end_plan
from middlewatch.context_store.scripts.alerts import export_occurrences as export_occurrences
from middlewatch.context_store.scripts.alerts import forget_occurrences as forget_occurrences
from middlewatch.context_store.scripts.alerts import import_occurrences as import_occurrences
from middlewatch.context_store.scripts.alerts import linked_occurrences as linked_occurrences
from middlewatch.context_store.scripts.alerts import list_occurrences as list_occurrences
from middlewatch.context_store.scripts.alerts import look_alerts as look_alerts
from middlewatch.context_store.scripts.alerts import read_occurrences as read_occurrences
from middlewatch.context_store.scripts.alerts import take_lease as take_lease
from middlewatch.context_store.scripts.alerts import write_occurrences as write_occurrences
from middlewatch.context_store.scripts.models import keep_call as keep_call
from middlewatch.context_store.scripts.models import keep_salt as keep_salt
from middlewatch.context_store.scripts.models import look_budget as look_budget
from middlewatch.context_store.scripts.models import read_calls as read_calls
from middlewatch.context_store.scripts.models import reserve_budget as reserve_budget
from middlewatch.context_store.scripts.models import settle_budget as settle_budget
from middlewatch.context_store.scripts.watched import read_counts as read_counts
from middlewatch.context_store.scripts.watched import read_look as read_look
from middlewatch.context_store.scripts.watched import read_raised as read_raised
from middlewatch.context_store.scripts.watched import write_counts as write_counts
from middlewatch.context_store.scripts.watched import write_look as write_look
from middlewatch.context_store.scripts.watched import write_raised as write_raised

Pairs = list[tuple[str, str]]
Contents = list[list[Any]]
"""Keys of any kind, as ``content.lua`` has them."""


@Script
def enrol(keys: IndexKeys, *, tenant: str) -> None:
    """Remember a tenant."""


@Script
def tenants(keys: IndexKeys) -> None:
    """``OK, [tenant...]``."""


@Script
def lookup(keys: TenantKeys, *, alert: str) -> None:
    """``OK, investigation or None, what it is to be opened with or None``."""


@Script
def reserve(keys: TenantKeys, *, alert: str, investigation: str, payload: str, instead_of: str) -> None:
    """``OK, 1 if it was reserved just now`` or ``TAKEN``."""


@Script
def opened(keys: TenantKeys, *, investigation: str) -> None:
    """Forget what an investigation was to be opened with, now that it is open."""


@Script
def closed(keys: TenantKeys, *, investigation: str) -> None:
    """Leave the investigation out of what sweeps and reaps look at."""


@Script
def forget(keys: TenantKeys, *, investigation: str, alert: str) -> None:
    """Leave an archived investigation out of the directory."""


@Script
def directory(keys: TenantKeys, *, limit: int) -> None:
    """``OK, [recent investigation...], [open investigation...], [investigation, what it is to be opened with, ...]``."""


@Script
def take(keys: QueueKeys, *, refused: str, keep_ms: int) -> None:
    """``OK, hint or None, 1 if this request took it before``."""


@Script
def taken(keys: QueueKeys) -> None:
    """``OK, hint or None``: what this request took before."""


@Script
def feed(keys: QueueKeys, *, entries: Pairs) -> None:
    """``OK, number of hints that were missing``; entries are pairs of a hint and a time."""


@Script
def create(keys: InvestigationKeys, *, investigation: str, alert: str, first: Pairs, call: str) -> None:
    """``OK, ready``, ``EXISTS, alert`` or ``GONE``."""


@Script
def look(keys: InvestigationKeys) -> None:
    """``OK, [investigation, state, opened_at, closed_at, stalled], now``."""


@Script
def snapshot(keys: InvestigationKeys) -> None:
    """``OK, head, [task status...], [kind|id, record, ...], report or None, preliminary report or None``."""


@Script
def events(keys: InvestigationKeys, *, after: str, limit: int) -> None:
    """``OK, [[id, [name, value, ...]]...]``."""


@Script
def cancel(keys: InvestigationKeys) -> None:
    """``OK``: cancelled now or closed before."""


@Script
def claim(keys: InvestigationKeys, *, task: str, worker: str, request: str, lease_ms: int, of_kinds: Pairs) -> None:
    """Pairs of a kind of tasks and the length of its lease, where that is another one, come last.

    ``OK, task, attempt, epoch, counter``; ``REFUSED``, ``EARLY, time``, ``SPENT`` or ``GONE``.
    """


@Script
def renew(keys: InvestigationKeys, *, task: str, owner: str, token_epoch: int, token_counter: int, lease_ms: int) -> None:
    """``OK`` or ``STALE``."""


@Script
def append(keys: InvestigationKeys, *, task: str, owner: str, token_epoch: int, token_counter: int, written: Pairs) -> None:
    """``OK, number newly written`` or ``STALE``."""


@Script
def finish(  # noqa: PLR0913  # the outcome of a task is written whole
    keys: InvestigationKeys,
    *,
    task: str,
    owner: str,
    token_epoch: int,
    token_counter: int,
    digest: str,
    call: str,
    result: str,
    written: Pairs,
    next_tasks: Pairs,
    next_then: Pairs,
    preliminary: str,
    report: str,
    headline: str,
) -> None:
    """``OK, ready, state of the investigation``; ``REPLAY``, ``STALE`` or ``DUPLICATE, task``."""


@Script
def fail(  # noqa: PLR0913  # a claim is four of them
    keys: InvestigationKeys,
    *,
    task: str,
    owner: str,
    token_epoch: int,
    token_counter: int,
    error: str,
    backoff_ms: int,
    max_attempts: int,
    given_back: int,
) -> None:
    """``OK, state, ready`` or ``STALE``."""


@Script
def reap(keys: InvestigationKeys, *, limit: int, max_attempts: int) -> None:
    """``OK, [task status...], ready``."""


@Script
def outbox(keys: InvestigationKeys, *, limit: int) -> None:
    """``OK, state, ready``."""


@Script
def dead(keys: InvestigationKeys) -> None:
    """``OK, [task status...]``."""


@Script
def export_investigation(keys: InvestigationKeys) -> None:
    """``OK, contents``: a pair of kind and items for each key, in the order of their class."""


@Script
def import_investigation(keys: InvestigationKeys, *, contents: Contents) -> None:
    """``OK``."""


@Script
def export_directory(keys: TenantKeys) -> None:
    """``OK, contents``: a pair of kind and items for each key but `meta`, in the order of their class."""


@Script
def import_directory(keys: TenantKeys, *, contents: Contents) -> None:
    """``OK``."""


@Script
def remove(keys: InvestigationKeys, *, keep_ms: int) -> None:
    """``OK`` or ``OPEN``."""


# Approvals and the audit log. A row is a request's id, its record (None where there is none) and its revision. `events` are JSON
# texts, `private` pairs of a salted digest and what it is of; `due_in_ms` is when somebody must look at it, below 0 for never.


@Script
def propose(  # noqa: PLR0913  # a request is written whole
    keys: ApprovalKeys, *, request: str, record: str, state: str, due_in_ms: int, waits: int, events: list[str], private: Pairs
) -> None:
    """``OK, row, now`` or ``EXISTS, row, now``."""


@Script
def transition(  # noqa: PLR0913  # everything that a change is bound to
    keys: ApprovalKeys,
    *,
    request: str,
    revision: int,
    record: str,
    state: str,
    not_before_ms: int,
    not_after_ms: int,
    unless_halted: int,
    due_in_ms: int,
    waits: int,
    events: list[str],
    private: Pairs,
) -> None:
    """``OK, row, now``; ``CONFLICT``, ``TIME`` or ``HALTED`` with the row as it stands and now; ``UNKNOWN_REQUEST``."""


@Script
def look_request(keys: ApprovalKeys, *, request: str) -> None:
    """``OK, row, now, halt or None`` or ``UNKNOWN_REQUEST``."""


@Script
def take_due(keys: ApprovalKeys, *, in_states: list[str], overdue_ms: int, lease_ms: int) -> None:
    """``OK, row or None, now, halt or None``."""


@Script
def hold(keys: ApprovalKeys, *, request: str, revision: int, lease_ms: int) -> None:
    """``OK, row, now, halt or None``, ``CONFLICT, row, now`` or ``UNKNOWN_REQUEST``."""


@Script
def list_requests(keys: ApprovalKeys, *, only_waiting: int, after_ms: int, after_id: str, limit: int) -> None:
    """``OK, rows, now, halt or None``; each row has its time as well. Time and id are a place; a time below 0 is the beginning."""


@Script
def find_requests(  # noqa: PLR0913  # what is wanted, and a part of it
    keys: ApprovalKeys,
    *,
    holding: list[str],
    in_states: list[str],
    oldest_ms: int,
    after_ms: int,
    after_id: str,
    look_at: int,
    limit: int,
) -> None:
    """``OK, rows, now, halt or None, place or None``: of those whose record holds all the texts, in any state where none is named.

    Where there is a place it goes on after that; a time below 0 is the beginning.
    """


@Script
def read_halt(keys: ApprovalKeys) -> None:
    """``OK, halt or None, now``."""


@Script
def set_halt(keys: ApprovalKeys, *, halt: str, events: list[str], private: Pairs) -> None:
    """``OK, halt or None, now``."""


@Script
def set_note(keys: ApprovalKeys, *, name: str, before: str, record: str, events: list[str], private: Pairs) -> None:
    """``OK, record`` or ``MOVED, what is there``; empty texts are none."""


@Script
def read_notes(keys: ApprovalKeys, *, names: list[str]) -> None:
    """``OK, [what is kept under each name, or None]``."""


@Script
def read_note(keys: ApprovalKeys, *, name: str) -> None:
    """``OK, record``; empty where there is none."""


@Script
def append_audit(keys: ApprovalKeys, *, events: list[str], private: Pairs) -> None:
    """``OK, size of the log, now``."""


@Script
def read_audit(keys: ApprovalKeys, *, start: int, limit: int) -> None:
    """``OK, entries, size of the log, now``."""


@Script
def seal(keys: ApprovalKeys, *, size: int, note: str, tree: str) -> None:
    """``OK, size`` or ``PAST, size that is sealed``."""


@Script
def read_seal(keys: ApprovalKeys) -> None:
    """``OK, sealed size, sealed at, tree or None, newest checkpoint or None, size of the log, now``."""


@Script
def read_checkpoints(keys: ApprovalKeys) -> None:
    """``OK, checkpoints``."""


@Script
def forget_text(  # noqa: PLR0913  # a text is said whole, and where it stands
    keys: ApprovalKeys, *, digest: str, name: str, before: str, record: str, events: list[str], private: Pairs
) -> None:
    """``OK, 1 if there was one`` or ``MOVED``: the note of this name is not what it was before."""


@Script
def read_texts(keys: ApprovalKeys, *, digests: list[str]) -> None:
    """``OK, texts``: None for those that were deleted."""


@Script
def export_approvals(keys: ApprovalKeys) -> None:
    """``OK, contents, halt or None``."""


@Script
def import_approvals(keys: ApprovalKeys, *, contents: Contents, halt: str) -> None:
    """``OK``."""


@Script
def begin_once(keys: OnceKeys, *, fingerprint: str, holder: str, lease_ms: int, keep_ms: int) -> None:
    """``OK, since when``; ``DONE, answer``, ``BUSY, milliseconds`` or ``OTHER``."""


@Script
def end_once(keys: OnceKeys, *, holder: str, answer: str, keep_ms: int) -> None:
    """``OK`` or ``LOST``; an empty answer is none."""


@Script
def open_session(keys: SessionKeys, *, name: str, record: str, life_ms: int) -> None:
    """``OK, end in milliseconds since 1970``."""


@Script
def look_session(keys: SessionKeys, *, name: str) -> None:
    """``OK, record``; empty where there is none."""


@Script
def list_sessions(keys: SessionKeys) -> None:
    """``OK, [[name, record]...]``."""


@Script
def end_sessions(keys: SessionKeys, *, names: list[str]) -> None:
    """``OK, [record...]``; empty where there was none."""
