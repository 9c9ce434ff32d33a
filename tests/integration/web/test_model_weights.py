"""Invariant: what language models weigh is the same on the command line and over the API, with why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from middlewatch.frontends import weight_wording
from middlewatch.frontends.cli.model_weights import weights_page
from middlewatch.records import CauseKind, ModelEvaluation, Trials
from tests.web_site import WebSite

EVALUATION = ModelEvaluation(
    model="m-1",
    provider="scripted",
    at=datetime(2026, 11, 22, 3, 4, tzinfo=UTC),
    by="nobody",
    engine="middlewatch 1",
    questions="q",
    incidents=12,
    quiet=3,
    masked=True,
    trials=(Trials(agent="logs", kind=CauseKind.CODE, right=10, wrong=1),),
    right_by_rules=11,
    right_with_models=12,
    calls=60,
    dollars=0.4321,
    seconds_median=11.0,
)


@pytest.fixture(scope="module")
def evaluated(site: WebSite) -> ModelEvaluation:
    person = next(one for one in site.app.approvals.people() if one.id == "mia")
    return site.app.model_weights.record(EVALUATION, person, face="cli")


def test_the_api_says_what_a_model_weighs_and_why(site: WebSite, evaluated: ModelEvaluation) -> None:
    told = site.program("mia").get("/api/v1/models/weights").json()
    assert told["format"] == "middlewatch.model-weights/v1"
    assert [(one["model"], one["by"]) for one in told["evaluations"]] == [("m-1", "mia")]
    rows = {(row["agent"], row["kind"]): row for row in told["weights"]}
    assert rows["logs", "code"]["weight"] > 0.4
    assert rows["metrics", "code"]["weight"] == 0.0
    assert told["calibration"]["applied"] is False
    assert site.app.model_weights.weights("scripted").of(evaluated.model, "logs", CauseKind.CODE) == rows["logs", "code"]["weight"]


def test_the_words_say_it_whole(site: WebSite, evaluated: ModelEvaluation) -> None:
    standing = site.app.model_weights.standing()
    (row,) = weight_wording.speaking(standing.weights, "m-1")
    assert weight_wording.cells(row)[:4] == ("logs", "code", "10 of 11", "0 of 0")
    page = weights_page(standing).text(color=False)
    assert "logs   code" in page
    assert "10 of 11" in page
    told = weight_wording.evaluated(evaluated)
    for part in ("12 incidents and 3 quiet moments", "names and times hidden", "rules 11 of 15, with models 12", "$0.4321", "mia"):
        assert part in told
    assert weight_wording.calibrated(standing.calibration).startswith("as the votes state it: 0 findings judged by people")
