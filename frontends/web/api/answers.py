"""Answers as JSON, and how the description of the API tells of them."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from middlewatch.frontends.web.problems import BY_STATUS, MEDIA_TYPE, Problem, respond
from middlewatch.idempotency import Answer
from middlewatch.records import Record

Responses = dict[int | str, dict[str, Any]]

ACCEPTED: Responses = {
    202: {
        "headers": {"Location": {"description": "where it is found", "schema": {"type": "string"}}},
        "description": "It is under way",
    }
}
_RETRY = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
_ALWAYS = (401, 403, 413, 422, 429, 500, 503)
"""What any request may be told: nobody known, not allowed or refused, too large, not as described, too many attempts, a fault."""


def json_of(record: Record) -> Response:
    """A record as it is read."""
    return respond(Answer(status=200, body=record.model_dump_json()))


def answers(*statuses: int) -> Responses:
    """The problems that an endpoint may tell of, beside those that all may."""
    return {
        status: {
            "description": BY_STATUS[status].title if status in BY_STATUS else "See `type`",
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
            **({"headers": _RETRY} if status in {409, 429, 503} else {}),
        }
        for status in sorted({*_ALWAYS, *statuses})
    }
