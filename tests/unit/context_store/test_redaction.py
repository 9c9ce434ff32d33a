"""No secret and no personal data is stored; what an engineer needs to read stays readable; hostile text costs no time.

The secrets below are made up, and put together here so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.context_store.redaction import (
    RULES,
    entropy,
    redact,
    redact_completion,
    redact_evidence,
    redact_fields,
    redact_names,
    redact_record,
)
from middlewatch.records import Completion, FanOut, Handover, RankedHypothesis, Sample, Task, TaskKind
from tests.store_data import make_evidence, make_hypothesis, make_investigation, make_report, make_task

RANDOM = random.Random(1)


def some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(RANDOM.choice(alphabet) for _ in range(length - 2)) + "7q"


UPPER = string.ascii_uppercase + "234567"
KEY = f"-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIEow{some(60)}\n{some(64)}\n-----END RSA {'PRIVATE'} KEY-----"

SECRETS = {
    "aws-access-key": ["AKIA" + "".join(RANDOM.choice(UPPER) for _ in range(16))],
    "gcp-api-key": ["AIza" + some(35)],
    "gcp-access-token": ["ya29." + some(40)],
    "github-token": ["ghp_" + some(36), "gho_" + some(36), "github_pat_" + some(82)],
    "gitlab-token": ["glpat-" + some(20)],
    "slack-token": ["xoxb-" + "123456789012-123456789012-" + some(24), "xapp-1-A012-345-" + some(20)],
    "slack-webhook": ["hooks.slack.com/services/T00000000/B00000000/" + some(24)],
    "stripe-key": ["sk_live_" + some(24), "rk_test_" + some(24), "whsec_" + some(24)],
    "model-provider-key": ["sk-ant-api03-" + some(40), "sk-proj-" + some(40), "sk-" + some(48)],
    "sendgrid-key": ["SG." + some(22) + "." + some(43)],
    "package-token": ["npm_" + some(36), "pypi-AgEIcHlwaS5vcmc" + some(60)],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + some(43)],
    "private-key": [KEY, KEY[:120]],
    "email": ["jane.doe+test@mail.example.co.uk", "x_y@example.org"],
    "iban": ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32"],
    "card": ["4111111111111111", "5500 0000 0000 0004", "3782-822463-10005", "6011000990139424"],
    "phone": ["+49 151 23456789", "+1 (555) 123-4567", "+4915123456789", "(555) 123-4567"],
}


@pytest.mark.parametrize(("rule", "secret"), [(rule, secret) for rule, secrets in SECRETS.items() for secret in secrets])
@pytest.mark.parametrize(
    "around", ["{}", "GET /x?y={} failed", 'level=error msg="call with {} was refused"', "({})", "key:'{}',", "a\n{}\nb"]
)
def test_every_kind_of_secret_is_taken_out_wherever_it_stands(rule: str, secret: str, around: str) -> None:
    text = redact(around.format(secret))
    assert secret not in text
    assert "[redacted:" in text
    if around == "{}":
        assert text == f"[redacted:{rule}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://app:s3cr3t!@db:5432/shop", "postgres://app:[redacted:url-password]@db:5432/shop"),
        ("amqp://guest:p%40ss@mq", "amqp://guest:[redacted:url-password]@mq"),
        ("redis://:hunter2@cache:6379/0", "redis://:[redacted:url-password]@cache:6379/0"),
        ("password=hunter2", "password=[redacted:password]"),
        ("PASSWORD: 'open sesame'", "PASSWORD: '[redacted:password]'"),
        ('{"db_password": "a b,c;d"}', '{"db_password": "[redacted:password]"}'),
        (r"{\"passwd\":\"x1\"}", r"{\"passwd\":\"[redacted:password]\"}"),
        ("pwd=x1 user=bob", "pwd=[redacted:password] user=bob"),
        ("POSTGRES_PASSWORD=x1y2&next=1", "POSTGRES_PASSWORD=[redacted:password]&next=1"),
        ("Authorization: Bearer abcDEF123456ghi", "Authorization: Bearer [redacted:authorization]"),
        ("'authorization': 'Basic dXNlcjpwYXNz'", "'authorization': 'Basic [redacted:authorization]'"),
        ("sent bearer abcDEF123456ghi to x", "sent bearer [redacted:bearer] to x"),
        ("api_key=9f8e7d6c5b4a3f2e1d0c", "api_key=[redacted:secret]"),
        ("X-Api-Key: 9f8e7d6c5b4a3f2e1d0c", "X-Api-Key: [redacted:secret]"),
        ("aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [redacted:secret]"),
        ("AccountKey=Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==;Endpoint=x", "AccountKey=[redacted:secret];Endpoint=x"),
        ("client_secret: q8Zt-41kLmPw0", "client_secret: [redacted:secret]"),
    ],
)
def test_what_is_assigned_to_a_secret_name_is_taken_out_and_nothing_else(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "trace 0af7651916cd43dd8448eb211c80319c span b7ad6b7169203331",
        "trace_id=0af7651916cd43dd8448eb211c80319c span_id=4111111111111111",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "user <*> logged in from <ip> after <num> ms, password=<*> token={token} secret=${SECRET} pwd=%s",
        "password: null, token=None, api_key=****, secret=undefined",
        "http.server.request.duration jvm.memory.used process.cpu.utilization db.client.connections.usage",
        "container_cpu_usage_seconds_total kube_pod_status_ready auth_tokens_issued_total=1532",
        "2026-11-21T02:00:00.123456+00:00 took 4.2 ms; 1763690400123456789 ns; 1763690400123",
        "order 4111111111111112 shipped",  # no card: the check digit is wrong
        "basic authentication failed; bearer of bad news; token bucket is empty",
        "com.example.shop.PasswordValidator.validate(PasswordValidator.java:120)",
        "10.0.12.7:8080 -> 10.0.12.9:5432, fe80::1ff:fe23:4567:890a",
        "checkout-7f9c5b6d4-x2x9k ts-order-other-service payment-v2.31.0-rc1+build.5512",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "550e8400-e29b-41d4-a716-446655440000",
        "version +12.5 %, delta +1500000 bytes, offset +02:00, +12345678",
        "SELECT count(*) FROM orders WHERE id = 5512345678 AND total > 1000000000000",
        "git@internal: user@localhost pkg@1.2.3",
        "orders@main-database.eu-1.db.example.com_Database::SQL",
        "GET /api/v1/tokens/refresh 401 max_tokens=4096 tokens: 17",
        "https://shop.example/cart?item=12&page=2#top http://a:8080/x",
        "evidence ev-1234567890123456 of hyp-2",
        "key=value cache_key=user:1234:cart primary_key=id",
    ],
)
def test_what_an_engineer_needs_stays(text: str) -> None:
    assert redact(text) == text


TEXTS = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [*(s for secrets in SECRETS.values() for s in secrets), "password=", "token:", " ", '"', "x1y2z3", "://", "@", "="]
        )
    ).map(" ".join),
)


@given(TEXTS)
def test_redacting_again_leaves_the_markers_alone(text: str) -> None:
    once = redact(text)
    twice = redact(once)
    assert twice == once or twice.count("[redacted:") > once.count("[redacted:")  # a marker ends a word, and the next one shows


HOSTILE = [
    "a" * 200_000,
    "a@" * 100_000,
    "a." * 100_000 + "@",
    "@" + "a." * 100_000,
    "password=" * 20_000,
    "password" * 20_000,
    'password="' * 20_000,
    "password  " * 20_000,
    "token:" * 30_000,
    "token=\\\\\\" * 20_000,
    "ey" * 100_000,
    "eyJhbGciOiJIUzI1NiJ9." * 10_000,
    "-----BEGIN PRIVATE KEY-----" * 8_000,
    "-----BEGIN " + "A" * 200_000,
    "4111 " * 40_000,
    "4" * 200_000,
    "DE89 3704 " * 20_000,
    "+1" * 100_000,
    "+49 151 " * 25_000,
    "://a:" * 40_000,
    "://" + "a" * 100_000 + ":" + "b" * 100_000,
    "bearer " * 30_000,
    "bearer " + "a" * 200_000,
    "authorization: " * 14_000,
    "authorization: bearer " * 9_000,
    "sk-" * 70_000,
    "SG." * 70_000,
    "xoxb-" * 40_000,
    "AKIA" * 50_000,
    "{" * 200_000,
    "secret={" + "{" * 200_000,
    "secret=<" + "<" * 200_000,
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", HOSTILE, ids=[text[:24] for text in HOSTILE])
def test_the_time_grows_with_the_length_and_no_faster(text: str) -> None:
    """Work is counted, not timed: a pattern that backtracks over 200,000 characters would not come back within a minute."""
    redact(text)


def test_every_rule_has_a_name_that_survives_itself() -> None:
    for rule in RULES:
        marker = f"[redacted:{rule.name}]"
        assert redact(marker) == marker
        assert redact(f"password={marker}") == f"password={marker}"


def test_entropy_is_shannons() -> None:
    assert entropy("") == 0.0
    assert entropy("aaaa") == 0.0
    assert entropy("abcd") == 2.0


def test_all_free_text_of_evidence_is_redacted_and_its_ids_are_not() -> None:
    evidence = make_evidence("p99 of jane@example.org", text="password=hunter2", summary="token=9f8e7d6c5b4a3f2e1d0c rose")
    safe = redact_evidence(evidence)
    assert safe.anomaly.subject == "p99 of [redacted:email]"
    assert safe.anomaly.samples[0].text == "password=[redacted:password]"
    assert safe.anomaly.summary == "token=[redacted:secret] rose"
    assert (safe.id, safe.investigation, safe.tenant) == (evidence.id, evidence.investigation, evidence.tenant)
    assert safe.anomaly.samples[0].trace_id == evidence.anomaly.samples[0].trace_id
    assert safe.anomaly.samples[0].span_id == evidence.anomaly.samples[0].span_id
    assert type(safe).model_validate_json(safe.model_dump_json()) == safe


def test_names_that_link_records_stay_equal_in_all_of_them() -> None:
    name = "orders@db.example.com"
    evidence = make_evidence()
    evidence = evidence.model_copy(update={"anomaly": evidence.anomaly.model_copy(update={"service": name, "peer": name})})
    safe = redact_completion(Completion(result={"service": name, "scores": {name: 1.0}, "note": name}, evidence=(evidence,)))
    assert (safe.evidence[0].anomaly.service, safe.evidence[0].anomaly.peer) == (name, name)
    assert safe.result == {"service": name, "scores": {name: 1.0}, "note": "[redacted:email]"}


def test_a_record_without_secrets_is_the_same_record() -> None:
    evidence = make_evidence()
    assert redact_evidence(evidence) is evidence


def test_a_completion_is_redacted_to_its_ends() -> None:
    mail = "jane@example.org"
    task = make_task("next", note=mail)
    completion = Completion(
        result={"a": [{"b": mail}], "n": 1.5, "none": None, "yes": True},
        hypotheses=(make_hypothesis().model_copy(update={"statement": mail}),),
        fan_out=FanOut(tasks=(task,), then=Task(**{**task.model_dump(), "id": "last", "kind": TaskKind.CONCLUDE})),
        report=make_report().model_copy(update={"answer": mail, "next_steps": (mail, "rest")}),
    )
    safe = redact_completion(completion)
    assert mail not in safe.model_dump_json()
    assert safe.result == {"a": [{"b": "[redacted:email]"}], "n": 1.5, "none": None, "yes": True}
    assert Completion.model_validate_json(safe.model_dump_json()) == safe


def test_a_marker_never_breaks_the_limit_of_a_field() -> None:
    sample = Sample(time=datetime(2026, 1, 1, tzinfo=UTC), text=("a@b.de " * 300)[:2000])
    safe = redact_record(sample)
    assert len(safe.text) <= 2000
    assert "@b.de" not in safe.text
    assert Sample.model_validate_json(safe.model_dump_json()) == safe


def test_the_title_of_an_alert_is_redacted_and_its_digest_stays() -> None:
    investigation = make_investigation()
    alert = investigation.alert.model_copy(update={"title": "call +49 151 23456789"})
    safe = redact_record(investigation.model_copy(update={"alert": alert}))
    assert safe.alert.title == "call [redacted:phone]"
    assert safe.alert.digest == investigation.alert.digest


def test_names_are_shown_without_secrets_and_traces_as_they_are() -> None:
    name = "orders@db.example.com"
    evidence = make_evidence(summary=name)
    sample = evidence.anomaly.samples[0].model_copy(update={"trace_id": name, "span_id": "4111111111111111"})
    found = evidence.anomaly.model_copy(update={"service": name, "peer": name, "samples": (sample,)})
    shown = redact_names(evidence.model_copy(update={"anomaly": found}))
    assert (shown.anomaly.service, shown.anomaly.peer) == ("[redacted:email]", "[redacted:email]")
    assert (shown.anomaly.samples[0].trace_id, shown.anomaly.samples[0].span_id) == ("[redacted:email]", "4111111111111111")
    assert shown.anomaly.summary == name, "free text is redacted as it is stored"
    told = redact_names(Completion(result={"service": name, "scores": {name: 1.0}, "all": [{"peer": name}]})).result
    assert told == {"service": "[redacted:email]", "scores": {"[redacted:email]": 1.0}, "all": [{"peer": "[redacted:email]"}]}


def test_what_shows_no_secret_is_shown_as_the_same_record() -> None:
    evidence = make_evidence()
    assert redact_names(evidence) is evidence


def test_a_record_in_a_field_that_elsewhere_is_a_name_is_redacted() -> None:
    """A vote names its hypothesis; a ranking holds the whole of it."""
    mail = "jane@example.org"
    whole = make_hypothesis().model_copy(update={"statement": mail})
    ranked = RankedHypothesis(rank=1, hypothesis=whole, score=0.0, share=1.0, dissent=(), votes=())
    assert redact_record(ranked).hypothesis.statement == "[redacted:email]"


def test_keys_of_mappings_are_redacted_too() -> None:
    evidence = make_evidence()
    query = evidence.anomaly.query.model_copy(update={"parameters": {"jane@example.org": "x", "service": "jane@example.org"}})
    safe = redact_record(evidence.model_copy(update={"anomaly": evidence.anomaly.model_copy(update={"query": query})}))
    assert safe.anomaly.query.parameters == {"[redacted:email]": "x", "service": "jane@example.org"}


def test_of_what_people_typed_the_field_is_redacted_and_nothing_else() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    handover = Handover(by="mara", to="4111111111111111", at=at, note="ask jane@example.org")
    assert redact_fields(handover, "note") == handover.model_copy(update={"note": "ask [redacted:email]"})
    full = Handover(by="mara", to="leo", at=at, note=("a@b.de " * 1000)[:500])
    assert type(full).model_validate(redact_fields(full, "note").model_dump()).note.startswith("[redacted:email]")
