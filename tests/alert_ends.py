"""Alertmanager and PagerDuty on this machine, for tests: what is written back to them, and whom they are to page."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

LABELS = {"alertname": "HighErrors", "service": "checkout", "secret-looking": "x" * 3000}
CREDENTIAL = "pd-token"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"


class End(http.server.BaseHTTPRequestHandler):
    """Alertmanager and PagerDuty in one, as strict as they are."""

    calls: list[tuple[str, str, Any]]
    firing: bool
    silences: dict[str, dict[str, Any]]
    broken: bool
    lost: bool
    """Whether its answer gets lost after it was done."""

    def _said(self) -> Any:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        return json.loads(body) if body else None

    def _answer(self, status: int, value: Any = None) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _do(self) -> None:  # noqa: PLR0911  one answer for each call
        said, one = self._said(), type(self)
        one.calls.append((self.command, self.path, said))
        if one.broken:
            return self._answer(503)
        match self.command, self.path.partition("?")[0]:
            case "GET", "/api/v2/alerts":
                alert = {"fingerprint": "fp-1", "labels": LABELS, "status": {"state": "active"}}
                return self._answer(200, [alert] if one.firing else [])
            case "GET", "/api/v2/silences":
                return self._answer(200, list(one.silences.values()))
            case "POST", "/api/v2/silences":
                assert {*said} == {"matchers", "startsAt", "endsAt", "createdBy", "comment"}
                assert (
                    datetime.fromisoformat(said["endsAt"])
                    > datetime.fromisoformat(said["startsAt"])
                    >= datetime(2026, 1, 1, tzinfo=UTC)
                )
                name = f"silence-{len(one.silences)}"
                one.silences[name] = {**said, "id": name, "status": {"state": "active"}}
                return self._answer(500) if one.lost else self._answer(200, {"silenceID": name})
            case "DELETE", path:
                one.silences[path.rpartition("/")[2]]["status"]["state"] = "expired"
                return self._answer(200)
            case "PUT", "/incidents/PGR0VU2":
                assert self.headers["authorization"] == f"Token token={CREDENTIAL}"
                assert self.headers["from"] == "mw@example.com"
                return self._answer(200, {"incident": {"id": "PGR0VU2"}})
            case "POST", "/v2/enqueue":
                return self._answer(*_event(said))
        return self._answer(404)

    do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815  the base class's names

    def log_message(self, *_: object) -> None:
        """Nothing is told."""


def _event(said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """What the Events API says of an event: it takes none that it does not understand."""
    assert {*said} <= {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"}
    if said["routing_key"] != ROUTING_KEY:
        return 400, {"status": "invalid event", "errors": ["Length of 'routing_key' is incorrect (should be 32 characters)"]}
    assert 0 < len(said["dedup_key"]) <= 255
    if said["event_action"] == "trigger":
        payload = said["payload"]
        assert 0 < len(payload["summary"]) <= 1024
        assert payload["source"]
        assert payload["severity"] in {"critical", "error", "warning", "info"}
        datetime.fromisoformat(payload["timestamp"])
    else:
        assert said["event_action"] in {"acknowledge", "resolve"}
    return 202, {"status": "success", "message": "Event processed", "dedup_key": said["dedup_key"]}


@contextmanager
def end() -> Iterator[tuple[type[End], str]]:
    made = type("One", (End,), {"calls": [], "firing": True, "silences": {}, "broken": False, "lost": False})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield made, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
