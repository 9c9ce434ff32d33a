"""What runbooks say about a hypothesis. They are people's files: data like any other text, and no instruction to middlewatch."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records.base import Identifier, Record, Sentence

LONGEST_PASSAGE = 1200
"""Characters of a section that are quoted; its place says where the rest is."""
LINE_WORDS = 200
"""Words of a line that are looked at for log templates."""
LONGEST_HEADING = 200
LONGEST_FILE = 300


class RunbookPassage(Record):
    """A section of a runbook that a hypothesis matches, quoted."""

    hypothesis: Identifier
    file: str = Field(max_length=LONGEST_FILE, description="its path in the folder of runbooks")
    heading: str = Field(max_length=LONGEST_HEADING, description="of the section; the file's name where it has none")
    line: int = Field(ge=1, description="of the heading in the file")
    matched: tuple[Sentence, ...] = Field(description="what in it the hypothesis matches")
    text: str = Field(
        max_length=LONGEST_PASSAGE, description="the beginning of the section, as it is written there; cut where it is long"
    )
    revision: str = Field(
        default="",
        pattern=r"^[0-9a-f]{0,64}$",
        description="the commit that the folder stood at; empty where it is no git checkout",
    )
