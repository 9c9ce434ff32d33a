"""OTLP in JSON: as protobuf's own mapping, but with ids in hexadecimal in place of base64."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from google.protobuf.json_format import ParseDict
from google.protobuf.json_format import ParseError as JsonError
from google.protobuf.message import Message

from middlewatch.records.errors import BadInput

_IDS: Final = frozenset({"traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"})
_NO_ID: Final = base64.b64encode(b"?").decode()
"""For what is no hexadecimal: one byte is no id, and its item is rejected by itself."""
_VALUES: Final = frozenset({"attributes", "body", "resource", "scope", "filteredAttributes", "filtered_attributes"})
"""Where no ids of the protocol are below."""
DEEPEST: Final = 60
"""Levels of nesting; the protocol itself has about ten, values may have more. Chosen; Python reads 1,000."""


def serialised(body: bytes, kind: type[Message]) -> bytes:
    """A request in JSON as the same request in protobuf.

    Args:
        body: the request.
        kind: what it is.

    Raises:
        BadInput: it is no such request.
    """
    try:
        found = json.loads(body)
        if not isinstance(found, dict):
            raise BadInput("The request is no JSON object.")
        _mend_ids(found, DEEPEST)
        return bytes(ParseDict(found, kind(), ignore_unknown_fields=True).SerializeToString())
    except (JsonError, ValueError, TypeError, RecursionError, OverflowError, SystemError) as error:
        # A SystemError is how protobuf fails on half of a pair of surrogates.
        raise BadInput(f"The request cannot be read as OTLP/JSON: {_short(error)}") from None


def _mend_ids(part: object, levels: int) -> None:
    """Write ids as protobuf's mapping of JSON has bytes."""
    if not levels:
        raise BadInput(f"The request has more than {DEEPEST} levels.")
    if isinstance(part, dict):
        for key, value in part.items():
            if key in _IDS:
                if isinstance(value, str):
                    part[key] = _base64(value)
            elif key not in _VALUES and isinstance(value, (dict, list)):
                _mend_ids(value, levels - 1)
    elif isinstance(part, list):
        for each in part:
            if isinstance(each, (dict, list)):
                _mend_ids(each, levels - 1)


def _base64(identifier: str) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(identifier)).decode()
    except ValueError:
        return _NO_ID


def _short(error: Exception) -> str:
    """What is wrong, as text that can be told: half of a pair of surrogates cannot."""
    said = str(error).encode("utf-8", "replace").decode().splitlines()
    return said[0][:200] if said else type(error).__name__
