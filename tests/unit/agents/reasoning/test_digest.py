"""Invariants: a digest is bounded whatever the telemetry, the same to the byte for the same report, and can be looked up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.agents.reasoning.digest import MOST_TOKENS, OF_A_KIND, digest_of
from middlewatch.agents.reasoning.quoting import CLOSES, OPENS
from middlewatch.agents.reasoning.size import cut_to, tokens_at_most
from middlewatch.context_store.redaction import redact
from middlewatch.records import AgentName, AnomalyKind, Evidence, Report, ServiceScore
from tests.hostile import MARKUP
from tests.reports import finding


def huge(templates: int, text: str) -> Report:
    """A report of a system with so many log templates that deviate, each with its own text."""
    small = finding()
    base = small.evidence[0]
    facts = tuple(
        Evidence.model_validate(
            base.model_dump()
            | {
                "id": f"ev-{n}",
                "agent": list(AgentName)[n % 4],
                "anomaly": base.anomaly.model_dump()
                | {
                    "kind": AnomalyKind.LOG_PATTERN,
                    "service": f"service-{n % 500}",
                    "subject": text[:2000],
                    "summary": f'{n} lines of "{text}"',
                },
            }
        )
        for n in range(templates)
    )
    ranking = tuple(ServiceScore(service=f"service-{n} {text}"[:250], score=float(-n)) for n in range(500))
    return small.model_copy(update={"evidence": facts, "ranking": ranking, "missing": (text,) * 50, "ruled_out": (text,) * 50})


PATHOLOGICAL = {
    "one letter": "x" * 65_536,
    "English": "payment refused " * 4096,
    "syllables": "bafodi gukemo zilupa " * 3000,
    "emoji": "\U0001f4a3" * 16_384,
    "Chinese": "支付失败超时" * 3000,
    "bytes": bytes(range(256)).decode("latin-1") * 256,
    "base64": "aGVsbG8gd29ybGQhIQ" * 3000,
    "hex": "a7f3" * 16_384,
    "blanks": " " * 65_536,
    "quotations": "»«" * 8000,
    "controls": "\x1b[2J\u202e\u200b" * 4000,
}
"""Lines of 64 kB, of what takes many tokens a character."""


def test_ten_thousand_templates_are_no_more_than_it_may_be() -> None:
    digest = digest_of(huge(10_000, PATHOLOGICAL["English"]), redact)
    assert tokens_at_most(digest.text) <= MOST_TOKENS
    assert "more facts left out" in digest.text
    assert digest.evidence


@pytest.mark.parametrize("text", [*PATHOLOGICAL.values(), *MARKUP[:3]], ids=[*PATHOLOGICAL, "0", "1", "2"])
def test_no_text_makes_it_longer_than_it_may_be(text: str) -> None:
    digest = digest_of(huge(600, text), redact)
    assert MOST_TOKENS // 2 < tokens_at_most(digest.text) <= MOST_TOKENS
    assert digest.evidence


def test_it_is_the_same_to_the_byte() -> None:
    assert digest_of(finding(), redact) == digest_of(Report.model_validate_json(finding().model_dump_json()), redact)


def test_every_key_stands_for_what_it_says() -> None:
    report = finding()
    digest = digest_of(report, redact)
    for key, one in digest.evidence.items():
        line = next(line for line in digest.text.splitlines() if line.startswith(f"{key} "))
        assert f"{OPENS}{one.anomaly.summary}{CLOSES}" in line
        assert digest.keys[one.id] == key
    assert [row.hypothesis for row in report.hypotheses] == list(digest.hypotheses.values())
    assert next(iter(digest.services.values())) == report.hypotheses[0].hypothesis.service


def test_no_agent_crowds_out_the_others() -> None:
    report = huge(400, "x")
    loud = [one for one in report.evidence if one.agent is AgentName.LOGS]
    quiet = [one for one in report.evidence if one.agent is AgentName.TRACES][:3]
    same = [
        one.model_copy(update={"anomaly": one.anomaly.model_copy(update={"service": "checkout-api"})}) for one in (*loud, *quiet)
    ]
    digest = digest_of(report.model_copy(update={"evidence": tuple(same)}), redact)
    first = [one.agent for one in list(digest.evidence.values())[: OF_A_KIND + 3]]
    assert first.count(AgentName.TRACES) == 3


def test_secrets_are_veiled_before_anything_is_cut() -> None:
    report = finding().model_copy(update={"missing": ("password=hunter2hunter2 " * 3,)})
    assert "hunter2" not in digest_of(report, redact).text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.integers(3, 80))
def test_what_is_cut_is_a_beginning_of_at_most_so_many_tokens(text: str, most: int) -> None:
    cut = cut_to(text, most)
    assert tokens_at_most(cut) <= most
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


WHOLE = st.text(st.characters(exclude_characters=OPENS + CLOSES), max_size=200)
"""No half of a quotation."""


@given(WHOLE, WHOLE)
def test_a_bound_of_two_texts_is_one_of_both_together(left: str, right: str) -> None:
    assert tokens_at_most(left) <= len(left.encode("utf-8", "surrogatepass"))
    assert tokens_at_most(f"{left}\n{right}") <= tokens_at_most(left) + tokens_at_most(right) + 1
