"""Values and attributes of OTLP as text, the way the Collector's ClickHouse exporter writes them."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

SERVICE_NAME: Final = "service.name"
UNKNOWN_SERVICE: Final = "unknown_service"
"""What the resource conventions call a service that does not say its name."""

_PLAIN = (1e-6, 1e21)
"""Numbers in between are written without an exponent, as in JSON by Go and ECMAScript."""

Json = str | int | float | bool | list["Json"] | dict[str, "Json"] | None


def text_of(value: AnyValue) -> str:
    """A value as text: lists and maps as JSON, bytes as base64, nothing as nothing.

    >>> text_of(AnyValue(string_value="a")), text_of(AnyValue(bool_value=True)), text_of(AnyValue(double_value=2.0))
    ('a', 'true', '2')
    """
    kind = value.WhichOneof("value")
    tell = None if kind is None else _TEXTS.get(kind)
    return "" if tell is None else tell(value)


def number_text(number: float) -> str:
    """A double as text.

    >>> number_text(0.1), number_text(1e20), number_text(1e-7), number_text(float("inf"))
    ('0.1', '100000000000000000000', '1e-7', '+Inf')
    """
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else f"{'+' if number > 0 else '-'}Inf"
    if number == 0 or _PLAIN[0] <= abs(number) < _PLAIN[1]:
        return np.format_float_positional(number, trim="-")
    mantissa, _, exponent = np.format_float_scientific(number, trim="-").partition("e")
    return f"{mantissa}e{exponent[0] if exponent[0] == '-' else '+'}{exponent[1:].lstrip('0')}"


def decoded(raw: bytes) -> tuple[str, str]:
    """An attribute's key and its value as text.

    Raises:
        DecodeError: it is no attribute.
    """
    attribute = KeyValue.FromString(raw)
    return attribute.key, text_of(attribute.value)


def text_of_raw(raw: bytes) -> str:
    """A value, as it came, as text.

    Raises:
        DecodeError: it is none.
    """
    return text_of(AnyValue.FromString(raw))


def service_of(attributes: Iterable[bytes]) -> str:
    """Whose telemetry it is."""
    return next((value for key, value in map(decoded, attributes) if key == SERVICE_NAME and value), UNKNOWN_SERVICE)


def _plain(value: AnyValue) -> Json:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: _plain(each.value) for each in value.kvlist_value.values}
    if kind == "double_value" and math.isfinite(value.double_value):
        return int(value.double_value) if value.double_value.is_integer() else value.double_value
    if kind in {"bool_value", "int_value"}:
        return value.bool_value if kind == "bool_value" else value.int_value
    return text_of(value) if kind else None


def _json(value: AnyValue) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


_TEXTS: dict[str, Callable[[AnyValue], str]] = {
    "string_value": lambda value: value.string_value,
    "bool_value": lambda value: "true" if value.bool_value else "false",
    "int_value": lambda value: str(value.int_value),
    "double_value": lambda value: number_text(value.double_value),
    "array_value": _json,
    "kvlist_value": _json,
    "bytes_value": lambda value: base64.b64encode(value.bytes_value).decode(),
}
