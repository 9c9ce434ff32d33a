"""Why a value does not fit a model, in the project's words: those of pydantic speak of inputs, and of Python's types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SHOULD = re.compile(r"^[A-Z][a-z]+ should ")
_SAID = {
    "extra_forbidden": "is not known here",
    "missing": "is missing",
    "json_invalid": "is not JSON",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}
_TOO_SHORT = frozenset({"too_short", "string_too_short"})


def misfit_words(fault: Mapping[str, Any]) -> str:
    """What is wrong with a value, as it follows its name; without the value, which may be a secret.

    Args:
        fault: one of `ValidationError.errors()`.
    """
    if said := _SAID.get(str(fault["type"])):
        return said
    if fault["type"] in _TOO_SHORT and fault.get("ctx", {}).get("min_length") == 1:
        return "must not be empty"
    message = str(fault["msg"]).removeprefix("Value error, ").rstrip(".")
    if _SHOULD.match(message):
        return f"must {_SHOULD.sub('', message)}"
    return message
