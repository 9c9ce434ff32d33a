"""The files that make a data directory ready for the lab's shop: who decides, what can be done to which service, what is promised.

What exists is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from middlewatch.evals.lab.changes import FIRST_VERSIONS, INSTANCES

_TIERS: Mapping[str, int] = {
    "gateway": 1,
    "checkout": 1,
    "payment": 1,
    "cart": 2,
    "inventory": 2,
    "catalogue": 2,
    "notifications": 3,
}

_POLICY = """\
# Who decides in the lab: you, who work alone, and so as a manager: whatever a lead may, and what is risky as well.

[principals.operator]
role = "manager"
local = [{user}]
sole_operator = ["low", "medium", "high"]

[auto]
info = true

# A roll back of the lab's shop asks for one lead.
[[rules]]
actions = ["rollback_deploy", "restart_service", "restart_instance"]
targets = [{targets}]
tier = "medium"
"""

_ACTIONS = """\
# What can be done to the lab's services: its supervisor replaces their processes.

[supervisor.lab]
socket = {socket}
seconds = 30
"""

_TARGET = """
[targets.{service}]
min_replicas = {instances}
max_replicas = {instances}
supervisor = {{ connection = "lab", actions = ["rollback_deploy", "restart_service", "restart_instance"] }}
"""

_SERVICE = """
[services.{service}]
tier = {tier}
owner = "the lab"
"""

_OBJECTIVES = """
[[objectives]]
name = "shop-availability"
journey = "A customer looks at the shop and buys"
services = ["gateway"]
kind = "availability"
target = 0.99

[[objectives]]
name = "shop-latency"
service = "gateway"
kind = "latency"
threshold_ms = 250
target = 0.95

[[objectives]]
name = "checkout-availability"
journey = "A customer pays"
services = ["gateway"]
operations = ["POST /checkout"]
kind = "availability"
target = 0.99

# A day of the lab has ten minutes, so its windows are as short as they can be: 4 % of the requests of two minutes. It has 1200
# requests in them; of fewer than 300, as when it opens, nothing is said.
[burn]
least_total = 300
pairs = [{ short_minutes = 1, long_hours = 0.0333334, share = 0.000185185, escalation = 0.0005, severity = "SEV-2" }]
"""


def write_site(data_dir: Path, socket: Path, *, user: str) -> tuple[Path, ...]:
    """Write the files that are absent.

    Args:
        data_dir: the data directory.
        socket: of the lab's supervisor; absolute.
        user: the unix user who leads.

    Returns:
        The files that were written.
    """
    texts = {
        "policy.toml": _POLICY.format(user=json.dumps(user), targets=", ".join(map(json.dumps, FIRST_VERSIONS))),
        "actions.toml": _ACTIONS.format(socket=json.dumps(str(socket)))
        + "".join(_TARGET.format(service=service, instances=INSTANCES[service]) for service in FIRST_VERSIONS),
        "services.toml": "# What hangs on which service of the lab's shop, and what is promised of it.\n"
        + "".join(_SERVICE.format(service=service, tier=tier) for service, tier in _TIERS.items())
        + _OBJECTIVES,
    }
    written = []
    for name, text in texts.items():
        path = data_dir / name
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)
            written.append(path)
    return tuple(written)
