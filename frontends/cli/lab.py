"""`middlewatch lab`."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click

from middlewatch.evals.lab.faults import DECOYS_TOLD, QUIET, SUITE
from middlewatch.evals.lab.faults import faults as known_faults
from middlewatch.evals.lab.run import Progress, record_suite
from middlewatch.evals.lab.run import record as record_plan
from middlewatch.evals.lab.schedule import Plan, suite
from middlewatch.evals.lab.shop import ShopOptions
from middlewatch.frontends.cli.lab_evaluate import evaluate_command
from middlewatch.frontends.cli.lab_live import COMMANDS
from middlewatch.frontends.cli.lab_tour import tour
from middlewatch.frontends.cli.output import json_option
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.records import Incident, RecordingInfo
from middlewatch.records.errors import BadInput

ALL = "all"
_PER_RECORDING = 4


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """A small shop of real services, really broken: toured, live, recorded or evaluated.

    \b
    Examples:
      middlewatch lab faults
      middlewatch lab up --detach
      middlewatch lab fault missing-market
      middlewatch lab record --fault dropped-index --output /tmp/shop
    """


for live in (*COMMANDS, tour):
    lab.add_command(live)


@lab.command()
@json_option
def faults(as_json: bool) -> None:
    """List the faults, and what kind of cause each of them is.

    \b
    Example:
      middlewatch lab faults
    """
    if as_json:
        rows = [{"name": f.name, "kind": f.kind.value, "description": f.description} for f in known_faults()]
        click.echo(json.dumps(rows, indent=1))
        return
    for fault in known_faults():
        click.echo(f"{fault.name:18s} {fault.kind.value:20s} {fault.description}")
    for name, words in DECOYS_TOLD.items():
        click.echo(f"{name:18s} {'none':20s} {words}")


@lab.command()
@click.option(
    "--fault",
    "chosen",
    required=True,
    multiple=True,
    help="One of `middlewatch lab faults`, or several joined by + that happen at once. Several of these options make one"
    f" recording with an incident for each. `{ALL}` records every fault, some pairs and some false alarms, a few to a recording.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write; empty or absent.")
@click.option(
    "--baseline",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="Healthy seconds before the first fault. On a disturbed machine there are more.",
)
@click.option("--recovery", default=45.0, show_default=True, type=click.FloatRange(min=1), help="The same before each later one.")
@click.option("--incident", default=90.0, show_default=True, type=click.FloatRange(min=1), help="How long to wait for the alert.")
@click.option("--rate", default=10.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Requests per second.")
@click.option("--seed", default=1, show_default=True, type=int, help="What customers do, and all chance, is drawn from it.")
@json_option
def record(
    chosen: tuple[str, ...],
    output: Path,
    baseline: float,
    recovery: float,
    incident: float,
    rate: float,
    seed: int,
    as_json: bool,
) -> None:
    """Run the shop in real time, break it, and write the recording. Needs the extra `lab` and redis-server.

    Healthy time goes before each fault, with harmless deploys in it. A fault lasts until 20 s after the alert, and is then
    taken back. With `--fault all` each recording gets a folder of its own below the output; those that exist are kept, so that
    an interrupted run can be continued.

    \b
    Examples:
      middlewatch lab record --fault dropped-index --output /tmp/shop --baseline 120
      middlewatch lab record --fault bad-prices --fault quiet --fault one-by-one+bad-canary --output /tmp/shop
      middlewatch lab record --fault all --output /tmp/shops --seed 2      (takes about three quarters of an hour)
    """
    healthy = Plan(
        (QUIET,),
        baseline_seconds=baseline,
        recovery_seconds=recovery,
        incident_seconds=incident,
        shop=ShopOptions(requests_per_second=rate, seed=seed),
    )
    folders = _record(chosen, healthy, output)
    if sys.stderr.isatty():
        click.echo(err=True)
    if as_json:
        recorded = [_recorded(folder) for folder in folders]
        click.echo(json.dumps(recorded if ALL in chosen else recorded[0], indent=1))
        return
    for folder in folders:
        print_line(str(folder))
    print_line(f"Investigate it with: {' '.join(program())} investigate --recording {shlex.quote(str(folders[0]))}")


def _record(chosen: tuple[str, ...], healthy: Plan, output: Path) -> list[Path]:
    """Record the chosen faults, which go into the plan; every fault, in several recordings of different seeds."""
    if ALL not in chosen:
        return [record_plan(output, replace(healthy, incidents=chosen), _show)]
    if chosen != (ALL,):
        raise BadInput(f"--fault {ALL} goes with no other.", remedy="Leave the others out.")
    seed = healthy.shop.seed
    plans = [
        replace(healthy, incidents=incidents, shop=replace(healthy.shop, seed=100 * seed + number))
        for number, incidents in enumerate(suite(SUITE, seed=seed, each=_PER_RECORDING), start=1)
    ]
    return record_suite(output, plans, _show)


def _recorded(folder: Path) -> dict[str, object]:
    """The folder and what was recorded, without the labels: what is printed is what an investigator may know."""
    info = RecordingInfo.model_validate_json((folder / "recording.json").read_text(encoding="utf-8"))
    lines = (folder / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
    incidents = [Incident.model_validate_json(line).model_dump(mode="json") for line in lines]
    return {"folder": str(folder), "recording": info.model_dump(mode="json"), "incidents": incidents}


def _show(progress: Progress) -> None:
    line = f"{progress.elapsed_seconds:6.0f} of {progress.total_seconds:.0f} s  {progress.message}"
    if sys.stderr.isatty():
        click.echo(f"\r{line}\x1b[K", nl=False, err=True)
    else:
        click.echo(line, err=True)


lab.add_command(evaluate_command(_show))
