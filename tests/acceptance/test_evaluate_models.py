"""Invariant: an evaluation of a language model says what it is worth and what it took, asks nothing twice, and once it is recorded
the model has a weight, which what people say of answers moves; evaluations of rules ask no model.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from middlewatch.policies import init_policy
from middlewatch.settings import Settings
from tests.acceptance.command import refused, report_of, run
from tests.acceptance.incident import DETECTED, ONSET, WINDOW, record_incident
from tests.model_ends.chat_end import ChatEnd
from tests.model_ends.end import MODEL, served
from tests.scripted_mind import mind, over_the_wire
from tests.telemetry_data import incident_row, moment

SERVICES = ("shop", "cart", "stock")
BOTH = ("--mode", "both")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a fault in `cart`, asked about three times: whoever was right twice may be guessing."""
    names = [f"incident-{number}" for number in range(3)]
    rows = [incident_row(DETECTED + 30 * number, WINDOW) | {"id": name} for number, name in enumerate(names)]
    folder = record_incident(tmp_path_factory.mktemp("recordings") / "shop", incidents=rows)
    label = {"root_cause_service": "cart", "root_cause_kind": "slow", "started_at": moment(ONSET).isoformat()}
    (folder / "labels.jsonl").write_text("".join(json.dumps(label | {"incident": name}) + "\n" for name in names))
    return folder


@pytest.fixture
def end() -> ChatEnd:
    """A server whose model votes for the first service that it is shown."""
    made = ChatEnd()
    made.say = over_the_wire(mind(lambda _told: True), made)
    return made


@pytest.fixture
def data(tmp_path: Path, end: ChatEnd) -> Iterator[Path]:
    """A data directory in which investigations ask it."""
    folder = tmp_path / "data"
    folder.mkdir()
    with served(end) as url:
        (folder / "models.toml").write_text(
            f'[agents]\nmodel = "near"\n[hosts]\nallowed = ["127.0.0.1", "api.anthropic.com"]\n'
            f'[models.near]\nprovider = "compatible"\nmodel = "{MODEL}"\nurl = "{url}"\n'
            f'[models.far]\nprovider = "anthropic"\nmodel = "claude-sonnet-5-5"\n'
            f'[[prices]]\nmodel = "{MODEL}"\ninput = 2.0\noutput = 10.0\n'
        )
        (folder / "models.toml").chmod(0o600)
        yield folder
    assert end.wrong == []


def weights_of(data: Path) -> dict[str, dict[str, int | float]]:
    """What each agent's model weighs in faults of code, and by what."""
    told = json.loads(run(data, "models", "weights", "--json").stdout)
    return {
        row["agent"]: {"weight": row["weight"], "evaluated": row["evaluated"]["right"], "judged": row["judged"]["right"]}
        for row in told["weights"]
        if row["kind"] == "code"
    }


def test_what_a_model_says_is_scored_kept_and_recorded_and_people_move_what_it_weighs(
    recordings: Path, data: Path, end: ChatEnd, tmp_path: Path
) -> None:
    kept, output, dialogues = tmp_path / "said.jsonl", tmp_path / "predictions.jsonl", tmp_path / "dialogues"
    words = ("evaluate", recordings, *BOTH, "--mask", "--assessments", kept, "--keep-dialogues", dialogues)
    unknown = refused(run(data, *words, "--record"), 77)
    for part in ("--record", "no policy", "middlewatch policy init", "leave --record out"):
        assert part in unknown
    assert (kept.exists(), end.bodies) == (False, []), "who may not record it is told before anything is asked"
    init_policy(Settings(data_dir=data), getpass.getuser(), force=False)
    first = run(data, *words, "--record", "--output", output)
    assert first.returncode == 0, first.stderr
    for part in ("names and times hidden", "vote of rules", "rules and models, no challenger", "models alone", "dollars"):
        assert part in first.stdout
    assert f"Recorded: {MODEL} is weighed by it" in first.stderr
    assert [json.loads(line)["ranking"][0][0] for line in output.read_text().splitlines()] == ["cart"] * 3, "in its own name"
    asked = len(end.bodies)
    assert asked >= 3 * 6
    assert not any(f"«{service}»" in json.dumps(body, ensure_ascii=False) for body in end.bodies for service in SERVICES)

    again = run(data, *words, "--json")
    measured = json.loads(again.stdout)
    assert (measured["incidents"], measured["spent"]["calls"], again.stderr) == (3, asked, "")
    assert len(end.bodies) == asked, "nobody was asked twice"

    assert "model.evaluated" in run(data, "audit", "show").stdout
    report = report_of(run(data, "investigate", "--recording", recordings, "--incident", "incident-0", "--json"))
    weighed = {vote["agent"]: vote["weight"] for vote in report["hypotheses"][0]["votes"] if vote["voice"] == "model"}
    assert len(weighed) == 4
    assert min(weighed.values()) > 0
    run(data, "feedback", report["investigation"], "right")
    weights = weights_of(data)
    assert {agent: row["evaluated"] for agent, row in weights.items()} == dict.fromkeys(weighed, 3) | {"challenger": 0}
    assert {agent: row["judged"] for agent, row in weights.items()} == dict.fromkeys(weighed, 1) | {"challenger": 0}
    assert all(weights[agent]["weight"] > weight for agent, weight in weighed.items())

    forgotten = run(data, "models", "weights", "--forget", MODEL, "--json")
    assert json.loads(forgotten.stdout)["evaluations"] == []


def test_evaluations_of_rules_ask_no_model_that_is_configured(recordings: Path, data: Path, end: ChatEnd) -> None:
    result = run(data, "evaluate", recordings, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["findings"] == 3
    assert end.bodies == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mask",), "--mode model or both"),
        (("--record",), "--mode model or both"),
        (("--mode", "model", "--record"), "--mode both"),
        ((*BOTH, "--agents", "logs"), "--mode rules"),
        ((*BOTH, "--moments-before"), "--mode rules"),
    ],
)
def test_what_does_not_go_together_is_said(recordings: Path, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = run(tmp_path / "data", "evaluate", recordings, *words)
    assert result.returncode == 2
    assert said in result.stderr


def test_who_cannot_be_asked_is_said_once_and_before_anything_is_started(recordings: Path, data: Path, tmp_path: Path) -> None:
    assert "models init" in refused(run(tmp_path / "empty", "evaluate", recordings, *BOTH), 65)
    assert "It has: near, far" in refused(run(data, "evaluate", recordings, *BOTH, "--model", "fast"), 65)
    assert "Set MIDDLEWATCH_ANTHROPIC_KEY" in refused(run(data, "evaluate", recordings, *BOTH, "--model", "far"), 78)
