"""Invariant: docs/tools.md lists the tools that there are, with their arguments and results. Run as a module, this rewrites it."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from middlewatch.records.question import Answered, Asked
from middlewatch.toolbox import TOOLS, Tool

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"
INTRODUCTION = """\
# Tools

What can be asked of telemetry, each in one definition (`src/middlewatch/toolbox.py`) for everybody who asks: the MCP server, the
pages, and whatever else speaks for a person. Tools read and change nothing. This page is made from the definitions; a test keeps it
current (`python -m tests.unit.test_toolbox` rewrites it).

- The tenant is the one that middlewatch was started for; no argument names it.
- With `investigation`, nothing after the end of that investigation's window is read. With `recording`, nothing after its end.
- A window that reaches past what may be read is cut there, and the answer's `notes` say so, as they do of every bound that was hit.
- Secrets and personal data are taken out of answers as they are out of evidence. All other text is the telemetry's own: hostile.
- A window that is empty, too long or wholly out of reach is refused with what to do about it.
"""


def page() -> str:
    """The whole of docs/tools.md."""
    overview = [f"| [`{tool.name}`](#{tool.name}) | {tool.description} |" for tool in TOOLS.values()]
    common = _table(Asked.model_fields, "argument")
    said = _table(Answered.model_fields, "field")
    parts = [
        INTRODUCTION,
        "| tool | what it does |\n| --- | --- |\n" + "\n".join(overview) + "\n",
        f"## Whose telemetry, and when\n\nArguments that most tools have:\n\n{common}",
        f"## What answers say of themselves\n\n{said}",
        *(_section(tool) for tool in TOOLS.values()),
    ]
    return "\n".join(parts)


def _section(tool: Tool) -> str:
    own = {name: field for name, field in tool.arguments.model_fields.items() if name not in Asked.model_fields}
    if not issubclass(tool.arguments, Asked):
        own = dict(tool.arguments.model_fields)
    result = {name: field for name, field in tool.result.model_fields.items() if name not in Answered.model_fields}
    arguments = f"\n{_table(own, 'argument')}" if own else "\nNo arguments of its own.\n"
    fields = ", ".join(f"`{name}`" for name in result) or "what every answer says of itself"
    return f"## {tool.name}\n\n{tool.title}. {tool.description}\n{arguments}\nAnswers with {fields}.\n"


def _table(fields: dict[str, FieldInfo], word: str) -> str:
    rows = [f"| `{name}`{' (required)' if field.is_required() else ''} | {_told(field)} |" for name, field in fields.items()]
    return f"| {word} | meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _told(field: FieldInfo) -> str:
    bounds = {type(limit).__name__.lower(): limit for limit in field.metadata}
    most = getattr(bounds.get("le"), "le", None)
    default = "" if field.is_required() or field.default in (None, "", ()) else f"{field.default} where left out"
    told = [field.description or "", default, f"at most {most}" if most is not None else ""]
    return "; ".join(part for part in told if part) or "as it says"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_tool_has_a_name_of_its_own_that_says_what_it_reads() -> None:
    assert list(TOOLS) == [tool.name for tool in TOOLS.values()]
    assert all(tool.name.replace("_", "").isalpha() and tool.name.islower() for tool in TOOLS.values())
    assert len({tool.title for tool in TOOLS.values()}) == len(TOOLS)


def test_every_argument_is_told_of() -> None:
    fields = [(tool.name, name, field) for tool in TOOLS.values() for name, field in tool.arguments.model_fields.items()]
    assert [(tool, name) for tool, name, field in fields if not field.description] == []


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
