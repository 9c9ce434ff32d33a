"""A site with people, one target behind a webhook, and a worker with its executor: what tests of approvals act on."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from middlewatch.app import App, open_app
from middlewatch.records import DEFAULT_TENANT, ORCHESTRATOR, ApprovalRequest, Remediation, RequestState
from middlewatch.settings import Settings
from tests.acceptance.command import SECONDS, Running, run
from tests.contract.actions.loopback import served
from tests.contract.actions.remote_end import SECRET, RemoteEnd

TARGET = "checkout"
GLASS = "open-sesame"
PEOPLE = {"mia": "member", "leo": "lead", "lea": "lead", "mara": "manager", "max": "manager"}
"""Each signs in with the token that is their name and the word `token`."""

RULES = """
[[rules]]
actions = ["scale_up", "scale_down", "set_flag", "rollback_deploy"]
targets = ["checkout"]
least_modalities = 0

[[rules]]
actions = ["restart_service"]
targets = ["checkout"]
least_modalities = 0
reason_required = true
approvals = { all_of = ["lead", "manager"] }
"""
FREEZE = """
[[freezes]]
name = "big-sale"
targets = "*"
zone = "UTC"
from = {year}-01-01T00:00:00
to = {year}-12-31T23:59:59
""".format(year=datetime.now(UTC).year)
ACTIONS = ["open_ticket", "scale_up", "scale_down", "restart_service", "rollback_deploy", "set_flag", "drain_traffic"]


def token(person: str) -> str:
    return f"{person}-token"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def wanted(action: str = "scale_up", **update: object) -> Remediation:
    """What follows from a finding about the target."""
    return Remediation(
        tenant=DEFAULT_TENANT,
        investigation="inv-0123456789ab",
        action=action,
        target=TARGET,
        parameters={"by": 2} if action.startswith("scale") else {},
        proposed_by=ORCHESTRATOR,
        confidence=0.82,
        expected_effect="More instances share the load.",
    ).model_copy(update=update)


@dataclass
class Site:
    """Where it keeps everything, and the other end of its webhook."""

    data: Path
    end: RemoteEnd
    app: App | None = None
    """Attached to the worker's data directory, while that runs."""

    def write_policy(self, extra: str = "") -> None:
        people = [
            f'[principals.{name}]\nname = "{name.title()} Example"\nrole = "{role}"\ntoken_sha256 = ["{sha256(token(name))}"]\n'
            + (f'break_glass_sha256 = ["{sha256(GLASS)}"]\n' if name == "mara" else "")
            for name, role in PEOPLE.items()
        ]
        (self.data / "policy.toml").write_text("\n".join(people) + RULES + extra, encoding="utf-8")

    def write_actions(self, url: str) -> None:
        at = {"connection": "shop", "actions": ACTIONS}
        lines = [
            "[webhook.shop]",
            f"url = {json.dumps(url + '/hook')}",
            'secret = "shop"',
            f"[targets.{TARGET}]",
            "min_replicas = 1",
            "max_replicas = 8",
            f'webhook = {{ connection = "shop", actions = {json.dumps(at["actions"])} }}',
            f"[targets.{TARGET}.flags.dark_mode]",
            "safe = false",
        ]
        (self.data / "actions.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        credentials = self.data / "credentials"
        credentials.mkdir(mode=0o700)
        (credentials / "shop").write_text(SECRET, encoding="utf-8")
        (credentials / "shop").chmod(0o600)

    def propose(self, action: str = "scale_up", **update: object) -> ApprovalRequest:
        """What a worker does with a finding: put an action to people."""
        assert self.app is not None
        return self.app.approvals.gateway.submit(wanted(action, **update))

    def request(self, id_: str) -> ApprovalRequest:
        """As it stands, once the executor has looked at the target."""
        assert self.app is not None
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self.app.approvals.show(id_, face="")
            if found.state is not RequestState.PREPARING:
                return found
            time.sleep(0.1)
        raise AssertionError("no executor looked at the target")

    def run(self, person: str, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """A command, as somebody runs it."""
        return run(self.data, *words, MIDDLEWATCH_TOKEN=token(person), **variables)

    @contextmanager
    def worker(self) -> Iterator[Running]:
        """The owner of the data directory with its executor, in processes of their own."""
        with Running(self.data, "worker") as process:
            try:
                while "owner of the data directory" not in (line := process.stderr.readline()):
                    assert line, "the worker ended"
                with open_app(Settings(data_dir=self.data)) as self.app:
                    yield process
            finally:
                self.app = None
                process.send_signal(signal.SIGTERM)


@contextmanager
def site(data: Path) -> Iterator[Site]:
    """A fresh one; nobody works there yet."""
    data.mkdir(parents=True, exist_ok=True)
    end = RemoteEnd(signed=True)
    with served(end) as url:
        made = Site(data, end)
        made.write_policy()
        made.write_actions(url)
        yield made
