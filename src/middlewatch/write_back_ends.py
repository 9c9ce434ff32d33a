"""What is done at the sender of an alert: a silence of Alertmanager, the state of an incident of PagerDuty.

Each call may be made twice and does its work once: a silence is looked for by its comment before it is made, and the rest sets a
state. Whoever calls tries again later; nothing here does.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self, cast
from urllib.parse import quote

import httpx
from pydantic import Field

from middlewatch.records import Occurrence, Record, UtcDatetime
from middlewatch.records.errors import MiddlewatchError, Unavailable
from middlewatch.senders import WriteBack

SECONDS: Final = 5.0
"""For one call."""
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of an answer. Chosen: ten thousand alerts or silences."""
AUTHOR: Final = "middlewatch"
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 300.0
"""Between attempts, doubled each time, with jitter. Chosen, not derived."""
_SILENCE: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_INCIDENT: Final = re.compile(r"[A-Za-z0-9]{1,64}")


class WriteBackFailed(Unavailable):
    """The other end did not do it."""


class Attempted(Record):
    """How it goes with what is to be done at the other end."""

    attempts: int = Field(default=0, ge=0, description="that failed in a row")
    again_at: UtcDatetime | None = None
    problem: str = Field(default="", max_length=500, description="why the last attempt failed, in words")

    def well(self) -> Self:
        """The same after an attempt that did it."""
        return self.model_copy(update={"attempts": 0, "again_at": None, "problem": ""})

    def failed(self, error: MiddlewatchError, now: datetime) -> Self:
        """The same after an attempt that did not: why, and when the next one is due."""
        attempts = self.attempts + 1
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempts - 1, 16))
        pause = longest * random.uniform(0.5, 1.0)  # noqa: S311  spreads attempts, guards nothing
        told = f"{error.message} {error.remedy}".strip()[:500]
        return self.model_copy(update={"attempts": attempts, "again_at": now + timedelta(seconds=pause), "problem": told})

    def rests(self, now: datetime) -> bool:
        """Whether it is too soon for the next attempt."""
        return self.again_at is not None and now < self.again_at


@dataclass(frozen=True, slots=True)
class End:
    """One server, by the sender's configuration."""

    settings: WriteBack
    token: str = ""
    transport: httpx.BaseTransport | None = None

    def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> object:
        """One call; what it answers, as JSON.

        Raises:
            WriteBackFailed: it did not answer in time, or refused; says nothing of what was sent.
        """
        base = str(self.settings.url).rstrip("/")
        try:
            with (
                httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False, transport=self.transport) as client,
                client.stream(
                    method, f"{base}{path}", json=body, headers={"Accept": "application/json", **(headers or {})}
                ) as answer,
            ):
                content = bytearray()
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > LARGEST:
                        raise WriteBackFailed("Its answer was too long.")
                if not answer.is_success:
                    raise WriteBackFailed(f"It was answered {answer.status_code}.", remedy=_REMEDIES.get(answer.status_code, ""))
                return json.loads(content) if content.strip() else None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WriteBackFailed(f"{self.settings.url.host} does not answer ({type(error).__name__}).") from None
        except (ValueError, RecursionError):
            raise WriteBackFailed("Its answer is not JSON.") from None


_REMEDIES: Final = {
    400: "Is what it is shown of the right kind? PagerDuty's events need the integration key of an Events API v2 integration.",
    401: "Its token is not believed: write a new one into the file in intake-secrets.",
    403: "Its token does not allow this.",
    404: "It knows no such thing any more.",
}


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Its API of version 2."""

    end: End

    def firing(self, occurrence: Occurrence) -> dict[str, str] | None:
        """The labels of the alert as Alertmanager has them, whole; None where it does not fire any more.

        Raises:
            WriteBackFailed: see `End.call`.
        """
        name = occurrence.message.labels.get("alertname", "")
        wanted = f"?filter={quote(f'alertname={json.dumps(name)}', safe='')}" if name and name.isalnum() else ""
        for one in _rows(self._call("GET", f"/api/v2/alerts{wanted}")):
            if one.get("fingerprint") == occurrence.message.reference and isinstance(one.get("labels"), dict):
                return {str(key): str(value) for key, value in one["labels"].items()}
        return None

    def silenced(self, occurrence: Occurrence) -> str:
        """The silence that was made for it and still holds; empty where there is none."""
        for one in _rows(self._call("GET", "/api/v2/silences")):
            state = one.get("status")
            holds = isinstance(state, dict) and state.get("state") in {"active", "pending"}
            if holds and one.get("createdBy") == AUTHOR and str(one.get("comment", "")).startswith(f"{occurrence.id} "):
                return _id(one.get("id"))
        return ""

    def silence(self, occurrence: Occurrence, labels: dict[str, str], by: str, now: datetime) -> str:
        """Make one of exactly this alert's labels; the one that is there is left as it is.

        Returns:
            Its id.
        """
        if there := self.silenced(occurrence):
            return there
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in sorted(labels.items())
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=self.end.settings.hours)).isoformat(),
            "createdBy": AUTHOR,
            "comment": f"{occurrence.id} is acknowledged by {by}; see {occurrence.investigation}",
        }
        answer = self._call("POST", "/api/v2/silences", body)
        return _id(answer.get("silenceID") if isinstance(answer, dict) else None)

    def expire(self, silence: str) -> None:
        """End one; one that is over already is none of ours to end."""
        try:
            self._call("DELETE", f"/api/v2/silence/{silence}")
        except WriteBackFailed:
            state = self._call("GET", f"/api/v2/silence/{silence}")
            if not (
                isinstance(state, dict) and isinstance(state.get("status"), dict) and state["status"].get("state") == "expired"
            ):
                raise

    def _call(self, method: str, path: str, body: object = None) -> object:
        headers = {"Authorization": f"Bearer {self.end.token}"} if self.end.token else {}
        return self.end.call(method, path, body, headers)


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """Its REST API."""

    end: End

    def set(self, incident: str, status: str) -> None:
        """Acknowledge or resolve an incident; said of one that is so already it changes nothing.

        Raises:
            WriteBackFailed: see `End.call`.
        """
        if _INCIDENT.fullmatch(incident) is None:
            raise WriteBackFailed("Its incident has no id of PagerDuty's.")
        headers = {
            "Authorization": f"Token token={self.end.token}",
            "Accept": "application/vnd.pagerduty+json;version=2",
            "From": self.end.settings.from_,
        }
        self.end.call("PUT", f"/incidents/{incident}", {"incident": {"type": "incident_reference", "status": status}}, headers)


@dataclass(frozen=True, slots=True)
class PagerDutyEvents:
    """Its Events API of version 2: it pages whoever is on call for the integration's service, once for one key."""

    end: End

    def say(self, action: Literal["trigger", "acknowledge", "resolve"], key: str, **more: object) -> None:
        """Say how it stands with what has a key.

        Raises:
            WriteBackFailed: see `End.call`.
        """
        self.end.call("POST", "/v2/enqueue", {"routing_key": self.end.token, "event_action": action, "dedup_key": key, **more})


def _rows(answer: object) -> list[dict[str, Any]]:
    if not isinstance(answer, list):
        raise WriteBackFailed("Its answer is not what it should be.")
    return [cast("dict[str, Any]", one) for one in answer if isinstance(one, dict)]


def _id(value: object) -> str:
    if not isinstance(value, str) or _SILENCE.fullmatch(value) is None:
        raise WriteBackFailed("Its silence has no id.")
    return value
