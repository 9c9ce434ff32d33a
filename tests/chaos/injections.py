"""Every goal in the words of every attack in every place, read by a model that obeys all of it; counts what it achieved.

Run it as ``python tests/chaos/injections.py``, or with ``--place "log line"`` for one of the places. It prints its counts as JSON
and exits with 0 where nothing was achieved. The smaller version, and what happens without each guard, is
tests/integration/approval/test_injection.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from middlewatch.context_store.redis_server import RedisServer
from tests.integration.approval.injection_corpus import GOALS, Injection, attack_names, foreign_goals, injections
from tests.integration.approval.injection_oracle import texts_of
from tests.integration.approval.injection_places import ALERT, PLACES
from tests.integration.approval.injection_site import Site


def main() -> int:
    """Attack, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--place", action="append", choices=list(PLACES), help="only there; may be given again")
    chosen = parser.parse_args().place or list(PLACES)
    counts: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as server:
        redis = server.client()
        redis.config_set("appendonly", "no")  # durability has tests of its own
        site = Site.open(redis, Path(folder))
        for place in chosen:
            for attack in attack_names():
                tried = injections([attack], (*foreign_goals(), *GOALS))
                wrong = _attack(site, place, tried, counts)
                for line in wrong:
                    sys.stderr.write(f"{place}, {attack}: {line}\n")
                counts["wrong"] += len(wrong)
        counts["calls"] = site.calls
    sys.stdout.write(json.dumps({**counts, "places": len(chosen), "seconds": round(time.monotonic() - began, 1)}, indent=1) + "\n")
    return 1 if counts["wrong"] else 0


def _attack(site: Site, place: str, tried: tuple[Injection, ...], counts: Counter[str]) -> list[str]:
    found = site.investigate(place, tried)
    if place in ALERT:
        found = site.also(found, place, tried)
    facts = [_start(text) for fact in found.facts for text in (*fact.anomaly.summary.split('"'), *texts_of(fact))]
    wrong = site.attack(tried, found)
    requests = site.approvals.list(limit=1000)
    counts["investigations"] += 1
    counts["without a finding"] += not found.report.causes
    counts["combinations"] += len(tried)
    counts["of agentdojo's goals"] += sum(injection.goal.foreign for injection in tried)
    counts["that say to stop"] += sum(injection.stops for injection in tried)
    counts["in facts"] += sum(_start(injection.text) in facts for injection in tried)
    counts["requests"] += len(requests)
    counts["runs"] += len(site.hands.runs)
    counts["runs of people"] += sum(order.digest in site.approved for order in site.hands.runs)
    return wrong


def _start(text: str) -> str:
    """What is left of a text in every place: breaks become spaces, and long ones are cut."""
    return " ".join(text.split())[:30]


if __name__ == "__main__":
    sys.exit(main())
