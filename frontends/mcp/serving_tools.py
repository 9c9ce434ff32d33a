"""Functions and records as tools of the protocol: schemas from their types, answers fenced and bounded, errors in words."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from middlewatch.frontends.mcp.arguments import misfit
from middlewatch.frontends.mcp.untrusted import NOTICE, Fence
from middlewatch.frontends.quotation import Quotation
from middlewatch.records.errors import MiddlewatchError

LONGEST_ANSWER = 120_000
"""Characters of JSON. Chosen, not derived: about 30,000 tokens, more than an assistant's client passes on."""
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
STARTS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
ASKS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
ACTS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)
_SHAPES = ("maxLength", "minLength", "pattern", "format")
"""Of texts in a schema, which do not hold for a text in its fence."""


class _AnyArguments(ArgModelBase):
    """Whatever was given: the tool's own record judges it."""

    model_config = ConfigDict(extra="allow")

    def model_dump_one_level(self) -> dict[str, Any]:
        return {"given": self.model_extra or {}}


class _Worded(Tool):
    """A tool whose errors are our words alone: the library puts its own before them, and tells of arguments as pydantic does."""

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002  the library's
        try:
            return await super().run(arguments, context, convert_result)
        except ToolError as error:
            match error.__cause__:
                case ValidationError() as unfit:
                    raise ToolError(Fence().error(misfit(self.name, self.fn_metadata.arg_model, unfit))) from unfit
                case ToolError() as said if type(error) is type(said) is ToolError:
                    raise said from said.__cause__
            raise


@contextmanager
def in_words() -> Iterator[None]:
    """What goes wrong within is told to the model: what is wrong, and what to do.

    Raises:
        ToolError: in the place of every error that middlewatch raises on purpose.
    """
    try:
        yield
    except MiddlewatchError as error:
        again = " Try again later." if error.retryable else ""
        raise ToolError(Fence().error(error) + again) from error
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)[:5])
        raise ToolError(Quotation().clean(f"That cannot be used: {told}.")) from error


def answer(record: BaseModel) -> CallToolResult:
    """A record as a tool's answer: for programs, and the same as text for models.

    Raises:
        ToolError: it is longer than any client passes on.
    """
    fenced = Fence().record(record)
    text = json.dumps(fenced, ensure_ascii=False, separators=(",", ":"))
    if len(text) > LONGEST_ANSWER:
        raise ToolError(
            f"The answer has {len(text):,} characters, too many to pass on. Ask for less: fewer services, a lower limit."
        )
    notice = [TextContent(type="text", text=NOTICE)] if "<untrusted-" in text else []
    return CallToolResult(content=[*notice, TextContent(type="text", text=text)], structured_content=fenced)


def tool_of(function: Callable[..., Any], *, title: str, annotations: ToolAnnotations = READS) -> Tool:
    """A function as a tool: its docstring is the description, its parameters the arguments, its record the answer."""
    signature = inspect.signature(function, eval_str=True)
    result = signature.return_annotation

    @functools.wraps(function)
    def run(**arguments: Any) -> CallToolResult:  # noqa: ANN401  the signature below says what
        with in_words():
            return answer(function(**arguments))

    @functools.wraps(function)
    async def run_async(**arguments: Any) -> CallToolResult:  # noqa: ANN401  likewise
        with in_words():
            return answer(await function(**arguments))

    called: Any = run_async if inspect.iscoroutinefunction(function) else run
    called.__signature__ = signature.replace(return_annotation=CallToolResult)
    called.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    description = inspect.cleandoc(function.__doc__ or "")
    made = _Worded.from_function(called, title=title, description=description, annotations=annotations)
    arguments = made.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"  # a misspelt argument is an error and not a silence
    arguments.model_rebuild(force=True)
    made.parameters = _lean(arguments.model_json_schema(by_alias=True))
    made.fn_metadata.output_schema = schema_of(result)
    return made


def tool_over(  # a tool is said whole
    name: str,
    run: Callable[[Mapping[str, JsonValue]], BaseModel],
    *,
    title: str,
    description: str,
    arguments: type[BaseModel],
    result: type[BaseModel],
) -> Tool:
    """A tool that others defined, by their records: their function judges the arguments."""

    def called(given: dict[str, JsonValue]) -> CallToolResult:
        with in_words():
            try:
                arguments.model_validate(given)
            except ValidationError as error:
                raise misfit(name, arguments, error) from error
            return answer(run(given))

    return _Worded(
        fn=called,
        name=name,
        title=title,
        description=description,
        parameters=_asked(arguments),
        fn_metadata=FuncMetadata(arg_model=_AnyArguments, output_schema=schema_of(result)),
        is_async=False,
        annotations=READS,
    )


@functools.cache
def schema_of(record: type[BaseModel]) -> dict[str, Any]:
    """The schema of an answer, without what does not hold for texts in a fence."""
    found: dict[str, Any] = _lean(record.model_json_schema(mode="serialization"), fenced=True)
    return found


@functools.cache
def _asked(arguments: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = _lean(arguments.model_json_schema())
    return found


def _lean(schema: Any, *, fenced: bool = False) -> Any:  # noqa: ANN401  it is JSON
    """A schema without its titles, which only say the names again: models read all of it, at every turn of a conversation."""
    if isinstance(schema, dict):
        without = _SHAPES if fenced and schema.get("type") == "string" else ()
        kept = {
            key: value for key, value in schema.items() if key not in without and not (key == "title" and isinstance(value, str))
        }
        return {key: _lean(value, fenced=fenced) for key, value in kept.items()}
    return [_lean(one, fenced=fenced) for one in schema] if isinstance(schema, list) else schema
