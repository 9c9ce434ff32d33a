"""`middlewatch evaluate --mode model|both`: what a language model is worth, and the evaluation that gives it a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path

from middlewatch.evals.jobs import Failure
from middlewatch.evals.model_ablation import ModelAblation, ablate_models, answers_of, evaluation_of
from middlewatch.evals.model_tables import of_models
from middlewatch.evals.reasoned import Asking, Reasoned, kept_reasoned, reason_about_all
from middlewatch.frontends.cli.approval_desk import FACE, viewer
from middlewatch.frontends.cli.evaluating import announce, complain, write
from middlewatch.frontends.cli.output import application, print_record
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.reading import count as counted
from middlewatch.records.errors import BadInput, Refused
from middlewatch.settings import Settings


class Mode(StrEnum):
    """Who answers."""

    RULES = "rules"
    MODEL = "model"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ModelTask:
    """What was asked for on the command line."""

    recordings: Sequence[Path]
    asking: Asking
    mode: Mode
    jobs: int
    output: Path | None
    keep: Path | None
    """Where what was said is kept."""
    record: bool
    as_json: bool


def evaluate_models(task: ModelTask) -> tuple[Failure, ...]:
    """Ask, score, print, and record where that is wanted.

    Raises:
        Refused: it is to be recorded, and policy does not know who asks: that is found out before anything is paid for.
        BadInput: no recording has labels, or a file holds something else.
    """
    if task.record:
        _check_recording()
    for file, option in ((task.output, "--output"), (task.asking.keep, "--keep-dialogues")):
        _prepare(file, option)
    numbers = count(1)

    def on_answer(recording: Path, one: Reasoned) -> None:
        if task.keep is not None:
            write(task.keep, "a", one.model_dump_json() + "\n", "--assessments")
        cost = "price unknown" if one.dollars is None else f"${one.dollars:.4f}"
        announce(next(numbers), recording, one.incident, f"{counted(one.calls, 'call')}, {cost}", one.seconds)

    kept = kept_reasoned(task.keep) if task.keep is not None else ()
    found, failures = reason_about_all(
        task.recordings, Settings.load(), task.asking, kept=kept, jobs=task.jobs, on_answer=on_answer
    )
    complain(failures)
    if not found:
        return failures
    if task.output is not None:
        answers = answers_of(found, alone=task.mode is Mode.MODEL)
        write(task.output, "a", "".join(one.model_dump_json() + "\n" for one in answers), "--output")
    measured = ablate_models(found, task.asking)
    if task.as_json:
        print_record(measured)
    else:
        for line in of_models(measured).split("\n"):
            print_line(line)
    if task.record:
        _record(measured, found, failures)
    return failures


def _check_recording() -> None:
    """Find out now who may record it, and not when it is paid for."""
    with application() as app:
        try:
            app.model_weights.may_record(viewer(app))
        except Refused as error:
            message = f"--record gives a model its weight in the name of somebody whom policy knows. {error.message}"
            remedy = (
                f"{error.remedy} Or leave --record out: what --assessments keeps can be recorded later, and is not asked again."
            )
            raise Refused(message, remedy=remedy) from None


def _record(measured: ModelAblation, found: Sequence[Reasoned], failures: Sequence[Failure]) -> None:
    if failures:
        raise BadInput(
            f"It is not recorded: {counted(len(failures), 'recording')} could not be asked about.",
            remedy="Mend what is said above and run it again; --assessments keeps what was said.",
        )
    if not measured.trials:
        raise BadInput("It is not recorded: the model cannot be judged by what it said.", remedy="See why above.")
    with application() as app:
        kept = app.model_weights.record(evaluation_of(measured, found), viewer(app), face=FACE)
    print_line(f"Recorded: {quotation().named(kept.model)} is weighed by it from now on. See: middlewatch models weights", err=True)


def _prepare(file: Path | None, option: str) -> None:
    """Find out now whether it can be written, and not when it is paid for."""
    if file is None:
        return
    if option == "--keep-dialogues":
        try:
            file.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{file} cannot be made: {error.strerror}.", remedy=f"Choose another folder for {option}.") from None
    else:
        write(file, "w", "", option)
