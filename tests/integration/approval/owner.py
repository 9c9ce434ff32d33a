"""A worker of the embedded deployment, for test_restart: it works until its standard input ends.

The first to come owns the data directory, runs Redis, and keeps an executor beside it. With the word `propose` it leaves a request
that waits for a decision, and says which.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from middlewatch.app import open_app
from middlewatch.records import ORCHESTRATOR, Alert, Remediation, RequestState
from middlewatch.settings import Settings


def main() -> None:
    """Work."""
    with open_app(Settings.load()) as app, app.working():
        if "propose" in sys.argv:
            now = datetime.now(UTC)
            alert = Alert(
                tenant=app.settings.tenant,
                source="test",
                source_id="a-1",
                title="checkout is slow",
                detected_at=now - timedelta(minutes=1),
                window_end=now,
            )
            investigation = app.investigate(alert)
            remediation = Remediation(
                tenant=app.settings.tenant,
                investigation=investigation.id,
                action="restart_service",
                target="checkout",
                proposed_by=ORCHESTRATOR,
                confidence=1.0,
            )
            asked = app.approvals.gateway.submit(remediation)
            while asked.state is RequestState.PREPARING:
                time.sleep(0.05)
                asked = app.approvals.show(asked.id, face="test")
            sys.stdout.write(f"{asked.id} {asked.state}\n")
        sys.stdout.write("working\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
