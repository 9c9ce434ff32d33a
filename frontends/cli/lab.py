"""`middlewatch lab`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from middlewatch.evals.lab.faults import faults as known_faults
from middlewatch.evals.lab.run import Progress
from middlewatch.evals.lab.run import record as record_fault
from middlewatch.frontends.cli.output import json_option
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.records import Incident, RecordingInfo


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """Run a small shop of real services with a real fault and record it.

    \b
    Example:
      middlewatch lab record --fault dropped-index --output /tmp/shop
    """


@lab.command()
@json_option
def faults(as_json: bool) -> None:
    """List the faults.

    \b
    Example:
      middlewatch lab faults
    """
    if as_json:
        click.echo(json.dumps([{"name": f.name, "description": f.description} for f in known_faults()], indent=1))
        return
    for fault in known_faults():
        click.echo(f"{fault.name:16s} {fault.description}")


@lab.command()
@click.option("--fault", required=True, help="One of `middlewatch lab faults`.")
@click.option("--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write; empty or absent.")
@click.option(
    "--baseline", default=780.0, show_default=True, type=click.FloatRange(min=1), help="Healthy seconds before the fault."
)
@click.option("--incident", default=180.0, show_default=True, type=click.FloatRange(min=1), help="Seconds after the fault.")
@click.option("--rate", default=10.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Requests per second.")
@click.option("--seed", default=1, show_default=True, type=int, help="What customers do is drawn from it.")
@json_option
def record(fault: str, output: Path, baseline: float, incident: float, rate: float, seed: int, as_json: bool) -> None:
    """Run the shop in real time, break it, and write the recording. Needs the extra `lab` and redis-server.

    \b
    Example:
      middlewatch lab record --fault dropped-index --output /tmp/shop --baseline 120 --incident 90
    """
    folder = record_fault(
        output,
        fault=fault,
        baseline_seconds=baseline,
        incident_seconds=incident,
        requests_per_second=rate,
        seed=seed,
        on_progress=_show,
    )
    if sys.stderr.isatty():
        click.echo(err=True)
    if as_json:
        click.echo(json.dumps(_recorded(folder), indent=1))
        return
    print_line(str(folder))
    print_line(f"Investigate it with: middlewatch investigate --recording {folder}")


def _recorded(folder: Path) -> dict[str, object]:
    """The folder and what was recorded, without the label: what is printed is what an investigator may know."""
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
