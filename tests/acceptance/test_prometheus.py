"""Invariant: with the Prometheus and the Alertmanager that Debian has, an alert becomes an investigation, is silenced there while
somebody has it, and is over here when it is over there.
"""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.approvals_site import token
from tests.acceptance.command import run
from tests.web_process import prepare, serving

PROMETHEUS, ALERTMANAGER = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
SECONDS = 90.0
"""For each step at most; each takes a few, and some more on a busy machine."""

pytestmark = pytest.mark.skipif(
    not (PROMETHEUS and ALERTMANAGER), reason="Debian's prometheus and prometheus-alertmanager are not installed: scripts/debian.sh"
)


class Exporter(http.server.BaseHTTPRequestHandler):
    """A process with one metric, whose value a test sets."""

    failing = 1

    def do_GET(self) -> None:
        body = f'checkout_failing{{service="checkout"}} {type(self).failing}\n'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is told."""


@contextmanager
def exporter() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        yield server.server_port
        server.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def started(*words: str, log: Path) -> Iterator[None]:
    with log.open("w") as told:
        process = subprocess.Popen(words, stdout=told, stderr=told, cwd=log.parent)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def awaited(what: str, look: Callable[[], Any]) -> Any:
    """What is there as soon as it is."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(what)


def write_configuration(folder: Path, ports: dict[str, int], url: str, token: str) -> None:
    (folder / "alertmanager.json").write_text(
        json.dumps(
            {
                "route": {"receiver": "middlewatch", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"},
                "receivers": [
                    {
                        "name": "middlewatch",
                        "webhook_configs": [
                            {
                                "url": f"{url}/intake/alerts/prometheus",
                                "max_alerts": 500,
                                "http_config": {"authorization": {"credentials": token}},
                            }
                        ],
                    }
                ],
            }
        )
    )
    rule = {"alert": "CheckoutFails", "expr": "checkout_failing > 0", "for": "1s", "labels": {"severity": "critical"}}
    rule["annotations"] = {"summary": "checkout answers with errors"}
    (folder / "rules.json").write_text(json.dumps({"groups": [{"name": "shop", "interval": "1s", "rules": [rule]}]}))
    scrape = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{ports['exporter']}"]}], "honor_labels": True}
    (folder / "prometheus.json").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.json"],
                "scrape_configs": [scrape],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}]},
            }
        )
    )


@contextmanager
def monitoring(folder: Path, ports: dict[str, int]) -> Iterator[httpx.Client]:
    """Both, running; a client of Alertmanager's API."""
    assert PROMETHEUS
    assert ALERTMANAGER
    at = f"127.0.0.1:{ports['alertmanager']}"
    with (
        started(
            *(ALERTMANAGER, "--config.file=alertmanager.json", f"--storage.path={folder / 'am'}", f"--web.listen-address={at}"),
            *("--cluster.listen-address=", "--log.level=warn"),
            log=folder / "alertmanager.log",
        ),
        started(
            *(PROMETHEUS, "--config.file=prometheus.json", f"--storage.tsdb.path={folder / 'tsdb'}", "--log.level=warn"),
            *(f"--web.listen-address=127.0.0.1:{ports['prometheus']}", "--rules.alert.resend-delay=1s"),
            log=folder / "prometheus.log",
        ),
        httpx.Client(base_url=f"http://{at}") as client,
    ):
        awaited("Alertmanager does not start", lambda: client.get("/-/ready").is_success)
        yield client


def alert_of(api: httpx.Client, wanted: Callable[[dict[str, Any]], object]) -> Callable[[], dict[str, Any] | None]:
    """The first alert that is as wanted."""
    return lambda: next((one for one in api.get("/alerts").raise_for_status().json()["alerts"] if wanted(one)), None)


def test_from_a_failing_metric_to_a_silence_and_its_end(tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(data)
    (data / "services.toml").write_text("[services.checkout]\ntier = 1\n")
    made = json.loads(run(data, "intake", "token", "prometheus", "--json").stdout)
    ports = {name: free_port() for name in ("alertmanager", "prometheus")}
    back = f'[senders.prometheus.write_back]\nurl = "http://127.0.0.1:{ports["alertmanager"]}"\nlook_seconds = 1\n'
    (data / "intake.toml").write_text(f'[senders.prometheus]\nkind = "alertmanager"\n{made["line"]}\n{back}')
    assert run(data, "intake", "check").returncode == 0
    Exporter.failing = 1
    with exporter() as port, serving(data) as served:
        write_configuration(tmp_path, ports | {"exporter": port}, served.url, made["token"])
        client = httpx.Client(base_url=f"{served.url}/api/v1", headers={"Authorization": f"Bearer {token('mia')}"})
        with monitoring(tmp_path, ports) as alertmanager, client as api:
            lives(api, alertmanager)


def lives(api: httpx.Client, alertmanager: httpx.Client) -> None:
    """An alert, from its beginning to its end."""
    found = awaited("it opens no investigation", alert_of(api, lambda one: one["investigation"]))
    assert (found["service"], found["message"]["title"]) == ("checkout", "checkout answers with errors")
    assert "service" in found["mapped_by"]
    path = f"/investigations/{found['investigation']}/acknowledge"
    awaited("it is not there", lambda: api.post(path).is_success)  # an alert names it a moment before it is opened

    def silences(state: str) -> list[dict[str, Any]]:
        return [one for one in alertmanager.get("/api/v2/silences").json() if one["status"]["state"] == state]

    (silence,) = awaited("it is not silenced", lambda: silences("active"))
    assert {(one["name"], one["value"]) for one in silence["matchers"]} >= {("alertname", "CheckoutFails"), ("service", "checkout")}
    awaited("it still tells", lambda: alertmanager.get("/api/v2/alerts?silenced=true").json()[0]["status"]["silencedBy"])
    Exporter.failing = 0
    over = awaited("it is not over here", alert_of(api, lambda one: one["id"] == found["id"] and one["resolved_at"]))
    assert over["investigation"] == found["investigation"]
    awaited("the silence goes on", lambda: silences("expired"))
    assert silences("active") == []
