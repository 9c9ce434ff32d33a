"""Which message of a chat stands for what, kept in the store, so that each is posted once however often whoever posts is restarted.

Whoever posts reserves a message's name first, then posts, then writes down what the chat calls it. Where they die in between, the
reservation tells the next one to look in the chat before posting again. One process posts at a time: it holds the turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from pydantic import Field

from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import Investigation, Record, UtcDatetime
from middlewatch.records.errors import Conflict

RECENT = 50
"""Investigations that messages are kept up to date for, beside those that something is asked about (chosen, not derived)."""
_TURNS = 100
"""How often somebody else may be first before it is called a fault."""


class Message(Record):
    """One message."""

    reserved_at: UtcDatetime
    id: str = Field(default="", description="what the chat calls it; empty where nobody has written that down")
    shown: str = Field(default="", description="digest of what it says")


class Thread(Record):
    """The messages of one investigation."""

    channel: str
    messages: dict[str, Message] = Field(default_factory=dict, description="by name")


class _Connected(Record):
    """When the chat was."""

    at: UtcDatetime


class _Turn(Record):
    """Who posts."""

    holder: str
    until: UtcDatetime


class Postings:
    """A tenant's messages in one chat. Every method may raise `StoreUnavailable` and `StaleEpoch`."""

    def __init__(
        self,
        store: ApprovalStore,
        audit: AuditStore,
        tenant: str,
        recent: Callable[[int], tuple[Investigation, ...]],
        *,
        chat: str = "slack",
    ) -> None:
        self._store = store
        self._audit = audit
        self._tenant = tenant
        self._recent = recent
        self._chat = chat

    def since(self) -> UtcDatetime:
        """When the chat was first connected: what was opened before is not posted."""
        while True:
            if text := self._note("since"):
                return record_from(_Connected, text).at
            now = self._store.now(self._tenant)
            if self._set("since", text_of(_Connected(at=now)), before=""):
                return now

    def mark(self) -> int:
        """Another number whenever a request, what people do with an investigation, or the halt changed: each is an event."""
        return self._audit.sealed(self._tenant).log_size

    def investigations(self) -> tuple[Investigation, ...]:
        """The newest ones that have messages, or shall have: newest first."""
        since = self.since()
        return tuple(one for one in self._recent(RECENT) if one.opened_at is not None and one.opened_at >= since)

    def take_turn(self, holder: str, seconds: float) -> bool:
        """Become the one who posts, or stay it.

        Returns:
            False where somebody else is it.
        """
        before, now = self._note("turn"), self._store.now(self._tenant)
        turn = record_from(_Turn, before) if before else None
        if turn is not None and turn.holder != holder and turn.until > now:
            return False
        return self._set("turn", text_of(_Turn(holder=holder, until=now + timedelta(seconds=seconds))), before=before)

    def give_turn(self, holder: str) -> None:
        """Let somebody else post."""
        before = self._note("turn")
        if before and record_from(_Turn, before).holder == holder:
            self._set("turn", "", before=before)

    def threads(self, investigations: Sequence[str]) -> dict[str, Thread]:
        """What was posted for each; those that have nothing are left out."""
        kept = self._store.notes(self._tenant, [self._name(one) for one in investigations])
        return {one: record_from(Thread, text) for one, text in zip(investigations, kept, strict=True) if text}

    def reserve(self, investigation: str, channel: str, name: str) -> bool:
        """Say that a message is about to be posted.

        Returns:
            False where that was said before: it may be there.
        """
        made = []

        def change(thread: Thread | None) -> Thread:
            made.append(thread is None or name not in thread.messages)
            was = thread or Thread(channel=channel)
            message = Message(reserved_at=self._store.now(self._tenant))
            return was if name in was.messages else was.model_copy(update={"messages": {**was.messages, name: message}})

        self._change(investigation, change)
        return made[-1]

    def posted(self, investigation: str, name: str, id: str, shown: str) -> str:  # noqa: A002  it is one
        """Write down what the chat calls a message that was reserved.

        Returns:
            What it is called: another id where somebody else posted it meanwhile, so that this one is one too many.
        """

        def change(thread: Thread | None) -> Thread:
            assert thread is not None  # noqa: S101  it was reserved
            was = thread.messages[name]
            new = was if was.id else was.model_copy(update={"id": id, "shown": shown})
            return thread.model_copy(update={"messages": {**thread.messages, name: new}})

        return self._change(investigation, change).messages[name].id

    def shown(self, investigation: str, name: str, shown: str) -> None:
        """Write down what a message says by now."""

        def change(thread: Thread | None) -> Thread:
            assert thread is not None  # noqa: S101  it was posted
            new = thread.messages[name].model_copy(update={"shown": shown})
            return thread.model_copy(update={"messages": {**thread.messages, name: new}})

        self._change(investigation, change)

    def _change(self, investigation: str, change: Callable[[Thread | None], Thread]) -> Thread:
        for _ in range(_TURNS):
            before = self._note(investigation)
            was = record_from(Thread, before) if before else None
            new = change(was)
            if new == was or self._set(investigation, text_of(new), before=before):
                return new
        raise Conflict(f"Too many processes post about {investigation} at once.", remedy="It is tried again.")

    def _name(self, name: str) -> str:
        return f"{self._chat}:{name}"

    def _note(self, name: str) -> str:
        return self._store.note(self._tenant, self._name(name))

    def _set(self, name: str, text: str, *, before: str) -> bool:
        return self._store.set_note(self._tenant, self._name(name), text, before=before, events=[])
