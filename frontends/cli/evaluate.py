"""`middlewatch evaluate`."""

from __future__ import annotations

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
from middlewatch.evals.reasoned import Asking
from middlewatch.frontends.cli.evaluate_models import Mode, ModelTask, evaluate_models
from middlewatch.frontends.cli.evaluating import announce, complain, write
from middlewatch.frontends.cli.output import json_option, print_record
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.reading import count as counted
from middlewatch.records import AgentName, Prediction
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
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.RULES.value,
    show_default=True,
    help="Who answers. A language model's answers are always scored: model is it alone, both is its votes beside the rules'.",
)
@click.option("--model", metavar="ID", default="", help="Which one of models.toml; by default the one that investigations ask.")
@click.option("--mask", is_flag=True, help="Hide services' names, and times, from the model: it may know public recordings.")
@click.option("--record", is_flag=True, help="Keep it as the evaluation that gives the model its weight. With --mode both.")
@click.option(
    "--keep-dialogues",
    "keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Record here what the model is asked and says.",
)
@click.option(
    "--dialogues",
    "said",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Take what the model says from here; none is asked.",
)
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
    mode: str,
    model: str,
    mask: bool,
    record: bool,
    keep: Path | None,
    said: Path | None,
    as_json: bool,
) -> None:
    """Answer every incident of every recording below the FOLDERs.

    A prediction is `{"incident", "ranking": [[service, score], ...], "confidence", "inconclusive", "seconds"}`. Labels are not
    read, but with --score or --ablate: then each agent is asked about every incident that has a label, one after the other, the
    votes are counted as in an investigation, and the answers are scored. --json prints all the figures.

    With --mode both a language model is asked as well (docs/voting.md): single agents, the vote of rules, and both voices with and
    without the challenger are scored, with calls, tokens, dollars and seconds. --assessments keeps what it said, which is not asked
    and paid again.

    \b
    Examples:
      middlewatch evaluate evals/recordings --output predictions.jsonl --jobs 2
      middlewatch evaluate evals/recordings --ablate
      middlewatch evaluate evals/recordings --score --degrade no-logs --degrade clock-skew
      middlewatch evaluate evals/recordings --mode both --model fast --mask --assessments said.jsonl --record
    """
    asking = Asking(model, said, keep, mask, degradations, seed)
    if Mode(mode) is not Mode.RULES:
        _check_models(Mode(mode), asking, agents, moments_before=moments_before, record=record)
        task = ModelTask(recordings_below(*folders), asking, Mode(mode), jobs, output, assessments, record, as_json)
        _exit(evaluate_models(task))
        return
    if asking != Asking(degradations=degradations, seed=seed) or record:
        raise click.UsageError("--model, --mask, --record, --dialogues and --keep-dialogues need --mode model or both.")
    scored = score or ablation
    if not scored and (assessments or moments_before):
        raise click.UsageError("--assessments and --moments-before need --score or --ablate.")
    recordings = recordings_below(*folders)
    if output is not None:
        write(output, "w", "", "--output")
    if scored:
        asked = Asked(agents, ablation, degradations, seed, moments_before)
        failures = _score(recordings, asked, jobs=jobs, output=output, keep=assessments, as_json=as_json)
    else:
        work = partial(predictions, agents=agents, degradations=degradations, seed=seed)
        failures = _answer(recordings, work, jobs=jobs, output=output, as_json=as_json)
    _exit(failures)


def _check_models(mode: Mode, asking: Asking, agents: tuple[AgentName, ...], *, moments_before: bool, record: bool) -> None:
    if moments_before or set(agents) != set(AgentName):
        raise click.UsageError("--moments-before and --agents are for --mode rules.")
    if record and mode is not Mode.BOTH:
        raise click.UsageError("--record needs --mode both.")
    if asking.keep is not None and asking.said is not None:
        raise click.UsageError("Give --dialogues or --keep-dialogues.")


def _exit(failures: Sequence[Failure]) -> None:
    if failures:
        sys.exit(failures[0].exit_code)


def _answer(
    recordings: Sequence[Path], work: Work[Prediction], *, jobs: int, output: Path | None, as_json: bool
) -> tuple[Failure, ...]:
    answers: list[Prediction] = []

    def on_answer(recording: Path, prediction: Prediction) -> None:
        answers.append(prediction)
        if output is not None:  # at once, so that an interruption loses nothing
            write(output, "a", prediction.model_dump_json() + "\n", "--output")
        say = quotation()
        outcome = (
            "inconclusive" if prediction.inconclusive else f"{say.quoted(prediction.ranking[0][0])} {prediction.confidence:.0%}"
        )
        announce(len(answers), recording, prediction.incident, outcome, prediction.seconds)

    failures = answer_all(recordings, Settings.load(), work, jobs=jobs, on_answer=on_answer)
    complain(failures)
    summary = _summary(answers, len(recordings), len(failures))
    click.echo(json.dumps(summary) if as_json else _in_words(summary, output))
    return failures


def _score(
    recordings: Sequence[Path], asked: Asked, *, jobs: int, output: Path | None, keep: Path | None, as_json: bool
) -> tuple[Failure, ...]:
    numbers = count(1)

    def on_answer(recording: Path, incident: Assessed) -> None:
        if keep is not None:
            write(keep, "a", incident.model_dump_json() + "\n", "--assessments")
        seconds = sum(found.seconds for of_round in incident.rounds for found in of_round.values())
        announce(next(numbers), recording, incident.incident, f"{len(asked.agents)} agents asked", seconds)

    kept = kept_in(keep) if keep is not None else ()
    found, failures = assess_all(recordings, Settings.load(), asked, kept=kept, jobs=jobs, on_answer=on_answer)
    complain(failures)
    if not found:
        return failures
    if output is not None:
        write(output, "a", "".join(predicted(each, asked.agents).model_dump_json() + "\n" for each in found), "--output")
    measured = ablate(found, asked)
    if as_json:
        print_record(measured)
    else:
        for line in tables.everything(measured).split("\n"):
            print_line(line)
    return failures


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
