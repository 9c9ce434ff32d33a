"""Invariant: a model speaks of no change but one that it cites, of the service that it names; what rules say of changes passes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from middlewatch.agents.language_model.scripted import Line
from middlewatch.agents.reasoning.answers import UNBORNE, Written
from middlewatch.agents.reasoning.changes import speaks_of_change, uncited_change
from middlewatch.agents.reasoning.dialogue import Misfit
from middlewatch.agents.reasoning.digest import digest_of
from middlewatch.agents.reasoning.recurrence import carried_over
from middlewatch.agents.reasoning.writer import written
from middlewatch.context_store.redaction import redact
from middlewatch.records import (
    AgentName,
    AgentReasoning,
    AnomalyKind,
    Assessment,
    CitedClaim,
    Evidence,
    ModelWork,
    Rejection,
    Report,
    Voice,
)
from tests.reports import finding
from tests.unit.agents.reasoning.scene import CHALLENGED, REASONED, Scene, good, loud
from tests.unit.agents.reasoning.test_numbers import SAID, fact
from tests.unit.agents.shared_context import anomaly

SERVICES = ("catalogue", "payment", "config-server")
PHRASES = (
    "a change of catalogue came just before",
    "it was changed just before",
    "what changed is its code",
    "a deploy came just before",
    "it was redeployed",
    "the last deployment broke it",
    "a release went out",
    "a rollout was under way",
    "it was rolled out an hour earlier",
    "somebody rolled it back",
    "a roll-back helped",
    "the new version fails",
    "an upgrade broke it",
    "a migration ran",
    "its config is wrong",
    "a configuration change came first",
    "the feature flag was turned on",
    "a toggle was flipped",
    "a bad commit",
    "somebody merged a branch",
    "a push to production",
    "it was patched",
    "a hot-fix went live",
    "it was scaled down",
    "scaling began",
    "no change is known",
)
INNOCENT = (
    "its latency changed at the same time",
    "a changed point in its latency",
    "a change-point in the rate of errors",
    "no change in traffic",
    "the error rate has not changed",
    "its throughput is unchanged",
    "exchange rates are asked for",
    "it never releases its connections",
    "its connections are not released",
    "it waits for a lock that is never released",
    "PATCH /orders fails",
    "the scale of the failure",
    "retries push it over the limit",
    "the transaction was rolled back",
    "the pool is full, and whoever waits gives up",
    "it fails by itself, and nobody else does",
)


def seen(service: str, kind: AnomalyKind, subject: str = "latency", summary: str = "it rose") -> Evidence:
    (one,) = finding().evidence[:1]
    seen = anomaly(service, 3.0, kind, subject).model_copy(update={"summary": summary, "clause": ""})
    return one.model_copy(update={"id": f"ev-{service}-{kind}", "anomaly": seen})


FAILING = seen("payment", AnomalyKind.OPERATION)
CHANGED = seen("catalogue", AnomalyKind.CHANGE, "deploy 2.4.0", 'deploy "2.4.0" of "catalogue"')


@given(phrase=st.sampled_from(PHRASES), hyphen=st.sampled_from([" ", "-", "_", "\N{NO-BREAK SPACE}"]), data=st.data())
def test_a_change_is_told_by_its_words_in_any_case_and_spelling(phrase: str, hyphen: str, data: st.DataObject) -> None:
    cases = data.draw(st.lists(st.booleans(), min_size=len(phrase), max_size=len(phrase)))
    text = "".join(letter.upper() if up else letter for letter, up in zip(phrase.replace(" ", hyphen), cases, strict=True))
    assert uncited_change(text, [FAILING], [FAILING], SERVICES)
    assert uncited_change(f'It waits, for "{text}" is so.', [FAILING], [FAILING], SERVICES), "quotation marks hide nothing"
    assert uncited_change(text.replace("e", "e\N{SOFT HYPHEN}"), [FAILING], [FAILING], SERVICES)


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_change_may_be_spoken_of_where_one_is_cited(phrase: str) -> None:
    assert not uncited_change(phrase, [FAILING, CHANGED], [FAILING, CHANGED], SERVICES)


@pytest.mark.parametrize("phrase", INNOCENT)
def test_what_is_said_of_quantities_is_no_change(phrase: str) -> None:
    assert not speaks_of_change(phrase)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('"catalogue" was deployed, and "payment" fails', False),
        ("Payment fails since catalogue was deployed.", False),
        ('"payment" was deployed just before', True),
        ("payment was deployed, then catalogue failed", True),
        ("payment fails; a deploy came just before", True),
        ("config-server is slow", False),
        ("'config-server' is slow", False),
        ("the config of payment was wrong", True),
        ("its latency limit was changed", False),
    ],
)
def test_it_has_to_be_a_change_of_the_service_that_is_named(text: str, wrong: bool) -> None:  # noqa: FBT001  a row of the table
    assert uncited_change(text, [FAILING, CHANGED], [FAILING, CHANGED], SERVICES) is wrong


def test_names_of_what_is_cited_are_no_words_for_changes() -> None:
    calls = seen("payment", AnomalyKind.OPERATION, "POST /releases", '"POST /releases" of "payment" waits for "INSERT deployments"')
    for text in ('"POST /releases" fails', "POST /releases fails", 'it waits for "INSERT deployments"'):
        assert not uncited_change(text, [calls], [calls], SERVICES)
    assert uncited_change('"POST /releases" fails since a release', [calls], [calls], SERVICES)
    named = seen("deploy", AnomalyKind.METRIC)
    assert uncited_change("a deploy came just before", [named], [named], ["deploy"])
    assert not uncited_change('"deploy" is slow', [named], [named], ["deploy"])


def test_what_rules_say_passes_with_its_evidence_and_of_changes_with_no_other() -> None:
    facts = {
        name: row_fact.model_copy(update={"kind": AnomalyKind.CHANGE} if row_fact.clause else {})
        for name, row_fact in ((name, fact(row)) for name, row in SAID["facts"].items())
    }
    evidence = {name: FAILING.model_copy(update={"id": name, "anomaly": one}) for name, one in facts.items()}
    spoken = 0
    for text, cited in SAID["said"]:
        of = [evidence[name] for name in cited]
        assert not uncited_change(text, of, of, []), text
        if any(one.anomaly.kind is AnomalyKind.CHANGE for one in of):
            spoken += 1
            assert uncited_change(text, [FAILING], [FAILING], [one.anomaly.service for one in of]), text
    assert spoken > 30


def deployed(agent: AgentName, round_: int) -> Assessment:
    found = loud(agent, round_)
    if agent is not AgentName.DEPLOYS:
        return found
    change = anomaly("cause", 2.0, AnomalyKind.CHANGE, "deploy 2.4.0").model_copy(update={"summary": 'deploy "2.4.0" of "cause"'})
    return found.model_copy(update={"anomalies": (change,)})


def key_of_change() -> str:
    report = Scene(findings=deployed).run().report
    assert report is not None
    return next(key for key, one in digest_of(report, redact).evidence.items() if one.anomaly.kind is AnomalyKind.CHANGE)


@pytest.mark.parametrize("cited", [True, False])
def test_claims_and_reasons_speak_of_changes_that_they_cite(*, cited: bool) -> None:
    text, key = "A change of s1 came just before.", key_of_change()
    keys: JsonValue = [key] if cited else ["e1"]
    assert key != "e1"
    vote: Mapping[str, JsonValue] = {
        "hypothesis": "h1",
        "position": "support",
        "probability": 0.9,
        "reason": text,
        "evidence": keys,
    }
    said = Line(answer={**REASONED, "claims": [{"text": text, "evidence": keys}], "votes": [dict(vote)]})
    challenge = Line(answer={**CHALLENGED, "votes": [dict(vote)]})
    snapshot = Scene(good(reasoned=said, challenged=challenge), findings=deployed).run()
    assert snapshot.report is not None
    assert snapshot.report.models is not None
    shown = "\"A change of 'cause' came just before.\""
    for one in snapshot.report.models.reasoning:
        assert [claim.text for claim in one.claims] == ([shown] if cited else [])
        assert one.rejected_for == ({} if cited else {Rejection.CHANGE: 2})
        assert one.rejected == (0 if cited else 2)
    told = shown if cited else UNBORNE[Rejection.CHANGE]
    assert {vote.reason for vote in snapshot.votes if vote.voice is Voice.MODEL} == {told}
    assert snapshot.report.models.challenge is not None
    assert snapshot.report.models.challenge.reason == told


def unblamed() -> Report:
    report = finding()
    return report.model_copy(update={"causes": tuple(cause.model_copy(update={"change": None}) for cause in report.causes)})


def blamed() -> Report:
    report = finding()
    changes = {fact.anomaly.service: fact.id for fact in report.evidence if fact.anomaly.kind is AnomalyKind.CHANGE}
    causes = tuple(cause.model_copy(update={"change": changes.get(cause.service)}) for cause in report.causes)
    assert causes[0].change
    return report.model_copy(update={"causes": causes})


@pytest.mark.parametrize(
    "text", ["[s1] is slow since a deploy.", "[s1] was rolled out just before.", "[s1] is slow, no change is known."]
)
def test_prose_speaks_of_a_change_only_where_the_finding_blames_one(text: str) -> None:
    services = digest_of(finding(), redact).services
    fine = "[s1] is where it started."
    assert written(Written(sentence=text, prose=text), blamed(), services, str).prose
    for answer in (Written(sentence=text, prose=fine), Written(sentence=fine, prose=text)):
        with pytest.raises(Misfit, match="a change that the finding does not blame"):
            written(answer, unblamed(), services, str)


def test_what_was_claimed_before_changes_were_checked_is_not_taken_over() -> None:
    report = finding()
    facts = [one for one in report.evidence if one.anomaly.kind is not AnomalyKind.CHANGE][:1]
    for text, held in (('"A deploy came just before."', False), ('"It is slow."', True)):
        claims = (CitedClaim(text=text, evidence=(facts[0].id,)),)
        work = ModelWork(reasoning=(AgentReasoning(agent=AgentName.METRICS, claims=claims),))
        earlier = report.model_copy(update={"models": work})
        assert (carried_over(earlier, AgentName.METRICS, report.alert, facts) is not None) is held
