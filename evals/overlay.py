"""Lay changes over recordings of real faults, and measure which of them are blamed: `python -m middlewatch.evals.overlay`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
from pydantic import ValidationError

from middlewatch.evals.jobs import Failure, answer_all, recordings_below
from middlewatch.evals.overlay_measuring import answers
from middlewatch.evals.overlay_recording import write_overlay
from middlewatch.evals.overlay_scores import Answered, measure, tables
from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.settings import Settings


def answered(
    folders: Sequence[Path], settings: Settings, *, seeds: int = 1, jobs: int = 1, on_case: Callable[[Answered], None]
) -> tuple[Failure, ...]:
    """Investigate every case of every recording below the folders.

    Args:
        folders: with recordings that have labels.
        settings: the back ends and bounds to use.
        seeds: how many times everything is drawn.
        jobs: recordings at a time.
        on_case: called for each case, as soon as it is answered.

    Returns:
        The recordings that could not be answered in full.
    """
    work = partial(answers, seeds=seeds)
    return answer_all(recordings_below(*folders), settings, work, jobs=jobs, on_answer=lambda _recording, case: on_case(case))


EXAMPLES = {
    "measure": "python -m middlewatch.evals.overlay measure recordings --seeds 2 --jobs 2",
    "tables": "python -m middlewatch.evals.overlay tables monday.jsonl tuesday.jsonl",
    "write": "python -m middlewatch.evals.overlay write recordings/monday /tmp/monday-with-deploys --seed 3",
}


@click.group(epilog="\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES.values()))
def main() -> None:
    """Semi-synthetic deploys: changes laid over recordings of real faults."""


@main.command("measure", epilog=f"\b\nExample:\n  {EXAMPLES['measure']}")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many times everything is drawn.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Recordings at a time.")
@click.option("--cases", type=click.Path(path_type=Path, dir_okay=False), help="Where to append every case, one JSON line each.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def measure_command(folders: tuple[Path, ...], seeds: int, jobs: int, cases: Path | None, as_json: bool) -> None:  # noqa: FBT001  an option
    """Investigate every labelled incident with a true deploy and decoys, with decoys only, and without changes.

    In recordings with changes of their own, these are taken as they are and nothing is laid over them.
    """
    found: list[Answered] = []

    def on_case(case: Answered) -> None:
        found.append(case)
        if cases is not None:
            with cases.open("a", encoding="utf-8") as file:
                file.write(case.model_dump_json() + "\n")
        blamed = ", ".join(change.role for change in case.blamed) or "no change"
        click.echo(f"{len(found):4d}  {case.system}  {case.incident}  {case.sort}  blamed: {blamed}", err=True)

    failures = answered(folders, Settings.load(), seeds=seeds, jobs=jobs, on_case=on_case)
    _show(found, as_json=as_json)
    for failure in failures:
        click.echo(f"{failure.recording}: {failure.message}", err=True)
    if failures:
        sys.exit(failures[0].exit_code)


@main.command("tables", epilog=f"\b\nExample:\n  {EXAMPLES['tables']}")
@click.argument("files", nargs=-1, required=True, metavar="CASES...", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def tables_command(files: tuple[Path, ...], as_json: bool) -> None:  # noqa: FBT001  an option
    """Count what `measure --cases` has written, in one run or in several."""
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n") if line]
    try:
        found = [Answered.model_validate_json(line) for line in lines]
    except ValidationError:
        raise BadInput("Not every line is a case of this version.", remedy="Measure again.") from None
    _show(found, as_json=as_json)


def _show(found: Sequence[Answered], *, as_json: bool) -> None:
    counted = measure(sorted(found, key=lambda case: (case.system, case.incident, case.sort, case.seed)))
    click.echo(counted.model_dump_json(indent=1) if as_json else tables(counted))


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
