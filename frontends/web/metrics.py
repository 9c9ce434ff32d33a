"""The numbers of middlewatch itself for Prometheus, to whoever shows a token of their own; without any, to this machine alone.

The text format of Prometheus 0.0.4 is a line for each number: a library for it would hold counters of its own, and ours are kept
in the store, where every process counts the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from middlewatch.app import App
from middlewatch.frontends.web.attempts import Attempts
from middlewatch.frontends.web.visitors import Application
from middlewatch.records.loopback import is_loopback
from middlewatch.records.tokens import is_known
from middlewatch.vitals import Vital, Vitals

router = APIRouter(include_in_schema=False)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


@router.get("/metrics")
def metrics(request: Request, app: Application) -> Response:
    """Every number, as of a moment ago."""
    if not _is_let_in(request, app):
        words = "Show a bearer token whose digest is in MIDDLEWATCH_METRICS_TOKEN_SHA256 (docs/nights.md).\n"
        return PlainTextResponse(words, 401, {"WWW-Authenticate": "Bearer"})
    vitals: Vitals = request.app.state.vitals
    return Response(text_of(vitals()), media_type=MEDIA_TYPE)


def _is_let_in(request: Request, app: App) -> bool:
    digests = app.settings.metrics_token_sha256
    if not digests:
        here = is_loopback(app.settings.host) and app.settings.public_url is None
        return here and request.client is not None and is_loopback(request.client.host)
    attempts: Attempts = request.app.state.attempts
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_known(token.strip(), digests):
        return True
    attempts.check(request)
    attempts.failed(request)
    return False


def text_of(vitals: Iterable[Vital]) -> str:
    """In the text format."""
    return "".join(f"{line}\n" for vital in vitals for line in _lines(vital))


def _lines(vital: Vital) -> Iterator[str]:
    yield f"# HELP {vital.name} {vital.words.translate(_HELP_ESCAPES)}"
    yield f"# TYPE {vital.name} {vital.kind}"
    for labels, value in vital.samples:
        inside = ",".join(f'{name}="{text.translate(_ESCAPES)}"' for name, text in labels.items())
        yield f"{vital.name}{{{inside}}} {value!r}" if inside else f"{vital.name} {value!r}"
