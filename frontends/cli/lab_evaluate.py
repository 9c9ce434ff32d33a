"""`middlewatch lab evaluate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.evals.lab.evaluation.matrix import plans
from middlewatch.evals.lab.run import Progress, record_all
from middlewatch.evals.lab.truth import read_truth
from middlewatch.frontends.cli.output import json_option
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.records.errors import BadInput, Unavailable
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.evals.lab.evaluation.answers import LabAnswer

ANSWERS_FILE = "answers.jsonl"


def evaluate_command(show: Callable[[Progress], None]) -> click.Command:
    """The command, which shows the progress of recordings as its siblings do."""

    @click.command()
    @click.option("--seeds", default=1, show_default=True, type=click.IntRange(1, 1000), help="How many passes of the matrix.")
    @click.option("--first-seed", default=1, show_default=True, type=click.IntRange(1), help="The seed of the first pass.")
    @click.option(
        "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of recordings and answers."
    )
    @click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 64), help="Recordings investigated at a time.")
    @click.option("--record-only", is_flag=True, help="Record, and investigate nothing yet.")
    @click.option("--answer-only", is_flag=True, help="Investigate what is recorded, and record nothing.")
    @json_option
    def evaluate(seeds: int, first_seed: int, output: Path, jobs: int, record_only: bool, answer_only: bool, as_json: bool) -> None:
        """Record faults and false alarms, and score the answers. Every fault in its services, under several loads.

        A pass takes about an hour. Recordings and answers that exist are kept, so the same command goes on where it was stopped;
        remove answers.jsonl to ask again. `scripts/publish_lab_incidents.py` writes the figures into the documentation.

        \b
        Examples:
          middlewatch lab evaluate --seeds 2 --output /tmp/matrix
          middlewatch lab evaluate --seeds 2 --output /tmp/matrix --jobs 2 --json
          middlewatch lab evaluate --output /tmp/matrix --answer-only
        """
        if record_only and answer_only:
            raise BadInput("--record-only and --answer-only together leave nothing to do.", remedy="Give one of them.")
        if answer_only and not any(output.glob("*/truth.json")):
            raise BadInput(f"There is no recording of a matrix in {output}.", remedy="Name the folder in which some were recorded.")
        problem: Unavailable | None = None
        try:
            if not answer_only:
                record_all(output, plans(seeds, first=first_seed), show)
        except Unavailable as error:  # some could not be recorded; what could is scored
            problem = error
            print_line(error.message, err=True)
        if not record_only:
            _answer(output, jobs=jobs, as_json=as_json)
        if problem is not None:
            raise problem

    return evaluate


def _answer(output: Path, *, jobs: int, as_json: bool) -> None:
    """Investigate what was not investigated yet, and print the figures of everything.

    Each answer is written at once, so that nothing but a recording that was begun is asked again where somebody stopped.
    """
    from middlewatch.evals.jobs import answer_all  # noqa: PLC0415  the application takes a second to import, and no --help needs it
    from middlewatch.evals.lab.evaluation import scores  # noqa: PLC0415
    from middlewatch.evals.lab.evaluation.answers import answers  # noqa: PLC0415

    kept = output / ANSWERS_FILE
    known, recorded = read_answers(kept), sorted(file.parent for file in output.glob("*/truth.json"))
    asked = [folder for folder in recorded if not _is_answered(folder, known)]
    known = [answer for answer in known if answer.recording not in {folder.name for folder in asked}]
    _write(kept, known)

    def on_answer(recording: Path, answer: LabAnswer) -> None:
        known.append(answer)
        with kept.open("a", encoding="utf-8") as file:
            file.write(answer.model_dump_json() + "\n")
        said = ", ".join(answer.prediction.causes) or "inconclusive"
        print_line(f"{recording.name}  {answer.truth.name}: {said}, {answer.seconds_to_cause:.1f} s", err=True)

    failures = answer_all(asked, Settings.load(), answers, jobs=jobs, on_answer=on_answer)
    incomplete = {failure.recording.name for failure in failures}
    whole = [answer for answer in known if answer.recording not in incomplete]
    _write(kept, whole)
    for failure in failures:
        print_line(f"{failure.recording.name}: {failure.message}", err=True)
    if as_json:
        click.echo(json.dumps([answer.model_dump(mode="json") for answer in whole], indent=1))
        return
    for table in (scores.overview, scores.times, scores.by_load, scores.by_fault, scores.misses):
        for line in table(whole).splitlines():
            print_line(line)
        print_line("")


def _is_answered(recording: Path, known: Sequence[LabAnswer]) -> bool:
    """Whether every incident and every quiet moment of a recording has an answer."""
    truth = read_truth(recording)
    wanted = {incident.incident for incident in truth.incidents} | {moment.id for moment in truth.quiet}
    return wanted == {answer.truth.incident for answer in known if answer.recording == recording.name}


def _write(file: Path, answers: Sequence[LabAnswer]) -> None:
    file.write_text("".join(answer.model_dump_json() + "\n" for answer in answers), encoding="utf-8")


def read_answers(file: Path) -> list[LabAnswer]:
    """What was answered before."""
    from middlewatch.evals.lab.evaluation.answers import LabAnswer  # noqa: PLC0415  likewise

    if not file.exists():
        return []
    return [LabAnswer.model_validate_json(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
