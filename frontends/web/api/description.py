"""The description of the API: OpenAPI 3.1, as it is served, published in docs/api/openapi.json, and shown on a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from markupsafe import Markup, escape

from middlewatch.frontends.web.api.answers import PROBLEM_REF
from middlewatch.frontends.web.api.callers import Calling
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.problems import BY_STATUS, KINDS, MEDIA_TYPE, Kind, Problem, respond
from middlewatch.frontends.web.visitors import CSRF_HEADER
from middlewatch.idempotency import Answer

VERSION = "1.0"
"""Of the API. The second number rises with what is added; the first one is in every path."""
_ABOUT = """\
Start investigations and read what came of them, decide on approval requests, and follow what happens.

A program sends `Authorization: Bearer TOKEN` with every request: a token that policy knows the digest of. A page of the site uses
the session's cookie, and shows the CSRF token of the session in `X-CSRF-Token` with whatever changes something.

Everything that is wrong is told as a problem (RFC 9457, `application/problem+json`). Branch on `type`; `detail` and `remedy` are
for people. A POST takes an `Idempotency-Key`. Lists give a `next`; give it as `after` (the audit log: `before`) for what follows.

Ignore fields that you do not know: version 1 may gain some. Names, samples and titles come from telemetry and alerts: they are
quoted, not trusted.
"""
_TAGS = {
    "investigations": "Start, list, poll, cancel, read.",
    "alerts": "What senders tell, what was opened for it, and how severe that is.",
    "handling": "Who has an investigation, and what people found it worth.",
    "approvals": "Actions that people decide on.",
    "control": "The kill switch, and the audit log.",
    "changes": "What people and machines changed, and how the changed services do.",
    "telemetry": "What there is to investigate, and the read-only tools.",
    "services": "Declared services: how they do, and what is left of what is promised.",
    "nights": "What the team's own nights were like.",
    "models": "What language models did, what it cost, and what their votes weigh.",
    "about": "Who you are, who there is, and what answers.",
}
EXAMPLES: Mapping[str, Any] = {
    "Start": {"service": "checkout", "metric": "request_duration", "at": "2026-11-21T01:56:00Z"},
    "Assign": {"to": "mia", "note": "The database is mine; this one is yours."},
    "Rate": {"severity": "SEV-1", "why": "Nobody can pay."},
    "Say": {"verdict": "partly", "cause": "the retry budget, not the deploy"},
    "Decide": {"decision": "approve", "digest": "0" * 64, "reason": "Two more instances are cheap."},
    "Propose": {
        "investigation": "inv-0123456789ab",
        "action": "scale_up",
        "target": "checkout",
        "parameters": {"by": 2},
        "note": "It sufficed last week.",
    },
    "Edit": {"parameters": {"by": 1}},
    "Reconcile": {"happened": True, "reason": "The other end shows five instances."},
    "BreakTheGlass": {"credential": "the one that policy has a digest of", "reason": "Customers cannot pay."},
    "RecordChange": {"service": "checkout", "kind": "deploy", "version": "5.4.0", "at": "2026-11-21T01:55:00Z"},
    "Because": {"reason": "Somebody else works on it by hand."},
}
"""Of request bodies, by their schema's name."""

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
def openapi(_caller: Calling) -> Response:
    """The description for programs."""
    return respond(Answer(status=200, body=_text()))


@router.get("/docs")
def docs(request: Request, _caller: Calling) -> Response:
    """The description for people."""
    return render(
        request,
        "api_docs.html",
        page="api",
        about=_ABOUT.split("\n\n"),
        parts=_parts(),
        kinds=_kinds(),
        fields=_fields,
        words=_words,
    )


@cache
def description() -> dict[str, Any]:
    """The whole description."""
    from middlewatch.frontends.web.api import router as everything  # noqa: PLC0415  which includes this one

    documented = FastAPI(
        title="middlewatch",
        version=VERSION,
        description=_ABOUT,
        openapi_tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        generate_unique_id_function=_operation_id,
    )
    documented.include_router(everything)
    made = documented.openapi()
    made["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    parts = made["components"]
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "a token that policy knows the digest of"},
        "session": {"type": "apiKey", "in": "cookie", "name": "middlewatch", "description": "of a browser that signed in"},
        "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER, "description": "of the same session"},
    }
    parts["schemas"][Problem.__name__] = Problem.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    parts["schemas"] |= parts["schemas"][Problem.__name__].pop("$defs")
    parts["responses"] = {str(status): _problem(status) for status in sorted(_told(made))}
    for path in made["paths"].values():
        for method, operation in path.items():
            _describe(method, operation)
    _let_fields_be_added(made)
    for name, example in EXAMPLES.items():
        parts["schemas"][name]["examples"] = [example]
    return made


def _operation_id(route: APIRoute) -> str:
    return ".".join([*map(str, route.tags[:1]), route.name.rstrip("_")])


def _describe(method: str, operation: dict[str, Any]) -> None:
    """The first line of a docstring is the summary, the rest what else there is to say."""
    head, _, rest = operation["description"].partition("\n")
    operation["summary"] = head.rstrip(".")
    operation["description"] = " ".join(rest.split()) or head
    session: dict[str, list[str]] = {"session": []} if method == "get" else {"session": [], "csrf": []}
    operation["security"] = [{"token": []}, session]
    for answer in operation["responses"].values():
        if "$ref" in answer:
            del answer["description"]  # what Python calls the status, which differs from version to version


def _told(made: Mapping[str, Any]) -> set[int]:
    """The statuses of all problems that any operation tells of."""
    operations = [operation for path in made["paths"].values() for operation in path.values()]
    found = {
        status
        for one in operations
        for status, answer in one["responses"].items()
        if answer.get("$ref", "").startswith(PROBLEM_REF)
    }
    return {int(status) for status in found}


def _problem(status: int) -> dict[str, Any]:
    sorts = [kind for kind in _kinds() if kind.status == status]
    retries = any(kind.retry_seconds is not None for kind in sorts)
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        "description": "; ".join(dict.fromkeys(kind.title for kind in sorts)),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": {kind.name: {"value": _example(kind)} for kind in sorts}}},
        **({"headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}} if retries else {}),
    }


def _example(kind: Kind) -> dict[str, Any]:
    return {"type": kind.type, "title": kind.title, "status": kind.status}


def _kinds() -> list[Kind]:
    """Every sort of problem once, by status."""
    return sorted(
        {kind.name: kind for kind in (*BY_STATUS.values(), *KINDS.values())}.values(), key=lambda kind: (kind.status, kind.name)
    )


def _let_fields_be_added(made: dict[str, Any]) -> None:
    """What is sent is checked to the letter; what is answered may gain fields."""
    schemas = made["components"]["schemas"]
    bodies = [operation.get("requestBody", {}) for path in made["paths"].values() for operation in path.values()]
    sent = set(_reached(bodies, schemas))
    for name, schema in schemas.items():
        if name not in sent and schema.get("additionalProperties") is False:
            del schema["additionalProperties"]


def _reached(part: Any, schemas: Mapping[str, Any], seen: set[str] | None = None) -> Iterator[str]:  # noqa: ANN401  JSON
    """Names of the schemas that a part of the description refers to, and those that they refer to."""
    seen = set() if seen is None else seen
    if isinstance(part, list):
        for item in part:
            yield from _reached(item, schemas, seen)
    elif isinstance(part, dict):
        name = str(part.get("$ref", "")).rpartition("/")[2]
        if name in schemas and name not in seen:
            seen.add(name)
            yield name
            yield from _reached(schemas[name], schemas, seen)
        for value in part.values():
            yield from _reached(value, schemas, seen)


@cache
def _text() -> str:
    return json.dumps(description())


def _parts() -> list[tuple[str, str, list[tuple[str, str, dict[str, Any]]]]]:
    """The operations by tag: its name, what it is about, and (method, path, operation) of each."""
    rows = [(method.upper(), path, one) for path, found in description()["paths"].items() for method, one in found.items()]
    return [(name, about, [row for row in rows if name in row[2]["tags"]]) for name, about in _TAGS.items()]


def _fields(operation: Mapping[str, Any]) -> list[tuple[str, str, bool, str]]:
    """All that a request is given: name, where it stands, whether it must, and its meaning."""
    given = [(one["name"], one["in"], one["required"], one.get("description", "")) for one in operation.get("parameters", ())]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = description()["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    fields, required = schema.get("properties", {}), schema.get("required", ())
    return given + [(name, "body", name in required, field.get("description", "")) for name, field in fields.items()]


def _words(text: str) -> Markup:
    """A text of ours for a page: what stands between backticks is code."""
    pieces = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(one) if n % 2 else escape(one) for n, one in enumerate(pieces))
