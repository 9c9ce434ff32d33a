"""A language model is asked about recordings on the same path as a user's investigation: what it says is kept, masked names and
times never reach it, and recorded dialogues say the same again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from middlewatch.agents.language_model.recorded import RecordingModel
from middlewatch.agents.language_model.scripted import Line, ScriptedModel, spoken
from middlewatch.agents.language_model.seam import Request
from middlewatch.evals.labels import read_labels
from middlewatch.evals.model_ablation import BOTH, RULES, ablate_models, by_rules, evaluation_of
from middlewatch.evals.reasoned import Asking, Reasoned, kept_reasoned, reasoned
from middlewatch.records import CauseKind, Voice
from middlewatch.records.errors import BadInput
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.acceptance.incident import DETECTED, ONSET, WINDOW, record_incident
from tests.scripted_mind import mind, texts
from tests.telemetry_data import incident_row, moment

ASKING = Asking()
SERVICES = ("shop", "cart", "stock")


@pytest.fixture(autouse=True, scope="module")
def _one_store(clickhouse: ClickHouse) -> Iterator[None]:
    """A process opens one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("middlewatch.app.open_telemetry", lambda *_: nullcontext(clickhouse))
        yield


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An incident whose cause is `cart`."""
    row = incident_row(DETECTED, WINDOW) | {"title": "the famous cart fault of 2026-03-01"}
    folder = record_incident(tmp_path_factory.mktemp("recordings") / "shop", incidents=[row])
    label = {
        "incident": "incident-1",
        "root_cause_service": "cart",
        "root_cause_kind": "slow",
        "started_at": moment(ONSET).isoformat(),
    }
    (folder / "labels.jsonl").write_text(json.dumps(label) + "\n")
    return folder


def ask(recording: Path, folder: Path, asking: Asking, *, guilty: str = "cart", verdict: str = "stands") -> tuple[Reasoned, str]:
    """What was said, and all that the model was shown. Of a real one the dialogues would be kept by `asking.keep`."""
    scripted = mind(lambda told: guilty in told, verdict=verdict)
    kept = RecordingModel(scripted, asking.keep / f"{asking.identity(recording)}.jsonl") if asking.keep else scripted
    settings = Settings(data_dir=folder / "work" / "data")
    (one,) = reasoned(recording, settings, asking=asking, model=kept)
    return one, "\n".join(texts(request) for request in scripted.requests)


@pytest.fixture(scope="module")
def plain(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Reasoned, str, Path]:
    """Asked as it is, with the dialogues kept in a folder."""
    folder = tmp_path_factory.mktemp("plain")
    one, shown = ask(recording, folder, replace(ASKING, keep=folder))
    return one, shown, folder


def test_both_voices_are_kept_and_the_model_has_no_weight(plain: tuple[Reasoned, str, Path]) -> None:
    one, shown, _ = plain
    assert "cart" in shown
    assert (one.model, one.provider, one.system) == ("scripted-1", "scripted", "test")
    assert {vote.voice for vote in one.votes} == set(Voice)
    assert {vote.weight for vote in one.votes if vote.voice is Voice.MODEL} == {0.0}
    assert one.rules.causes == ("cart",)
    assert one.calls > 4
    assert one.tokens.cached > 0
    assert one.dollars is None, "nobody knows what a scripted model costs"
    assert 0 < one.rules.seconds <= one.seconds


def test_what_models_did_is_scored_and_can_be_recorded(plain: tuple[Reasoned, str, Path]) -> None:
    measured = ablate_models([plain[0]], ASKING)
    assert measured.way(RULES).named.hits == measured.way(BOTH).named.hits == 1
    made = evaluation_of(measured, [plain[0]])
    assert (made.model, made.incidents, made.quiet, made.masked) == ("scripted-1", 1, 0, False)
    assert {(t.agent, t.right, t.wrong) for t in made.trials} == {(a, 1, 0) for a in ("metrics", "logs", "traces", "deploys")}
    assert {t.kind for t in made.trials} == {CauseKind.CODE}


def test_a_masked_recording_shows_neither_names_nor_times_and_is_answered_the_same(
    recording: Path, plain: tuple[Reasoned, str, Path], tmp_path: Path
) -> None:
    one, shown = ask(recording, tmp_path, replace(ASKING, mask=True))
    for hidden in (*SERVICES, "famous", "2026-03-01", recording.name):
        assert not re.search(rf"(?<![a-z]){re.escape(hidden)}(?![a-z])", shown), hidden
    before = plain[0]
    assert {service for service, _ in one.rules.ranking} == set(SERVICES)
    assert one.rules.causes == before.rules.causes, "the answer is in real names"
    assert one.rules.onset is not None
    assert before.rules.onset is not None
    assert abs(one.rules.onset.at - before.rules.onset.at) < timedelta(minutes=1), "and in real times"
    assert {h.service for h in one.hypotheses} == {h.service for h in before.hypotheses}
    assert set(one.found) == set(before.found)
    assert all(set(found.scores) <= set(SERVICES) for found in one.found.values())
    assert one.label == before.label == read_labels(recording)["incident-1"]
    assert one.recording != before.recording, "masked and plain are not taken for the same question"


def test_a_model_that_is_against_the_truth_changes_nothing_without_a_weight(
    recording: Path, plain: tuple[Reasoned, str, Path], tmp_path: Path
) -> None:
    one, _ = ask(recording, tmp_path, ASKING, guilty="nobody", verdict="refuted")
    assert dict(by_rules(one).ranking) == pytest.approx(dict(by_rules(plain[0]).ranking))
    assert one.rules.causes == ("cart",)
    assert {(t.right, t.wrong) for t in ablate_models([one], ASKING).trials} == {(0, 1)}


def test_recorded_dialogues_say_the_same_again_without_a_model(
    recording: Path, plain: tuple[Reasoned, str, Path], tmp_path: Path
) -> None:
    before, _, folder = plain
    again, shown = ask(recording, tmp_path, replace(ASKING, said=folder))
    assert not shown, "nobody was asked"
    assert again.problems == before.problems

    def said(one: Reasoned) -> list[tuple[str, str, float, str]]:
        return [(v.agent, v.position, v.strength, v.voice) for v in one.votes if v.voice is Voice.MODEL]

    assert said(again) == said(before) != []
    with pytest.raises(BadInput, match="no recorded dialogues"):
        ask(recording, tmp_path / "2", replace(ASKING, said=tmp_path / "nothing"))


def test_what_is_known_is_not_asked_again(recording: Path, plain: tuple[Reasoned, str, Path], tmp_path: Path) -> None:
    one = plain[0]
    known = replace(ASKING, known=frozenset({(one.recording, one.incident)}))
    assert known.missing(recording) == frozenset()
    assert ASKING.missing(recording) == {"incident-1"}
    kept = tmp_path / "kept.jsonl"
    kept.write_text(one.model_dump_json() + "\n")
    assert kept_reasoned(kept) == (one,)
    assert kept_reasoned(tmp_path / "none") == ()
    kept.write_text("{}\n")
    with pytest.raises(BadInput, match="does not hold"):
        kept_reasoned(kept)


def test_without_a_model_that_can_be_asked_nothing_is_started(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No language model is named"):
        next(reasoned(recording, Settings(data_dir=tmp_path / "data"), asking=ASKING))


def test_where_the_price_list_has_a_cache_the_first_agent_is_ahead_and_dollars_are_told(recording: Path, tmp_path: Path) -> None:
    script = mind(lambda told: "cart" in told).script

    def looking_once(request: Request) -> Line:
        return script(request) if spoken(request) or not request.tools else Line(calls=(("recent_changes", {}),), seconds=0.3)

    model = ScriptedModel(looking_once, "anthropic", "claude-sonnet-5-5")
    (one,) = reasoned(recording, Settings(data_dir=tmp_path / "work" / "data"), asking=ASKING, model=model)
    assert one.dollars is not None
    assert one.dollars > 0
    assert ["You speak for the deploys agent" in texts(request) for request in model.requests[:3]] == [True, True, False]
