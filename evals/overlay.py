"""Lay changes over recordings of real faults, and measure which of them are blamed: `python -m middlewatch.evals.overlay`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from middlewatch.evals.jobs import Failure, answer_all, recordings_below
from middlewatch.evals.overlay_measuring import answers
from middlewatch.evals.overlay_recording import write_overlay
from middlewatch.evals.overlay_scores import Answered, Measured, measure, tables
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings


def measured(folders: Sequence[Path], settings: Settings, *, seeds: int = 1, jobs: int = 1) -> tuple[Measured, tuple[Failure, ...]]:
    """Measure on every recording below the folders.

    Args:
        folders: with recordings that have labels and no changes of their own.
        settings: the back ends and bounds to use.
        seeds: how many times everything is drawn.
        jobs: recordings at a time.
    """
    found: list[Answered] = []

    def on_answer(recording: Path, case: Answered) -> None:
        found.append(case)
        blamed = ", ".join(change.role.value for change in case.blamed) or "no change"
        click.echo(f"{len(found):4d}  {recording.name}  {case.incident}  {case.sort.value}  blamed: {blamed}", err=True)

    failures = answer_all(recordings_below(*folders), settings, partial(answers, seeds=seeds), jobs=jobs, on_answer=on_answer)
    ordered = sorted(found, key=lambda case: (case.system, case.incident, case.sort, case.seed))
    return measure(ordered, seeds), failures


EXAMPLES = {
    "measure": "python -m middlewatch.evals.overlay measure recordings --seeds 2 --jobs 2",
    "write": "python -m middlewatch.evals.overlay write recordings/monday /tmp/monday-with-deploys --seed 3",
}


@click.group(epilog="\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES.values()))
def main() -> None:
    """Semi-synthetic deploys: changes laid over recordings of real faults."""


@main.command("measure", epilog=f"\b\nExample:\n  {EXAMPLES['measure']}")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many times everything is drawn.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Recordings at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def measure_command(folders: tuple[Path, ...], seeds: int, jobs: int, as_json: bool) -> None:  # noqa: FBT001  an option
    """Investigate every labelled incident with a true deploy and decoys, with decoys only, and without changes.

    The recordings must have no changes of their own.
    """
    result, failures = measured(folders, Settings.load(), seeds=seeds, jobs=jobs)
    click.echo(result.model_dump_json(indent=1) if as_json else tables(result))
    for failure in failures:
        click.echo(f"{failure.recording}: {failure.message}", err=True)
    if failures:
        sys.exit(failures[0].exit_code)


@main.command("write", epilog=f"\b\nExample:\n  {EXAMPLES['write']}")
@click.argument("recording", type=click.Path(path_type=Path, file_okay=False))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=0, show_default=True, help="Everything is drawn from it.")
def write_command(recording: Path, output: Path, seed: int) -> None:
    """Copy RECORDING to OUTPUT with changes; which of them are innocent is in its overlay.jsonl.

    Only incidents that are 45 minutes apart keep their labels; another seed chooses others.
    """
    placed = write_overlay(recording, output, seed)
    click.echo(f"{len(placed)} changes around {len({change.incident for change in placed})} incidents in {output}")


def run() -> None:
    """Run the command; errors are told as sentences."""
    try:
        main(prog_name="python -m middlewatch.evals.overlay")
    except MiddlewatchError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
