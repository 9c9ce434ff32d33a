"""`middlewatch evaluate`."""

from __future__ import annotations

import errno
import json
import statistics
import sys
from pathlib import Path

import click

from middlewatch.evals.evaluation import evaluate as answer_all
from middlewatch.evals.evaluation import recordings_below
from middlewatch.frontends.cli.output import json_option
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.records import AgentName, Prediction
from middlewatch.records.errors import BadInput, Unavailable
from middlewatch.settings import Settings


class AgentNames(click.ParamType[tuple[AgentName, ...]]):
    """A comma-separated list of agents."""

    name = "agents"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[AgentName, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(AgentName(part.strip()) for part in str(value).split(",")))
        except ValueError:
            self.fail(f"{value!r} must be a comma-separated list of {', '.join(AgentName)}", param, ctx)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the predictions, one JSON line each."
)
@click.option(
    "--agents", type=AgentNames(), default=tuple(AgentName), help="Which agents take part, such as metrics,logs. All by default."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Recordings at a time; each takes a core and about 1 GB.",
)
@json_option
def evaluate(folder: Path, output: Path | None, agents: tuple[AgentName, ...], jobs: int, as_json: bool) -> None:
    """Answer every incident of every recording below FOLDER.

    A prediction is `{"incident", "ranking": [[service, score], ...], "confidence", "inconclusive", "seconds"}`. Labels are not
    read.

    \b
    Example:
      middlewatch evaluate evals/recordings --output predictions.jsonl --jobs 2
    """
    recordings = recordings_below(folder)
    answers: list[Prediction] = []
    if output is not None:
        _write(output, "w", "")

    def on_answer(recording: Path, prediction: Prediction) -> None:
        answers.append(prediction)
        if output is not None:  # at once, so that an interruption loses nothing
            _write(output, "a", prediction.model_dump_json() + "\n")
        say = quotation()
        outcome = (
            "inconclusive" if prediction.inconclusive else f"{say.quoted(prediction.ranking[0][0])} {prediction.confidence:.0%}"
        )
        where = f"{recording.relative_to(folder)}  {say.named(prediction.incident)}"
        print_line(f"{len(answers):4d}  {where}  {outcome}  {prediction.seconds:.1f} s", err=True)

    failures = answer_all(recordings, Settings.load(), agents=agents, jobs=jobs, on_answer=on_answer)
    for failure in failures:
        print_line(f"{failure.recording}: {failure.message}", err=True)
    summary = _summary(answers, len(recordings), len(failures))
    click.echo(json.dumps(summary) if as_json else _in_words(summary, output))
    if failures:
        sys.exit(failures[0].exit_code)


def _write(output: Path, mode: str, text: str) -> None:
    try:
        with output.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        problem = f"{output} cannot be written: {error.strerror}."
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Unavailable(problem, remedy="Free some space and run the command again.") from None
        raise BadInput(problem, remedy="Choose another file for --output.") from None


def _summary(answers: list[Prediction], recordings: int, failed: int) -> dict[str, float | int | None]:
    seconds = [a.seconds for a in answers]
    return {
        "recordings": recordings,
        "recordings_failed": failed,
        "incidents": len(answers),
        "findings": sum(not a.inconclusive for a in answers),
        "inconclusive": sum(a.inconclusive for a in answers),
        "seconds_median": round(statistics.median(seconds), 3) if seconds else None,
        "seconds_longest": max(seconds, default=None),
    }


def _in_words(summary: dict[str, float | int | None], output: Path | None) -> str:
    text = f"{summary['incidents']} incidents of {summary['recordings']} recordings: "
    text += f"{summary['findings']} findings, {summary['inconclusive']} inconclusive"
    if summary["seconds_median"] is not None:
        text += f"; {summary['seconds_median']:.1f} s at the median, {summary['seconds_longest']:.1f} s at the longest"
    if summary["recordings_failed"]:
        text += f"; {summary['recordings_failed']} recordings could not be answered in full"
    return text + (f"\npredictions in {output}" if output else "")
