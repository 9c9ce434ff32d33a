"""Parameters that people type, in the types that the catalogue has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from middlewatch.records import Scalar
from middlewatch.records.errors import BadInput

_TRUTH = {"true": True, "false": False}


def typed(schema: Mapping[str, JsonValue], action: str, parameters: Sequence[str]) -> dict[str, Scalar]:
    """KEY=VALUE texts in the types that the catalogue's schema has for them.

    Raises:
        BadInput: no such parameter, or a value is not of its type.
    """
    properties = schema.get("properties", {})
    known = properties if isinstance(properties, dict) else {}
    if parameters and not known:
        raise BadInput(f"{action} takes no parameters.", remedy="Leave KEY=VALUE out.")
    found: dict[str, Scalar] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise BadInput(f"{text!r} is not KEY=VALUE of a parameter.", remedy=f"{action} takes: {', '.join(known)}")
        kind = known[name]
        try:
            found[name] = _value(kind.get("type") if isinstance(kind, dict) else None, value)
        except (ValueError, KeyError):
            wanted = kind.get("type") if isinstance(kind, dict) else "another value"
            raise BadInput(f"{name} is of the type {wanted}, and {value!r} is not.", remedy=f"Write {name}=VALUE.") from None
    return found


def _value(kind: object, text: str) -> Scalar:
    match kind:
        case "integer":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            return _TRUTH[text.lower()]
        case _:
            return text
