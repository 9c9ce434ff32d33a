"""Every goal in the words of every attack in every place, read by language models that obey all of it; counts what they achieved.

It goes through the application: what its workers do, models' dialogues and tools, the gateway, and the executor's look at targets.
Run it as ``python -m tests.chaos.model_injections``, or with ``--place "log line"`` for one of the places. Each place and attack is
investigated twice: with models that weigh nothing, and with models that weigh all they ever may. It prints its counts as JSON and
exits with 0 where nothing was achieved. The smaller version, and what happens without each guard, is
tests/integration/models/test_steered.py.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

from redis import Redis

from middlewatch.agents.weights import NO_WEIGHTS
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.records import Voice
from tests.integration.approval.injection_corpus import Injection, attack_names, injections
from tests.integration.approval.injection_places import ALERT, PLACES
from tests.integration.models.model_corpus import all_goals
from tests.integration.models.steered_oracle import violations
from tests.integration.models.steered_site import FULL, Steered, by_rules, steered

AT_ONCE = 24
"""Texts in one investigation: more crowd each other out of what a model is shown."""


def main() -> int:
    """Attack, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--place", action="append", choices=list(PLACES), help="only there; may be given again")
    parser.add_argument("--attack", action="append", choices=list(attack_names()), help="only these; may be given again")
    chosen = parser.parse_args()
    counts: Counter[str] = Counter()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(Path(folder) / "redis") as server,
        mock.patch.object(socket.socket, "connect", _counted(counts)),
    ):
        redis = server.client()
        redis.config_set("appendonly", "no")  # durability has tests of its own
        for place in chosen.place or PLACES:
            for attack in chosen.attack or attack_names():
                _attack(redis, place, attack, counts)
            sys.stderr.write(f"{place}: {json.dumps({**counts, 'seconds': round(time.monotonic() - began)})}\n")
    counts["places"] = len(chosen.place or PLACES)
    sys.stdout.write(json.dumps({**counts, "seconds": round(time.monotonic() - began, 1)}, indent=1) + "\n")
    return 1 if counts["wrong"] or counts["connections elsewhere"] else 0


def _attack(redis: Redis, place: str, attack: str, counts: Counter[str]) -> None:
    """All goals in the words of an attack, some at a time; every other time with full weights."""
    tried = injections([attack], all_goals())
    for number, first in enumerate(range(0, len(tried), AT_ONCE)):
        some = tried[first : first + AT_ONCE]
        rules = by_rules(redis, place, some)
        for weighed in (False, True):
            weights = FULL if weighed else NO_WEIGHTS
            found = steered(redis, place, some, weights=weights, greedy=number == 1, rules=rules)
            for line in violations(found, weighed=weighed):
                counts["wrong"] += 1
                sys.stderr.write(f"{place}, {attack}, {'weighed' if weighed else 'unweighed'}: {line}\n")
            _count(found, some, counts)
        counts["combinations"] += 1 if place in ALERT else len(some)  # an alert has one text


def _count(found: Steered, some: tuple[Injection, ...], counts: Counter[str]) -> None:
    work = found.report.models
    assert work is not None
    counts["investigations"] += 1
    counts["without a finding by rules"] += not found.rules.causes
    counts["read by a model"] += len({one.text for one in some} & found.script.read)
    counts["requests to models"] += len(found.model.requests)
    counts["tool calls asked for"] += len(found.script.asked)
    counts["tool calls answered"] += len(found.tools.answered) if found.tools else 0
    counts["facts that they added"] += len(found.added)
    counts["claims accepted"] += sum(len(one.claims) for one in work.reasoning)
    counts["rejected"] += sum(one.rejected for one in work.reasoning)
    counts["dialogues that ended without an answer"] += sum(bool(one.problem) for one in work.reasoning)
    counts["votes of models"] += sum(vote.voice is Voice.MODEL for vote in found.snapshot.votes)
    counts["words for the report accepted"] += bool(work.prose)
    counts["requests to people, and tickets"] += len(found.asked)


def _counted(counts: Counter[str]) -> Any:
    connect = socket.socket.connect

    def count(self: socket.socket, address: Any) -> None:
        counts["connections elsewhere"] += self.family != socket.AF_UNIX
        connect(self, address)

    return count


if __name__ == "__main__":
    sys.exit(main())
