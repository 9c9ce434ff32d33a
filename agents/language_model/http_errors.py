"""What an answer over HTTP that is none means: whether to ask again, when, and what to tell the reader."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import JsonValue

from middlewatch.agents.language_model.retrying import Trouble
from middlewatch.agents.language_model.seam import Obstacle
from middlewatch.records import CallOutcome

OVERLOADED = 529
"""Anthropic: the API is overloaded for everybody."""
_UNPAID = {402}
_DENIED = {401, 403, 404}
"""No later call of the same investigation gets another answer."""
LONGEST_HINT = 86_400.0

_EXHAUSTED = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_error", "billing_not_active"})
"""429 as well, and no wait helps."""
_KNOWN = _EXHAUSTED | {
    *("invalid_request_error", "authentication_error", "permission_error", "not_found_error", "request_too_large"),
    *("rate_limit_error", "api_error", "overloaded_error", "timeout_error"),
    *("model_not_found", "invalid_api_key", "context_length_exceeded", "rate_limit_exceeded", "unsupported_parameter"),
    *("unsupported_value", "invalid_value", "missing_required_parameter", "unknown_parameter", "server_error"),
}
"""The providers' own names of errors. What a server writes beside them is repeated nowhere."""

_WORDS = {
    400: "took the request for wrong",
    401: "refused the key",
    402: "wants to be paid first",
    403: "does not let this key use the model",
    404: "knows no such model, or no such path",
    408: "waited too long for the request",
    409: "was at odds with itself",
    413: "found the request too long",
    422: "took the request for wrong",
    429: "has too many requests",
    503: "is overloaded",
    OVERLOADED: "is overloaded",
}


def refused(
    place: str, status: int, headers: Mapping[str, str], body: JsonValue, *, key_name: str, now: float | None = None
) -> Trouble:
    """What an answer with an error status comes to.

    Args:
        place: who answered, with the port where one is configured.
        status: of HTTP.
        headers: of the answer, by names in lower case.
        body: parsed, or null.
        key_name: the setting with the key.
        now: seconds since 1970, for hints that are dates.
    """
    code = _code(body)
    words = f"{place} {_WORDS.get(status, 'failed' if status >= HTTPStatus.INTERNAL_SERVER_ERROR else 'refused the request')}"
    again = status in {408, 409, 429} or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if code in _EXHAUSTED:
        again, words = False, f"{place} says that the account has nothing left to spend"
    elif (wish := headers.get("x-should-retry")) in {"true", "false"}:
        again = wish == "true"
    busy = status in {429, 503, OVERLOADED} and code not in _EXHAUSTED
    trouble = Trouble(
        f"{words} ({', '.join(filter(None, (str(status), code)))}).",
        CallOutcome.OVERLOADED if busy else CallOutcome.FAILED,
        again=again,
        hint=hinted(headers, time.time() if now is None else now),
        billed=status >= HTTPStatus.INTERNAL_SERVER_ERROR and not busy,  # a model may have worked until something failed
        remedy=_remedy(status, code, key_name, body) or _usual(status),
    )
    trouble.obstacle = Obstacle.DENIED if status in _DENIED else None
    return trouble


def hinted(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds after which a server wants to be asked again: `retry-after-ms`, else `retry-after` in seconds or as a date.

    Returns:
        Never less than 0 or more than a day; None where nothing usable is said.
    """
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * factor
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return min(max(seconds, 0.0), LONGEST_HINT)
    try:
        at = email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return min(max(at - now, 0.0), LONGEST_HINT)


def _code(body: JsonValue) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    said = [error.get(name) for name in ("code", "type")] if isinstance(error, dict) else []
    return next((word for word in said if isinstance(word, str) and word in _KNOWN), "")


def _remedy(status: int, code: str, key_name: str, body: JsonValue) -> str:
    if code in _EXHAUSTED or status in _UNPAID:
        return "Add to the account's balance or raise its limit at the provider."
    if status in {401, 403}:
        return f"Check {key_name}, and that its account may use this model."
    if status == HTTPStatus.NOT_FOUND:
        return "Check `model` and `url` in models.toml."
    message = _message(body) if status in {400, 422} else ""
    if "thinking" in message:
        return "Where the model's thinking cannot be turned off so, set `thinking = true` in models.toml."
    if "effort" in message or code in {"unsupported_parameter", "unsupported_value"}:
        return "Where the model cannot be told how much to think, set `effort = false` in models.toml."
    return ""


def _usual(status: int) -> str:
    """What to do where the server says nothing more of it."""
    if status in {400, 422}:
        return (
            "Its log says what it did not take. Check `model`, `effort` and `url` in models.toml, and that it can do JSON schemas."
        )
    if status in {429, 503, OVERLOADED}:
        return "Try again later, or ask another model; at a provider, look at the account's limits."
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "The fault is the server's: see its log or the provider's status page, and whether it has the memory for the model."
    return ""


def _message(body: JsonValue) -> str:
    """What the server says of it, to look for parameters of ours in; it is repeated nowhere."""
    error = body.get("error") if isinstance(body, dict) else None
    said = [error.get(name) for name in ("message", "param")] if isinstance(error, dict) else []
    return " ".join(word for word in said if isinstance(word, str)).lower()
