"""Answers as JSON, and how the description of the API tells of them."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from middlewatch.frontends.web.problems import respond
from middlewatch.idempotency import Answer
from middlewatch.records import Record

Responses = dict[int | str, dict[str, Any]]

ACCEPTED: Responses = {
    202: {
        "headers": {"Location": {"description": "where it is found", "schema": {"type": "string"}}},
        "description": "It is under way",
    }
}
PROBLEM_REF = "#/components/responses/"
"""Where the description has the problems of each status."""
_ALWAYS = (400, 401, 403, 408, 413, 421, 422, 429, 500, 503)
"""What any request may be told: unreadable, nobody known, not allowed or refused, too slow, too large, another host, not as
described, too many attempts, a fault, and what is needed does not answer."""


def json_of(record: Record) -> Response:
    """A record as it is read."""
    return respond(Answer(status=200, body=record.model_dump_json()))


def answers(*statuses: int) -> Responses:
    """The problems that an endpoint may tell of, beside those that all may."""
    return {status: {"$ref": f"{PROBLEM_REF}{status}"} for status in sorted({*_ALWAYS, *statuses})}
