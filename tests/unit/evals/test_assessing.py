"""Invariant: only what is not known yet is asked, and only what has a label; what was kept is for the same question alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from middlewatch.evals import assessing
from middlewatch.evals.assessing import BEFORE, Asked, assess_all
from middlewatch.evals.assessments import Assessed, kept_in
from middlewatch.evals.jobs import Failure
from middlewatch.records import AgentName
from middlewatch.records.errors import BadInput, RecordingError
from middlewatch.settings import Settings
from tests.telemetry_data import incident_row, moment, write_recording
from tests.unit.evals.incidents import NOTHING, PLAIN, incident


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two incidents; the second has no label."""
    rows = [incident_row(), incident_row(2000) | {"id": "incident-2"}]
    folder = write_recording(tmp_path / "shop", logs=[{"body": "hello"}], incidents=rows)
    label = {
        "incident": "incident-1",
        "root_cause_service": "cart",
        "root_cause_kind": "slow",
        "started_at": moment(1100).isoformat(),
    }
    (folder / "labels.jsonl").write_text(json.dumps(label) + "\n\n")
    return folder


@pytest.fixture
def asked_about(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The recordings that were asked about; every one is answered with `incident-1`."""
    folders: list[Path] = []

    def answer(
        recordings: Sequence[Path], _settings: Settings, work: Any, *, jobs: int, on_answer: Callable[[Path, Assessed], None]
    ) -> tuple[Failure, ...]:
        assert jobs == 1
        folders.extend(recordings)
        for recording in recordings:
            on_answer(recording, named(work.keywords["asked"].identity(recording)))
        return ()

    monkeypatch.setattr(assessing, "answer_all", answer)
    return folders


def named(identity: str) -> Assessed:
    return incident(PLAIN).model_copy(update={"recording": identity})


def ask(recording: Path, asked: Asked, kept: Sequence[Assessed] = ()) -> tuple[Assessed, ...]:
    return assess_all([recording], Settings(), asked, kept=kept, jobs=1, on_answer=lambda _recording, _answer: None)[0]


def test_what_was_kept_is_not_asked_again(recording: Path, asked_about: list[Path], tmp_path: Path) -> None:
    first = ask(recording, Asked())
    assert (len(first), asked_about) == (1, [recording])
    file = tmp_path / "kept.jsonl"
    file.write_text("".join(each.model_dump_json() + "\n" for each in first))
    assert ask(recording, Asked(), kept_in(file)) == first
    assert ask(recording, Asked((AgentName.LOGS,)), kept_in(file)) == first
    assert asked_about == [recording]


@pytest.mark.parametrize("other", [Asked(degradations=("no-logs",)), Asked(seed=2), Asked(moments_before=True)])
def test_what_was_kept_for_another_question_is_no_answer(recording: Path, asked_about: list[Path], other: Asked) -> None:
    ask(recording, other, ask(recording, Asked()))
    assert asked_about == [recording, recording]


def test_one_round_is_enough_where_it_is_conclusive_and_only_the_vote_is_scored() -> None:
    both = incident(PLAIN)
    first = both.model_copy(update={"rounds": both.rounds[:1]})
    vague = incident(NOTHING)
    first_vague = vague.model_copy(update={"rounds": vague.rounds[:1]})
    every_set, vote = Asked(), Asked(every_set=False)
    assert [every_set.is_answered_by(each) for each in (both, first, vague, first_vague)] == [True, False, True, False]
    assert [vote.is_answered_by(each) for each in (both, first, vague, first_vague)] == [True, True, True, False]
    fewer = both.model_copy(update={"rounds": tuple({AgentName.LOGS: each[AgentName.LOGS]} for each in both.rounds)})
    assert not every_set.is_answered_by(fewer)
    assert Asked((AgentName.LOGS,)).is_answered_by(fewer)


def test_changed_telemetry_is_another_recording(recording: Path, asked_about: list[Path]) -> None:
    kept = ask(recording, Asked())
    write_recording(recording, logs=[{"body": "bye"}])
    ask(recording, Asked(), kept)
    assert asked_about == [recording, recording]


def test_only_labelled_moments_are_asked_about(recording: Path) -> None:
    assert Asked().wanted(recording) == {"incident-1"}
    assert Asked(moments_before=True).wanted(recording) == {"incident-1", "incident-1" + BEFORE}


def test_without_labels_there_is_nothing_to_score(recording: Path) -> None:
    (recording / "labels.jsonl").unlink()
    with pytest.raises(BadInput, match="No incident has a label"):
        ask(recording, Asked())


def test_a_wrong_label_is_named(recording: Path) -> None:
    with (recording / "labels.jsonl").open("a") as file:
        file.write('{"incident": 3}\n')
    with pytest.raises(RecordingError, match=r"labels\.jsonl, line 3: incident"):
        ask(recording, Asked())


@pytest.mark.parametrize("content", [b"nonsense\n", b"\xff\n", b'{"recording": "r"}\n'])
def test_a_file_with_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "kept.jsonl"
    file.write_bytes(content)
    with pytest.raises(BadInput, match="does not hold assessments"):
        kept_in(file)
    assert kept_in(tmp_path / "absent.jsonl") == ()
