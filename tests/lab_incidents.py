"""The incidents of the lab that are kept in the tree, and what the answer to each has to be.

They were chosen by kind: of each kind of cause, of each false alarm, and of two faults at once, the first that seed 1 of the matrix
recorded, whatever the answer to it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from middlewatch.evals.lab.evaluation.answers import LabAnswer
from tests.acceptance.command import environment

ROOT = Path(__file__).parents[1] / "evals" / "recordings" / "lab-incidents"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a finding has to say; an incident without a cause is to be inconclusive."""

    cause: str = ""
    """The first service that is named; one of the true ones, where there are two."""
    deploy: bool = False
    """Whether a deploy of it is to be blamed."""
    missed: str = ""
    """Why another answer is given as yet; empty where the answer is right."""


EXPECTED: Mapping[str, Expected] = {
    "quiet": Expected(),
    "innocent-deploy": Expected(),
    "surge": Expected(),
    "two-at-once": Expected("checkout", deploy=True),
    "slow-path": Expected("inventory", deploy=True),
    "exception": Expected("payment", deploy=True),
    "wrong-result": Expected("inventory", deploy=True),
    "configuration": Expected("checkout"),
    "network": Expected("catalogue"),
    "load": Expected("gateway"),
    "data": Expected("notifications"),
    "dependency": Expected("payment"),
    "infrastructure": Expected("inventory"),
    "saturation": Expected("catalogue"),
}
IN_THE_SUITE = ("innocent-deploy", "configuration", "slow-path", "network")
"""A false alarm, a change of settings, a deploy and no change: all of them take a minute of one core (`make replay-lab`)."""


def answered(names: Sequence[str], data: Path) -> dict[str, LabAnswer]:
    """Replay them in a process of its own: one that already holds a telemetry store can open no other."""
    command = [sys.executable, "-m", "middlewatch.evals.lab.evaluation.replay", *(str(ROOT / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(data))
    answers = (LabAnswer.model_validate(json.loads(line)) for line in done.stdout.splitlines())
    return {answer.recording: answer for answer in answers}


def is_right(answer: LabAnswer, expected: Expected) -> bool:
    """Whether the answer is what it has to be: the service, and no deploy but the one to blame."""
    deploys = {each.service for each in answer.blamed if each.kind == "deploy"}
    return answer.prediction.causes[:1] == ((expected.cause,) if expected.cause else ()) and deploys == (
        {expected.cause} if expected.deploy else set()
    )
