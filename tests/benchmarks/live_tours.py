"""How the closed loop keeps its goals: tours of the lab, unattended, one after the other; every one of them is told.

`python -m tests.benchmarks.live_tours --tours 5`; about three minutes each, on a machine that does nothing else. Exits with 1
where one did not close, blamed anything but the truth, or missed a goal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from middlewatch.evals.lab.telling import PROGRAM
from middlewatch.evals.tables import markdown_table

HEADER = ("fault", "alert of", "alert after the first effect", "cause after the alert", "roll back after the approval")
MORE = ("recovery seen after the roll back", "the truth was blamed", "closed", "all of it", "load before")


def tour(number: int, fault: str, arguments: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """One tour: what it told, and its row."""
    load, began = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        environment = {**os.environ, "MIDDLEWATCH_DATA_DIR": str(Path(folder) / "data")}
        command = (*PROGRAM, "lab", "tour", "--unattended", "--json", "--fault", fault, "--seed", str(number), *arguments)
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    took = time.monotonic() - began
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"problem": f"exit code {done.returncode}"}, [fault, *["-"] * 7, f"{took:.0f} s", f"{load:.1f}"]
    alert, cause, executed, recovered = ("-" if goal["took_seconds"] is None else goal["took_seconds"] for goal in told["goals"])
    seconds = [f"{each} s" for each in (alert, cause, executed, recovered)]
    right, closed = ("yes" if told[name] else "no" for name in ("right", "closed"))
    return told, [fault, told["sender"] or "-", *seconds, right, closed, f"{took:.0f} s", f"{load:.1f}"]


def problems_of(told: Mapping[str, Any]) -> list[str]:
    """Why a tour is not what is promised, in words; empty where it is."""
    if told.get("problem"):
        return [str(told["problem"])]
    blamed = " ".join(filter(None, (told["blamed"], told["blamed_change"]))) or "nothing"
    wrong = [] if told["right"] else [f"blamed {blamed}, and it was {told['truth']}"]
    return wrong + [f"missed: {goal['name']} ({goal['took_seconds']} s)" for goal in told["goals"] if not goal["met"]]


@click.command()
@click.option("--tours", default=3, show_default=True, type=click.IntRange(1, 100), help="How many of each fault.")
@click.option("--fault", "faults", default=("missing-market",), show_default=True, multiple=True, help="Which; may be repeated.")
@click.argument("arguments", nargs=-1)
def main(tours: int, faults: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    """Run tours; ARGUMENTS go to each, after `--`."""
    rows, problems = [], []
    for number in range(1, tours + 1):
        for fault in faults:
            told, row = tour(number, fault, arguments)
            rows.append(row)
            click.echo(" | ".join(row), err=True)
            problems += [f"- {fault}, seed {number}: {problem}" for problem in problems_of(told)]
    click.echo(markdown_table([*HEADER, *MORE], rows))
    click.echo("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
