"""A change as somebody or something tells of it, with what makes it the same one when it is told again."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records.base import Identifier, Record, Sentence, UtcDatetime, digest_of
from middlewatch.records.telemetry import Change, ChangeKind

LONGEST_CHANGE_TEXT = 1024
"""Characters of a description that are kept."""


class ReportedChange(Record):
    """One change. Its texts are the sender's: data, never a command, a name of ours or markup."""

    change: Change
    sender: Identifier = Field(description="who told of it: a sender of intake.toml, `command-line`, `api`")
    reference: str = Field(
        max_length=256, description="the sender's own id of it: told again with the same one, it is the same change"
    )
    mapped_by: Sentence = Field(default="", description="why it is of that service: the rule, in words; empty where none applied")
    url: str = Field(default="", max_length=2048, description="where the sender shows it; shown as text")

    @property
    def id(self) -> str:
        """The same for the same sender, reference and service."""
        return f"chg-{digest_of(self.change.tenant, self.sender, self.reference, self.change.service)[:16]}"


class WatchedChange(Record):
    """A change whose service is watched for a while, and what is seen of it."""

    id: Identifier
    time: UtcDatetime
    service: str
    kind: ChangeKind
    version: str = ""
    until: UtcDatetime = Field(description="how long it is watched")
    looked_at: UtcDatetime | None = Field(default=None, description="when last")
    minutes: int = Field(
        default=0, ge=0, description="how many minutes were compared, each beginning ten seconds after the one before"
    )
    worse: tuple[Sentence, ...] = Field(default=(), description="what is worse than before it, in words, the clearest first")
    note: Sentence = Field(default="", description="why nothing can be told, or what was held against it")
    raised: bool = Field(default=False, description="whether an alert of it fires")
