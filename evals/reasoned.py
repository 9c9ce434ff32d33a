"""Ask rules and a language model about every incident once, and keep what each said: whatever they add up to follows from that.

An investigation runs as it does for a user, through the same worker, store and budgets. In the store that it runs in no model was
evaluated, so none's vote has a weight there, and what the report says is what rules say alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import Field, ValidationError

from middlewatch.agents.language_model.prices import listed_price
from middlewatch.agents.language_model.recorded import RecordedModel, RecordingModel
from middlewatch.agents.language_model.seam import LanguageModel
from middlewatch.agents.phases import assessments, round_of
from middlewatch.alerts import incident_alert
from middlewatch.app import App, open_app
from middlewatch.evals.degradations import named
from middlewatch.evals.degrade import degraded
from middlewatch.evals.evaluation import prediction_of
from middlewatch.evals.jobs import Failure, answer_all
from middlewatch.evals.labels import Label, read_labels
from middlewatch.evals.masking import Mask, masked
from middlewatch.models import BudgetEntry, Models, Opened
from middlewatch.records import (
    AgentName,
    Assessment,
    CallOutcome,
    Challenge,
    Hypothesis,
    ImportedRecording,
    Incident,
    ModelWork,
    Prediction,
    Record,
    Report,
    Snapshot,
    TaskKind,
    Tokens,
    Vote,
    digest_of,
)
from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.settings import Settings
from middlewatch.telemetry.recordings import recording_digest


class Reasoned(Record):
    """One incident, as rules and a model saw it. Services have their own names, also where they were masked."""

    recording: str = Field(description="as it was asked about: its name, and the digest of all that matters")
    system: str
    incident: str
    label: Label = Field(description="joined afterwards; nobody was given it")
    provider: str = ""
    model: str = Field(default="", description="the provider's own name of it")
    rules: Prediction = Field(description="what rules alone answer")
    round: int = Field(default=1, ge=1)
    hypotheses: tuple[Hypothesis, ...] = Field(description="of the round that models looked at, by the rules' rank")
    votes: tuple[Vote, ...] = Field(description="on them, of both voices")
    found: Mapping[AgentName, Assessment] = Field(description="by rules, in that round; without its anomalies")
    challenge: Challenge | None = None
    calls: int = Field(default=0, ge=0)
    unanswered: int = Field(default=0, ge=0)
    tokens: Tokens = Tokens()
    dollars: float | None = Field(default=0.0, description="null where the price is not known")
    seconds: float = Field(ge=0.0, description="of the whole investigation")
    problems: tuple[str, ...] = Field(default=(), description="what models gave up, and why")


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of each recording, and which model."""

    model: str = ""
    """A section of models.toml, or the provider's name of its model; the one that investigations ask where it is empty."""
    said: Path | None = None
    """A folder of dialogues that were recorded; no model is asked then."""
    keep: Path | None = None
    """A folder where dialogues are recorded."""
    mask: bool = False
    degradations: tuple[str, ...] = ()
    seed: int = 0
    known: frozenset[tuple[str, str]] = frozenset()
    """(recording, incident) of what was asked already."""

    def identity(self, recording: Path) -> str:
        """A name for the recording as it is asked about."""
        return f"{recording.name}-{digest_of(recording_digest(recording), self.degradations, self.seed, self.mask)[:12]}"

    def missing(self, recording: Path) -> frozenset[str]:
        """Labelled incidents that were not asked about yet."""
        identity = self.identity(recording)
        return frozenset(name for name in read_labels(recording) if (identity, name) not in self.known)


def reasoned(recording: Path, settings: Settings, *, asking: Asking, model: LanguageModel | None = None) -> Iterator[Reasoned]:
    """Ask about every labelled incident of a recording.

    Args:
        recording: the folder.
        settings: the back ends, keys and bounds to use.
        asking: what to ask.
        model: asked in the place of the one that `asking` names, by tests.
    """
    missing, identity, labels = asking.missing(recording), asking.identity(recording), read_labels(recording)
    near = settings.data_dir.parent
    with (
        degraded(recording, named(asking.degradations), seed=asking.seed, near=near) as worse,
        masked(worse, seed=asking.seed, near=near, mask=asking.mask) as (folder, mask),
        open_app(settings) as app,
    ):
        app.reasoning.instead = opened = _opened(app, asking, identity, model)
        app.reasoning.earlier = lambda _investigation: None  # each question is one of its own
        with app.working() as ended:
            imported = app.import_recording(folder)
            for incident in imported.incidents:
                if incident.id in missing:
                    made = _asked(app, imported, incident, labels[incident.id], mask, stopped=ended.is_set)
                    who = {"provider": opened.model.provider, "model": opened.model.name}
                    yield made.model_copy(update={"recording": identity} | who)


def _opened(app: App, asking: Asking, identity: str, model: LanguageModel | None) -> Opened:
    """The model that is asked, under the budgets of models.toml.

    Raises:
        BadInput: no model is named and models.toml names none, or nothing was recorded.
        Misconfigured: the model cannot be asked as it is configured.
    """
    dialogues = f"{identity}.jsonl"
    if asking.said is not None:
        model = RecordedModel(asking.said / dialogues)
    if model is not None:
        opened = Opened(model.name, model, listed_price(model.provider, model.name), BudgetEntry())
    else:
        opened = _configured(app.reasoning.models, asking)
    if asking.keep is not None:
        return replace(opened, model=RecordingModel(opened.model, asking.keep / dialogues))
    return opened


def _configured(models: Models, asking: Asking) -> Opened:
    opened = models.opened(asking.model) if asking.model else models.for_agents()
    if opened is None:
        raise BadInput(
            "No language model is named, and investigations ask none.",
            remedy="Give --model ID, of one that `middlewatch models list` names; `middlewatch models init` writes models.toml.",
        )
    return opened


def _name(recordings: Sequence[Path], settings: Settings, asking: Asking) -> str:
    """The provider's own name of the model that is asked: found out once, before anything is started. Empty where nobody knows."""
    if asking.said is None:
        with closing(Models(settings)) as models:
            return _configured(models, asking).model.name
    dialogues = (asking.said / f"{asking.identity(one)}.jsonl" for one in recordings if asking.missing(one))
    return next((RecordedModel(file).name for file in dialogues if file.exists()), "")


def _asked(
    app: App, imported: ImportedRecording, incident: Incident, label: Label, mask: Mask, *, stopped: Callable[[], bool]
) -> Reasoned:
    alert = incident_alert(app.settings.tenant, imported.name, incident, imported.incidents)
    started = time.monotonic()
    investigation = app.investigate(alert, recording=imported.name)
    for _ in app.follow(investigation.id, stopped=stopped):
        pass
    seconds, snapshot = time.monotonic() - started, app.snapshot(investigation.id)
    if snapshot.report is None:
        raise MiddlewatchError(f"The investigation of incident {incident.id!r} ended without a report.")
    return unmasked(_kept(snapshot, snapshot.report, seconds), mask).model_copy(
        update={"system": imported.info.system, "label": label}
    )


def _kept(snapshot: Snapshot, report: Report, seconds: float) -> Reasoned:
    """What was said, in the names that were seen."""
    work = report.models or ModelWork()
    rows, (by_rules, number) = report.hypotheses, _by_rules(snapshot, seconds)
    incident = report.alert.source_id.rpartition("/")[2]
    found = assessments(snapshot, number)
    return Reasoned(
        recording="",
        system="",
        incident=incident,
        label=Label(incident=incident, root_cause_service=None),
        rules=prediction_of(incident, report, by_rules),
        round=number,
        hypotheses=tuple(row.hypothesis for row in rows),
        votes=tuple(vote for row in rows for vote in row.votes),
        found={
            name: one.model_copy(update={"freshness": (), "edges": (), "notes": (), "cleared": ()}) for name, one in found.items()
        },
        challenge=work.challenge,
        calls=sum(call.attempts > 0 for call in work.calls),
        unanswered=sum(call.outcome is not CallOutcome.ANSWERED for call in work.calls),
        tokens=work.tokens,
        dollars=work.dollars,
        seconds=round(seconds, 3),
        problems=work.problems,
    )


def _by_rules(snapshot: Snapshot, seconds: float) -> tuple[float, int]:
    """How long the rules took, and the round that they answered with: what models looked at, where one was asked."""
    answered, opened = snapshot.answered_at, snapshot.investigation.opened_at
    took = (answered - opened).total_seconds() if answered and opened else seconds
    rounds = [round_of(s.task) for s in snapshot.tasks if s.task.kind in {TaskKind.REASON, TaskKind.CONCLUDE}]
    reasoned = [round_of(s.task) for s in snapshot.tasks if s.task.kind is TaskKind.REASON]
    return round(took, 3), max(reasoned or rounds, default=1)


def unmasked(one: Reasoned, mask: Mask) -> Reasoned:
    """The same with the services' own names."""
    ranking = tuple((mask.plain(service), score) for service, score in one.rules.ranking)
    causes = tuple(mask.plain(service) for service in one.rules.causes)
    rules = {"ranking": ranking, "causes": causes, "onset": mask.when(one.rules.onset)}
    return one.model_copy(
        update={
            "rules": one.rules.model_copy(update=rules),
            "hypotheses": tuple(h.model_copy(update={"service": mask.plain(h.service)}) for h in one.hypotheses),
            "found": {
                name: found.model_copy(update={"scores": {mask.plain(s): score for s, score in found.scores.items()}})
                for name, found in one.found.items()
            },
        }
    )


def kept_reasoned(file: Path) -> tuple[Reasoned, ...]:
    """What an earlier evaluation kept; nothing where there is no such file.

    Raises:
        BadInput: the file holds something else.
    """
    if not file.exists():
        return ()
    try:
        return tuple(Reasoned.model_validate_json(line) for line in file.read_text(encoding="utf-8").split("\n") if line)
    except (ValidationError, UnicodeDecodeError):
        raise BadInput(
            f"{file} does not hold what models said, of this version.", remedy="Name another file, or remove it to make it anew."
        ) from None


def reason_about_all(
    recordings: Sequence[Path],
    settings: Settings,
    asking: Asking,
    *,
    kept: Sequence[Reasoned] = (),
    jobs: int,
    on_answer: Callable[[Path, Reasoned], None],
) -> tuple[tuple[Reasoned, ...], tuple[Failure, ...]]:
    """Ask about every recording of which not all is known already.

    Args:
        recordings: folders; those without labels are left out.
        settings: of whoever asks; where models.toml stands follows from them.
        asking: what.
        kept: what an earlier evaluation kept; what it asked of the same model in the same way is not asked again.
        jobs: recordings at a time.
        on_answer: told of each answer, as soon as it is there.

    Returns:
        What is known of every labelled incident, and the recordings that could not be asked about.

    Raises:
        BadInput: no recording has labels, or no model is named, or none that there is.
        Misconfigured: the model cannot be asked as it is configured.
    """
    wanted = {(asking.identity(one), name) for one in recordings for name in read_labels(one)}
    if not wanted:
        raise BadInput("None of these recordings has labels, so no answer can be scored.", remedy="Name one that has labels.jsonl.")
    here = settings.model_copy(update={"models_file": settings.models_path})
    name = _name(recordings, here, asking)
    found = {(one.recording, one.incident): one for one in kept if one.model == name and (one.recording, one.incident) in wanted}
    asking = replace(asking, known=frozenset(found))

    def keep(recording: Path, answer: Reasoned) -> None:
        found[answer.recording, answer.incident] = answer
        on_answer(recording, answer)

    left = [one for one in recordings if asking.missing(one)]
    failures = answer_all(left, here, partial(reasoned, asking=asking), jobs=jobs, on_answer=keep)
    return tuple(found[key] for key in sorted(found)), failures
