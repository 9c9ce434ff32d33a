"""Changes over HTTP: a sender is believed for its own proof alone; what it tells is kept once; nothing that it sends is a 5xx."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from starlette.testclient import TestClient

from middlewatch.telemetry.clickhouse import ClickHouse
from tests.hostile import HOSTILE
from tests.web_site import BASE, WebSite, open_web_site

SECRET = b"a-secret-of-twenty-characters"
TOKEN = "mwi_a-token"  # noqa: S105  of the tests
CONFIGURATION = f"""
[senders.hub]
kind = "github"
secret = "hub"
environments = ["prod*"]
[[senders.hub.map]]
match = {{ repository = "shop/*" }}
service = "checkout"
[[senders.hub.paths]]
path = "config/**"
kind = "config"
[[senders.hub.paths]]
path = "**/migrations/*.sql"
kind = "migration"

[senders.lab]
kind = "gitlab"
secret = "hub"

[senders.lab-token]
kind = "gitlab"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

[senders.argo]
kind = "argocd"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

[senders.cluster]
kind = "kubernetes"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
cluster = "eu-1"

[senders.flags]
kind = "changes"
secret = "hub"
service = "storefront"

[senders.any]
kind = "changes"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

[senders.prometheus]
kind = "alertmanager"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
"""
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def site(redis: Redis, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    with open_web_site(redis, clickhouse, tmp_path_factory.mktemp("changes"), tenant="change-intake") as made:
        intake = made.app.settings.intake_path
        intake.write_text(CONFIGURATION)
        folder = made.app.settings.intake_secrets_path
        folder.mkdir(mode=0o700)
        (folder / "hub").write_bytes(SECRET)
        (folder / "hub").chmod(0o600)
        yield made


@pytest.fixture
def send(site: WebSite) -> Callable[..., Any]:
    client = TestClient(site.site, base_url=BASE)

    def post(sender: str, body: object, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(f"/intake/changes/{sender}", content=content, headers={"content-type": "application/json", **named})

    return post


def github(body: object, secret: bytes = SECRET) -> dict[str, str]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"x_hub_signature_256": f"sha256={hmac.new(secret, content, hashlib.sha256).hexdigest()}"}


def standard(body: object, *, secret: bytes = SECRET, at: float | None = None, name: str = "msg-1") -> dict[str, str]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    when = str(int(time.time() if at is None else at))
    signed = f"{name}.{when}.".encode() + content
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"webhook_id": name, "webhook_timestamp": when, "webhook_signature": f"v1,{signature}"}


DEPLOYED = {
    "action": "created",
    "deployment_status": {"state": "success", "environment": "production", "created_at": "2026-03-01T12:00:00Z"},
    "deployment": {
        "id": 42,
        "ref": "v5.4.0",
        "sha": "abcdef0123456789",
        "description": "loyalty tiers",
        "creator": {"login": "mia"},
    },
    "repository": {"full_name": "shop/till", "default_branch": "main"},
}
PUSHED = {
    "ref": "refs/heads/main",
    "after": "feedbeef" * 5,
    "repository": {"full_name": "shop/till", "default_branch": "main", "pushed_at": 1772366400},
    "pusher": {"name": "leo"},
    "commits": [{"modified": ["config/pool.toml", "README.md"], "added": ["db/migrations/7.sql"], "removed": []}],
}


def test_a_deployment_of_github_is_kept_once_and_listed(site: WebSite, send: Callable[..., Any]) -> None:
    headers = {**github(DEPLOYED), "x_github_event": "deployment_status"}
    first, again = (send("hub", DEPLOYED, **headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert [one["new"] for answer in (first, again) for one in answer.json()["changes"]] == [True, False]
    (kept,) = [one for one in site.app.changes.list() if one.reference == "deployment:42"]
    told = kept.change
    assert (told.service, told.kind, told.version, told.actor) == ("checkout", "deploy", "v5.4.0", "mia")
    assert told.time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert "rule 1" in kept.mapped_by
    rows = site.app.live_sources(datetime(2026, 3, 1, 13, tzinfo=UTC)).changes.freshness
    assert rows is not None


@pytest.mark.parametrize(
    ("event", "change"),
    [
        ("deployment_status", {"deployment_status": {"state": "failure", "environment": "production"}}),
        ("deployment_status", {"deployment_status": {"state": "success", "environment": "staging"}}),
        ("deployment", {}),
        ("issues", {}),
        ("ping", {}),
    ],
)
def test_what_is_no_change_is_ignored_and_said_to_be(send: Callable[..., Any], event: str, change: dict[str, Any]) -> None:
    body = {**DEPLOYED, **change}
    answer = send("hub", body, **github(body), x_github_event=event).json()
    assert answer["changes"] == []
    assert answer["ignored"]


def test_a_push_to_watched_paths_is_a_change_of_each_kind(site: WebSite, send: Callable[..., Any]) -> None:
    answer = send("hub", PUSHED, **github(PUSHED), x_github_event="push").json()
    assert [one["new"] for one in answer["changes"]] == [True, True]
    found = {one.change.kind: one.change for one in site.app.changes.list() if one.reference.startswith("push:feedbeef")}
    assert set(found) == {"config", "migration"}
    assert found[next(kind for kind in found if kind == "config")].description == "push to main: config/pool.toml"
    elsewhere = PUSHED | {"ref": "refs/heads/try"}
    assert send("hub", elsewhere, **github(elsewhere), x_github_event="push").json()["changes"] == []


GITLAB = {
    "object_kind": "deployment",
    "status": "success",
    "deployment_id": 7,
    "status_changed_at": "2026-03-01 14:00:00 +0200",
    "environment": "production",
    "short_sha": "1234abcd",
    "ref": "main",
    "project": {"path_with_namespace": "shop/cart"},
    "user": {"username": "leo"},
}
ARGO = {
    "application": "payment",
    "phase": "Succeeded",
    "revision": "0123456789abcdef",
    "started_at": "2026-03-01T12:00:00Z",
    "images": ["registry.example:5000/payment:3.1.4"],
}
ROLLOUT = {
    "kind": "EventList",
    "items": [
        {
            "involvedObject": {"kind": "Deployment", "name": "cart", "namespace": "shop", "uid": "u-1"},
            "reason": "ScalingReplicaSet",
            "message": f"Scaled {what}",
            "lastTimestamp": "2026-03-01T12:00:00Z",
        }
        for what in (
            "up replica set cart-5d9c7 to 1 from 0",
            "down replica set cart-77777 to 2 from 3",
            "up replica set cart-5d9c7 to 2 from 1",
            "down replica set cart-77777 to 0 from 1",
        )
    ],
}
FLAG = {
    "_id": "f-1",
    "date": 1772366400000,
    "target": {"resources": ["proj/shop:env/production:flag/new-basket"]},
    "titleVerb": "turned on the flag",
    "name": "New basket",
    "member": {"_id": "mia"},
}


@pytest.mark.parametrize(
    ("sender", "body", "headers", "told"),
    [
        ("lab", GITLAB, standard, ("cart", "deploy", "1234abcd")),
        ("argo", ARGO, lambda _: BEARER, ("payment", "deploy", "3.1.4")),
        (
            "flags",
            FLAG,
            lambda body: {"x_ld_signature": github(body)["x_hub_signature_256"][7:]},
            ("storefront", "flag", "new-basket"),
        ),
        ("any", {"service": "mail", "kind": "config", "version": "9"}, lambda _: BEARER, ("mail", "config", "9")),
    ],
)
def test_each_sender_tells_of_its_change(
    site: WebSite, send: Callable[..., Any], sender: str, body: object, headers: Any, told: tuple[str, ...]
) -> None:
    answer = send(sender, body, **headers(body))
    assert answer.status_code == 200, answer.text
    found = [one.change for one in site.app.changes.list() if one.sender == sender]
    assert [(one.service, one.kind.value, one.version) for one in found] == [told]


def test_a_rollout_is_a_deploy_and_what_it_scales_is_scale(site: WebSite, send: Callable[..., Any]) -> None:
    assert send("cluster", ROLLOUT, **BEARER).status_code == 200
    found = [one.change for one in site.app.changes.list() if one.sender == "cluster"]
    assert sorted((one.kind.value, one.version) for one in found) == [("deploy", "5d9c7"), ("scale", "2"), ("scale", "2")]
    assert {one.cluster for one in found} == {"eu-1"}


def test_gitlab_shows_its_token_in_a_header_of_its_own(send: Callable[..., Any]) -> None:
    assert send("lab-token", GITLAB, x_gitlab_token=TOKEN).status_code == 200
    assert send("lab-token", GITLAB, x_gitlab_token=TOKEN[:-1]).status_code == 401
    assert send("argo", ARGO, x_gitlab_token=TOKEN).status_code == 401


@pytest.mark.parametrize(
    ("sender", "headers"),
    [
        ("hub", {}),
        ("hub", github(DEPLOYED, b"another-secret-of-twenty")),
        ("hub", {"x_hub_signature_256": "sha256=" + "0" * 64}),
        ("hub", BEARER),
        ("lab", standard(DEPLOYED, at=0)),
        ("lab", standard(DEPLOYED, secret=b"another-secret-of-twenty")),
        ("lab", {**standard(DEPLOYED), "webhook_id": "msg-2"}),
        ("lab", BEARER),
        ("lab", {"x_gitlab_token": SECRET.decode()}),
        ("argo", {"authorization": "Bearer wrong"}),
        ("cluster", {}),
        ("flags", {"x_ld_signature": "0" * 64}),
        ("any", standard(DEPLOYED)),
        ("prometheus", BEARER),
        ("nobody", BEARER),
    ],
)
def test_who_does_not_prove_it_is_nobody(site: WebSite, send: Callable[..., Any], sender: str, headers: dict[str, str]) -> None:
    before = len(site.app.changes.list(limit=500))
    answer = send(sender, DEPLOYED, **headers, x_github_event="deployment_status")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(site.app.changes.list(limit=500)) == before


def test_a_page_cannot_tell_of_changes_and_alerts_are_no_changes(site: WebSite, send: Callable[..., Any]) -> None:
    assert send("any", {"service": "x"}, **BEARER, cookie="a=b").status_code == 403
    client = TestClient(site.site, base_url=BASE)
    assert client.post("/intake/alerts/any", json={"title": "x"}, headers=BEARER).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"service": 1e999}', b"\xff", b"[" * 5000, b'{"service": NaN}', b"1" * 5000])
def test_what_is_no_change_in_json_is_refused_with_a_reason(send: Callable[..., Any], body: bytes) -> None:
    answer = send("any", body, **BEARER)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40)
SCALARS = SCALARS | HOSTILE


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """The same shape, with anything in the place of some parts."""
    if draw(st.integers(0, 9)) == 0:
        return draw(
            st.recursive(
                SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            )
        )
    if isinstance(value, dict):
        return {key: draw(mutated(one)) for key, one in value.items()}
    if isinstance(value, list):
        return [draw(mutated(one)) for one in value]
    return value


@pytest.mark.parametrize(
    ("sender", "body", "event"),
    [
        ("hub", DEPLOYED, "deployment_status"),
        ("hub", {"action": "published", "release": {"id": 1, "tag_name": "v1"}, "repository": {"full_name": "a/b"}}, "release"),
        ("hub", PUSHED, "push"),
        ("lab", GITLAB, ""),
        ("argo", ARGO, ""),
        ("cluster", ROLLOUT, ""),
        ("flags", FLAG, ""),
        ("any", {"changes": [{"service": "mail", "kind": "deploy", "time": "2026-03-01T12:00:00Z", "version": "1"}]}, ""),
    ],
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_that_a_sender_writes_is_a_fault(
    send: Callable[..., Any], data: st.DataObject, sender: str, body: Any, event: str
) -> None:
    sent = json.dumps(data.draw(mutated(body))).encode()
    signed = standard(sent) if sender in {"lab", "flags"} else github(sent) if sender == "hub" else BEARER
    answer = send(sender, sent, **signed, x_github_event=event)
    assert answer.status_code in {200, 422}, answer.text


@pytest.mark.parametrize(
    "time",
    [10**400, -(10**400), 2**63, "9" * 400, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "\ud800"],
    ids=["long", "long and negative", "64 bits", "long text", "the year 1", "the last", "half a surrogate"],
)
def test_a_time_that_is_none_is_now(site: WebSite, send: Callable[..., Any], time: object) -> None:
    before = datetime.now(UTC)
    pushed = {**PUSHED, "repository": PUSHED["repository"] | {"pushed_at": time}}  # type: ignore[operator]
    for sender, body, headers in (
        ("any", {"service": "mail", "time": time}, BEARER),
        ("argo", ARGO | {"started_at": time}, BEARER),
        ("cluster", ROLLOUT["items"][0] | {"lastTimestamp": time}, BEARER),  # type: ignore[operator]
        ("lab-token", GITLAB | {"status_changed_at": time}, {"x_gitlab_token": TOKEN}),
        ("hub", pushed, github(pushed)),
    ):
        answer = send(sender, body, **headers, x_github_event="push")
        assert answer.status_code == 200, (sender, answer.text)
        kept = {one.id: one.change for one in reversed(site.app.changes.list(limit=500))}
        assert [kept[one["id"]].time for one in answer.json()["changes"] if one["new"] and kept[one["id"]].time < before] == [], (
            sender
        )


def test_a_program_records_lists_and_sees_what_is_watched(site: WebSite) -> None:
    client = site.program("mia")
    body = {"service": "checkout", "version": "6.0.0", "reference": "job-1"}
    first, again = (client.post("/api/v1/changes", json=body) for _ in range(2))
    assert (first.status_code, first.json()["new"], again.json()["new"]) == (201, True, False), first.text
    (listed,) = [one for one in client.get("/api/v1/changes?service=checkout").json()["changes"] if one["reference"] == "job-1"]
    assert listed["change"]["actor"] == "mia"
    (watched,) = [one for one in client.get("/api/v1/changes/watched").json()["watched"] if one["version"] == "6.0.0"]
    assert watched["worse"] == []
    assert client.post("/api/v1/changes", json={"service": "checkout", "at": "2090-01-01T00:00:00Z"}).status_code == 422
