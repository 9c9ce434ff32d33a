"""What is wrong with the arguments of a tool's call, in words: which one, what is allowed, and what was probably meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from middlewatch.frontends.quotation import Quotation
from middlewatch.records.errors import BadInput

MOST_SAID = 5
"""Of one call; who mends these is told the others."""
_LONGEST_VALUE = 80
_ALIKE = 0.6
"""From here on a name is offered for another (the default of `difflib`)."""
_SHOULD = re.compile(r"^[A-Z][a-z]+ should ")
_VALUE_ERROR = "Value error, "
_SAY = Quotation()


def misfit(tool: str, arguments: type[BaseModel], error: ValidationError) -> BadInput:
    """What to tell the caller of a tool whose arguments do not fit.

    Args:
        tool: its name.
        arguments: the record of its arguments.
        error: what the record said to them.
    """
    known = list(arguments.model_fields)
    first: dict[str, ErrorDetails] = {}
    for one in error.errors(include_url=False, include_context=False):
        first.setdefault(_where(one), one)  # of a choice of types each one complains
    said = [_said(tool, arguments, known, where, one) for where, one in list(first.items())[:MOST_SAID]]
    takes = f"It takes: {', '.join(known)}." if known else "It takes no arguments."
    return BadInput(" ".join(said), remedy=takes)


def closest(name: str, known: Collection[str]) -> str:
    """A question whether another name was meant; empty where none is like it."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=_ALIKE)
    return f" Did you mean {found[0]}?" if found else ""


def _where(one: ErrorDetails) -> str:
    """Which argument, and in a list or a table which entry; not the type that it could have had."""
    return ".".join(map(str, one["loc"][:2]))


def _said(tool: str, arguments: type[BaseModel], known: Collection[str], where: str, one: ErrorDetails) -> str:
    if one["type"] == "extra_forbidden":
        return f"{tool} has no argument {_quoted(where)}.{closest(where, known)}"
    about = arguments.model_fields[where].description if where in arguments.model_fields else ""
    if one["type"] == "missing":
        return f"{tool} needs the argument {where}{f': {about}' if about else ''}."
    if one["type"] == "string_pattern_mismatch" and about:
        return f"The argument {where} is not {about}: it is {_value(one['input'])}."
    message = one["msg"].removeprefix(_VALUE_ERROR)
    should = f"should {_SHOULD.sub('', message)}" if _SHOULD.match(message) else f"does not fit: {message}"
    return f"The argument {where if where in known else _quoted(where)} {should}, and is {_value(one['input'])}."


def _value(value: object) -> str:
    """What was given, as JSON, cut."""
    text = _SAY.clean(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"


def _quoted(name: str) -> str:
    return _SAY.quoted(name[:_LONGEST_VALUE])
