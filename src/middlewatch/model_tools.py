"""The tools that a language model may call: the read-only ones, bound to the telemetry of one investigation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from pydantic import JsonValue

from middlewatch.agents.language_model.seam import ToolSpec
from middlewatch.agents.reasoning.tools import Looked
from middlewatch.context_store.redaction import redact_record
from middlewatch.records import AgentName, Record
from middlewatch.records.errors import BadInput
from middlewatch.records.question import AssessQuestion
from middlewatch.toolbox import TOOLS, arguments_of

if TYPE_CHECKING:
    from middlewatch.toolbox import Toolbox

ASSESSING: Final = MappingProxyType({f"assess_{agent}": agent for agent in AgentName})
"""Analyses: what they find can become evidence."""
READING: Final = (
    "list_metrics",
    "metric_chart",
    "log_patterns",
    "log_lines",
    "slow_spans",
    "trace_waterfall",
    "service_map",
    "recent_changes",
)
"""Plain questions. What the digest says already is not among them."""
BOUND: Final = frozenset({"investigation", "recording"})
"""Arguments that a model does not give: whose telemetry it reads is not its choice."""
UNSAID: Final = BOUND | {"around", "minutes", "limit"}
"""Arguments that it is not told of: a start and an end say the same, and every word of a schema is read in every call."""
MOST_ROWS: Final = 20
"""A model reads no more of an answer than fits, so no more is asked for. Chosen."""
_OF_ANOTHER_TIME: Final = "this is of another time than the incident's: to compare with, and no evidence"


class ModelTools:
    """The tools of one investigation. They read and change nothing: the toolbox has no others."""

    def __init__(self, toolbox: Callable[[], Toolbox], investigation: str) -> None:
        self._toolbox = toolbox
        self._investigation = investigation

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What there is."""
        return specs()

    def look(self, name: str, arguments: Mapping[str, JsonValue]) -> Looked:
        """See `Tools.look`."""
        if name not in {*ASSESSING, *READING}:
            raise BadInput("There is no such tool.", remedy=f"Choose one of: {', '.join([*ASSESSING, *READING])}.")
        if BOUND & arguments.keys():
            raise BadInput("A tool reads the telemetry of this investigation, and of no other.", remedy="Leave it out.")
        given = {**arguments, "investigation": self._investigation}
        if "limit" in TOOLS[name].arguments.model_fields:
            limit = given.get("limit", MOST_ROWS)
            given["limit"] = min(limit, MOST_ROWS) if isinstance(limit, int) else limit
        if name in ASSESSING:
            asked = cast("AssessQuestion", arguments_of(TOOLS[name], given))
            answer, facts = self._toolbox().assessed(ASSESSING[name], asked)
            if not self._toolbox().is_own(self._investigation, answer.window):
                return Looked(redact_record(answer.model_copy(update={"notes": (_OF_ANOTHER_TIME, *answer.notes)})))
            return Looked(redact_record(answer), ASSESSING[name], tuple(map(redact_record, facts)))
        return Looked(self._toolbox().answer(name, given))


@cache
def specs() -> tuple[ToolSpec, ...]:
    """What a model is told of the tools: the same for every agent and investigation."""
    return tuple(ToolSpec(name, TOOLS[name].description, _schema(TOOLS[name].arguments)) for name in (*ASSESSING, *READING))


def _schema(arguments: type[Record]) -> dict[str, JsonValue]:
    """The schema of a tool's arguments in few words: without what is bound, and without limits, which the tool checks itself."""
    whole = arguments.model_json_schema()
    properties = {name: _plain(field) for name, field in whole["properties"].items() if name not in UNSAID}
    required = [name for name in whole.get("required", []) if name not in UNSAID]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _plain(field: dict[str, JsonValue]) -> JsonValue:
    choices = field.get("anyOf")
    chosen = next((c for c in choices if isinstance(c, dict) and c.get("type") != "null"), {}) if isinstance(choices, list) else {}
    both = {**chosen, **{name: value for name, value in field.items() if name != "anyOf"}}
    plain: dict[str, JsonValue] = {name: both[name] for name in ("type", "description", "enum") if name in both}
    items = both.get("items")
    if isinstance(items, dict):
        plain["items"] = {"type": items.get("type", "string")}
    return plain
