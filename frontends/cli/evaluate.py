"""`middlewatch evaluate`."""

from __future__ import annotations

import errno
import json
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

import click

from middlewatch.evals import tables
from middlewatch.evals.ablation import ablate
from middlewatch.evals.assessing import Asked, assess_all
from middlewatch.evals.assessments import Assessed, kept_in, predicted
from middlewatch.evals.degradations import DEGRADATIONS
from middlewatch.evals.evaluation import predictions
from middlewatch.evals.jobs import Failure, Work, answer_all, recordings_below
from middlewatch.frontends.cli.output import json_option, print_record
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.reading import count as counted
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
            given = {AgentName(part.strip()) for part in str(value).split(",")}
        except ValueError:
            self.fail(f"{value!r} must be a comma-separated list of {', '.join(AgentName)}", param, ctx)
        return tuple(name for name in AgentName if name in given)


@click.command(epilog="\b\nDegradations:\n" + "\n".join(f"  {d.name:24s} {d.description}" for d in DEGRADATIONS.values()))
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path, file_okay=False))
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
@click.option("--score", is_flag=True, help="Score the answers of the agents' vote against the labels.")
@click.option(
    "--ablate", "ablation", is_flag=True, help="Score every agent alone, every set of them, and the vote, against the labels."
)
@click.option(
    "--assessments",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --score or --ablate: where to keep what the agents found. What is there already is not asked again, so remove the"
    " file after a change of an analysis.",
)
@click.option(
    "--moments-before",
    is_flag=True,
    help="With --score or --ablate: also ask about the moment before each fault, when nothing was wrong yet.",
)
@click.option(
    "--degrade",
    "degradations",
    multiple=True,
    type=click.Choice(list(DEGRADATIONS)),
    metavar="NAME",
    help="Degrade copies of the recordings before; may be given several times. The names are below.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Whatever a degradation draws is drawn from it.")
@json_option
def evaluate(
    folders: tuple[Path, ...],
    output: Path | None,
    agents: tuple[AgentName, ...],
    jobs: int,
    score: bool,
    ablation: bool,
    assessments: Path | None,
    moments_before: bool,
    degradations: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Answer every incident of every recording below the FOLDERs.

    A prediction is `{"incident", "ranking": [[service, score], ...], "confidence", "inconclusive", "seconds"}`. Labels are not
    read, but with --score or --ablate: then each agent is asked about every incident that has a label, one after the other, the
    votes are counted as in an investigation, and the answers are scored. --json prints all the figures.

    \b
    Examples:
      middlewatch evaluate evals/recordings --output predictions.jsonl --jobs 2
      middlewatch evaluate evals/recordings --ablate
      middlewatch evaluate evals/recordings --score --degrade no-logs --degrade clock-skew
    """
    scored = score or ablation
    if not scored and (assessments or moments_before):
        raise click.UsageError("--assessments and --moments-before need --score or --ablate.")
    recordings = recordings_below(*folders)
    if output is not None:
        _write(output, "w", "", "--output")
    if scored:
        asked = Asked(agents, ablation, degradations, seed, moments_before)
        failures = _score(recordings, asked, jobs=jobs, output=output, keep=assessments, as_json=as_json)
    else:
        work = partial(predictions, agents=agents, degradations=degradations, seed=seed)
        failures = _answer(recordings, work, jobs=jobs, output=output, as_json=as_json)
    if failures:
        sys.exit(failures[0].exit_code)


def _answer(
    recordings: Sequence[Path], work: Work[Prediction], *, jobs: int, output: Path | None, as_json: bool
) -> tuple[Failure, ...]:
    answers: list[Prediction] = []

    def on_answer(recording: Path, prediction: Prediction) -> None:
        answers.append(prediction)
        if output is not None:  # at once, so that an interruption loses nothing
            _write(output, "a", prediction.model_dump_json() + "\n", "--output")
        say = quotation()
        outcome = (
            "inconclusive" if prediction.inconclusive else f"{say.quoted(prediction.ranking[0][0])} {prediction.confidence:.0%}"
        )
        _announce(len(answers), recording, prediction.incident, outcome, prediction.seconds)

    failures = answer_all(recordings, Settings.load(), work, jobs=jobs, on_answer=on_answer)
    _complain(failures)
    summary = _summary(answers, len(recordings), len(failures))
    click.echo(json.dumps(summary) if as_json else _in_words(summary, output))
    return failures


def _score(
    recordings: Sequence[Path], asked: Asked, *, jobs: int, output: Path | None, keep: Path | None, as_json: bool
) -> tuple[Failure, ...]:
    numbers = count(1)

    def on_answer(recording: Path, incident: Assessed) -> None:
        if keep is not None:
            _write(keep, "a", incident.model_dump_json() + "\n", "--assessments")
        seconds = sum(found.seconds for of_round in incident.rounds for found in of_round.values())
        _announce(next(numbers), recording, incident.incident, f"{len(asked.agents)} agents asked", seconds)

    kept = kept_in(keep) if keep is not None else ()
    found, failures = assess_all(recordings, Settings.load(), asked, kept=kept, jobs=jobs, on_answer=on_answer)
    _complain(failures)
    if not found:
        return failures
    if output is not None:
        _write(output, "a", "".join(predicted(each, asked.agents).model_dump_json() + "\n" for each in found), "--output")
    measured = ablate(found, asked)
    if as_json:
        print_record(measured)
    else:
        for line in tables.everything(measured).split("\n"):
            print_line(line)
    return failures


def _announce(number: int, recording: Path, incident: str, outcome: str, seconds: float) -> None:
    print_line(f"{number:4d}  {recording}  {quotation().named(incident)}  {outcome}  {seconds:.1f} s", err=True)


def _complain(failures: Sequence[Failure]) -> None:
    for failure in failures:
        print_line(f"{failure.recording}: {failure.message}", err=True)


def _write(file: Path, mode: str, text: str, option: str) -> None:
    try:
        with file.open(mode, encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        problem = f"{file} cannot be written: {error.strerror}."
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Unavailable(problem, remedy="Free some space and run the command again.") from None
        raise BadInput(problem, remedy=f"Choose another file for {option}.") from None


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
    incidents, recordings, findings, failed = (
        counted(int(summary[f"{noun}s{rest}"] or 0), noun)
        for noun, rest in (("incident", ""), ("recording", ""), ("finding", ""), ("recording", "_failed"))
    )
    text = f"{incidents} of {recordings}: {findings}, {summary['inconclusive']} inconclusive"
    if summary["seconds_median"] is not None:
        text += f"; {summary['seconds_median']:.1f} s at the median, {summary['seconds_longest']:.1f} s at the longest"
    if summary["recordings_failed"]:
        text += f"; {failed} could not be answered in full"
    return text + (f"\npredictions in {output}" if output else "")
