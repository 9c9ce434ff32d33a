"""Pictures of the pages for the documentation: `make screens` makes them again, in `docs/images/web`.

Run by pytest, because it needs the stores that the tests have; not collected by it otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from middlewatch.alerts import incident_alert
from middlewatch.approval.binding import digest_of_bound, digest_of_shown
from middlewatch.records import (
    DEFAULT_TENANT,
    ActionResult,
    AgentName,
    ApprovalRequest,
    Claim,
    Completion,
    Decision,
    Evidence,
    Execution,
    FanOut,
    Investigation,
    InvestigationState,
    PastAction,
    Recovery,
    RequestState,
    Result,
    Task,
    TaskKind,
    Undo,
    Verdict,
)
from tests.acceptance.approvals_site import FREEZE, token
from tests.browser import Browser, Page, visiting
from tests.report_finding import finding
from tests.reports import inconclusive
from tests.web_fixtures import chromium, redis, site, url
from tests.web_site import WebSite

__all__ = ["chromium", "redis", "site", "url"]

S = RequestState
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images" / "web"
RECORDING = FOLDER.parents[2] / "evals" / "recordings" / "shop-slow-pages"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
SCALE = 0.7
"""Of a desktop's pictures: small files that can still be read."""
LARGEST = 200_000
"""Bytes of a picture."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture."""

    name: str
    put: Callable[[WebSite], str]
    """Brings the site to where it is looked at; returns the path."""
    person: str | None = "leo"
    """None for somebody who has not signed in."""
    scheme: Literal["light", "dark"] = "light"
    phone: bool = False
    act: Callable[[Page], object] = lambda _page: None
    """What is done on the page before."""
    tidy: Callable[[WebSite], object] = lambda _site: None


def pending(site: WebSite, action: str = "scale_up", **update: object) -> ApprovalRequest:
    """A request that follows from a finding, of which similar ones went before."""
    report = finding()
    found = site.seed(report)
    facts = tuple(fact.id for fact in report.evidence[:3])
    made = site.propose(action, investigation=found.id, evidence=facts, **update)
    ago = datetime.now(UTC) - timedelta(days=80)
    past = (
        PastAction(request="apr-3f1c09ab77d2", target="checkout", at=ago, outcome="recovered after 310 s", recovered=True),
        PastAction(
            request="apr-90be4d1156aa", target="checkout", at=ago - timedelta(days=77), outcome="no effect", recovered=False
        ),
    )
    changed = site.rewrite(made, similar=past)
    assert changed.bound is not None
    bound = changed.bound.model_copy(update={"shown": digest_of_shown(changed)})
    return site.rewrite(made, bound=bound, digest=digest_of_bound(bound))


def page_of(request: ApprovalRequest) -> str:
    return f"/approvals/{request.id}"


def waits(site: WebSite) -> str:
    return page_of(pending(site))


def two_approvers(site: WebSite) -> str:
    request = pending(site, "restart_service")
    person = site.app.approvals.recognise("token:leo-token")
    reason = "it hangs since the deploy"
    site.app.approvals.decide(request.id, Decision.APPROVE, person, digest=request.digest, reason=reason, face="slack")
    return page_of(request)


def over(state: RequestState, why: str) -> Callable[[WebSite], str]:
    def put(site: WebSite) -> str:
        return page_of(site.rewrite(pending(site), state=state, why=why))

    return put


def executed(
    state: RequestState, recovery: Recovery | None, *, note: str = "", result: Result = Result.DONE
) -> Callable[[WebSite], str]:
    def put(site: WebSite) -> str:
        request = pending(site)
        person = site.app.approvals.recognise("token:leo-token")
        said = site.app.approvals.decide(request.id, Decision.APPROVE, person, digest=request.digest, face="web").request
        began = said.approvals[0].at + timedelta(seconds=1)
        known = result is not Result.UNKNOWN
        execution = Execution(
            executor="executor:one/1",
            fence=1,
            began_at=began,
            ended_at=began + timedelta(seconds=4) if known else None,
            result=ActionResult(result=result, detail="checkout has 5 instances", reference="run-8812") if known else None,
            undo=Undo(action="scale_down", parameters={"by": 2}) if known else None,
            recovery=recovery,
            recovery_note=note,
            recovered_at=began + timedelta(seconds=190) if recovery is Recovery.RECOVERED else None,
        )
        why = "its executor died, and no probe can tell" if state is S.UNKNOWN else "it was done"
        return page_of(site.rewrite(said, state=state, why=why, execution=execution))

    return put


def halted(site: WebSite) -> str:
    person = site.app.approvals.recognise("token:mia-token")
    path = waits(site)
    site.app.approvals.halt(person, "the rollbacks make it worse", face="web")
    return path


def lift(site: WebSite) -> None:
    site.app.approvals.lift(site.app.approvals.recognise("token:mara-token"), "the rule is gone", face="web")


def frozen(site: WebSite) -> str:
    path = executed(S.APPROVED, None)(site)
    site.rewrite(site.look(path.rpartition("/")[2]), execution=None, why="leo approved it")
    site.policy.write_policy(FREEZE)
    return path


def thaw(site: WebSite) -> None:
    site.policy.write_policy()


def taken(site: WebSite) -> str:
    """Somebody else decided while the sheet was open."""
    path = waits(site)
    request = site.look(path.rpartition("/")[2])
    person = site.app.approvals.recognise("token:lea-token")
    site.app.approvals.decide(request.id, Decision.DENY, person, digest="", reason="it is the cache", face="slack")
    return f"{path}/confirm?decision=approve&digest={request.digest}"


def ask(page: Page) -> None:
    page.get_by_role("link", name="Approve").click()
    page.get_by_role("dialog").wait_for()


def ask_to_deny(page: Page) -> None:
    page.get_by_role("link", name="Deny").click()
    page.get_by_role("dialog").wait_for()
    page.get_by_label("Too risky now").check()


def fanned_out(site: WebSite) -> Investigation:
    """An investigation whose agents are about to look."""
    found = site.open(finding(), f"inv-2f6e0c91{len(site.app.investigations()):04x}")
    claim = site.app.store.claim("screens")
    assert claim is not None
    looking = tuple(
        Task(
            tenant=found.tenant,
            investigation=found.id,
            id=f"r1-investigate-{agent}",
            kind=TaskKind.INVESTIGATE,
            arguments={"agent": agent, "round": 1},
        )
        for agent in AgentName
    )
    after = Task(tenant=found.tenant, investigation=found.id, id="r1-hypothesise", kind=TaskKind.HYPOTHESISE)
    site.app.store.finish(claim, Completion(fan_out=FanOut(tasks=looking, then=after)))
    return found


def look(site: WebSite, found: Investigation) -> tuple[Claim, tuple[Evidence, ...]]:
    """What one agent found, written down; its task is still to be finished."""
    at_work = site.app.store.claim("screens")
    assert at_work is not None
    own = (fact for fact in finding().evidence if fact.agent == at_work.task.arguments["agent"])
    moved = tuple(fact.model_copy(update={"investigation": found.id}) for fact in own)
    site.app.store.append(at_work, moved)
    return at_work, moved


def runs(site: WebSite) -> str:
    """An investigation whose agents are at work, that Mara gave to Leo."""
    found = fanned_out(site)
    for _ in range(2):
        at_work, facts = look(site, found)
        site.app.store.finish(at_work, Completion(evidence=facts))
    look(site, found)
    mara = site.app.approvals.recognise(f"token:{token('mara')}")
    site.app.handlings.assign(found.id, "leo", mara, note="Customers write in. I am in the call.", face="web")
    return f"/investigations/{found.id}"


def stalled(site: WebSite) -> str:
    """An investigation that no task can carry on: of what one agent and then the orchestrator did, too much failed."""
    found = fanned_out(site)
    for _ in range(3):
        at_work, facts = look(site, found)
        site.app.store.finish(at_work, Completion(evidence=facts))
    for error in ("a query took 4.02 GiB and may take 4 GiB", "2 of the 8 facts cannot be read: they are of a later version"):
        last = site.app.store.claim("screens")
        assert last is not None
        site.app.store.fail(last, error, retry=False)
    return f"/investigations/{found.id}"


def ends(site: WebSite) -> None:
    for one in site.app.investigations():
        if one.state is InvestigationState.OPEN:
            site.app.kept.cancel(one.id)


def logged(site: WebSite) -> str:
    found = site.seed(finding())
    leo = site.app.approvals.recognise(f"token:{token('leo')}")
    site.app.handlings.acknowledge(found.id, leo, face="web")
    site.app.handlings.assign(found.id, "mia", leo, note="The pool of inventory.\nI go to bed.", face="slack")
    site.app.handlings.give_feedback(found.id, Verdict.PARTLY, leo, cause="the cache in front of it", face="web")
    return "/audit"


def recorded(site: WebSite) -> str:
    """The committed incident of the lab, really investigated; once."""
    imported = site.app.import_recording(RECORDING)
    for one in site.app.investigations():
        if one.scope.recording == imported.name:
            return f"/investigations/{one.id}"
    (incident,) = imported.incidents
    made = site.app.investigate(
        incident_alert(DEFAULT_TENANT, imported.name, incident, imported.incidents), recording=imported.name
    )
    with site.app.working("screens"):
        for _ in site.app.follow(made.id):
            pass
    return f"/investigations/{made.id}"


def strongest(site: WebSite) -> str:
    """The fact that its report puts first."""
    path = recorded(site)
    report = site.app.report(path.rpartition("/")[2])
    assert report is not None
    return f"{path}/evidence/{report.evidence[0].id}"


def drawn(page: Page) -> None:
    """What asks the telemetry comes after the page."""
    page.locator("#part-chart .chart").wait_for()
    page.locator("#part-request .waterfall").wait_for()


def to_the_proof(page: Page) -> None:
    drawn(page)
    page.locator("#part-request").evaluate("part => part.firstElementChild.scrollIntoView({block: 'end'})")


def unknown(site: WebSite) -> str:
    return f"/investigations/{site.seed(inconclusive()).id}"


def stopped(site: WebSite) -> str:
    path = runs(site)
    ends(site)
    return path


def inbox(site: WebSite) -> str:
    """With something of everything in it."""
    recorded(site)
    unknown(site)
    pending(site)
    runs(site)
    return "/"


def sign_in(_site: WebSite) -> str:
    return "/sign-in"


def guess(page: Page) -> None:
    page.get_by_label("Your token").fill("mw_guess")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()


SHOTS = (
    Shot("investigation", recorded, act=drawn),
    Shot("investigation-dark", recorded, scheme="dark", act=drawn),
    Shot("investigation-phone", recorded, phone=True, act=drawn),
    Shot("investigation-proof", recorded, act=to_the_proof),
    Shot("evidence", strongest),
    Shot("investigation-inconclusive", unknown),
    Shot("investigation-cancelled", stopped),
    Shot("inbox", inbox, tidy=ends),
    Shot("inbox-phone-dark", inbox, phone=True, scheme="dark", tidy=ends),
    Shot("investigation-running", runs, tidy=ends),
    Shot("investigation-running-phone-dark", runs, phone=True, scheme="dark", tidy=ends),
    Shot("investigation-stalled", stalled, tidy=ends),
    Shot("investigation-stalled-dark", stalled, scheme="dark", tidy=ends),
    Shot("investigation-stalled-phone", stalled, phone=True, tidy=ends),
    Shot("sign-in", sign_in, person=None),
    Shot("sign-in-dark", sign_in, person=None, scheme="dark"),
    Shot("sign-in-phone", sign_in, person=None, phone=True),
    Shot("sign-in-refused-phone-dark", sign_in, person=None, phone=True, scheme="dark", act=guess),
    Shot("audit-log", logged),
    Shot("approval-pending", waits),
    Shot("approval-pending-dark", waits, scheme="dark"),
    Shot("approval-pending-phone", waits, phone=True),
    Shot("approval-pending-phone-dark", waits, phone=True, scheme="dark"),
    Shot("approval-confirm", waits, act=ask),
    Shot("approval-confirm-phone", waits, phone=True, act=ask),
    Shot("approval-deny-phone-dark", waits, phone=True, scheme="dark", act=ask_to_deny),
    Shot("approval-two-approvers", two_approvers, person="mia"),
    Shot("approval-expired", over(S.EXPIRED, "nobody decided in time")),
    Shot("approval-somebody-was-first", taken),
    Shot("approval-done", executed(S.SUCCEEDED, Recovery.RECOVERED, note="p99 of checkout is 0.29 s, as usual.")),
    Shot("approval-not-recovered", executed(S.SUCCEEDED, Recovery.NOT_RECOVERED, note="p99 of checkout is still 3.1 s.")),
    Shot("approval-unknown", executed(S.UNKNOWN, None, result=Result.UNKNOWN)),
    Shot("approval-reconcile", lambda site: executed(S.UNKNOWN, None, result=Result.UNKNOWN)(site) + "/reconcile"),
    Shot("approval-frozen", frozen, person="mara", tidy=thaw),
    Shot("approval-halted", halted, tidy=lift),
    Shot("approvals-list", lambda site: waits(site) and "/approvals"),
    Shot("approvals-list-phone", lambda site: waits(site) and "/approvals", phone=True),
    Shot("investigation-approval", lambda site: f"/investigations/{pending(site).remediation.investigation}"),
)


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_shot(chromium: Browser, site: WebSite, url: str, shot: Shot) -> None:
    options: dict[str, Any] = (
        {"viewport": PHONE, "is_mobile": True, "has_touch": True}
        if shot.phone
        else {"viewport": DESKTOP, "device_scale_factor": SCALE}
    )
    with ExitStack() as stack:
        path = shot.put(site)
        stack.callback(shot.tidy, site)
        page = stack.enter_context(visiting(chromium, site, url, shot.person, color_scheme=shot.scheme, **options))
        page.goto(path)
        shot.act(page)
        page.wait_for_timeout(300)  # for what a script moves
        FOLDER.mkdir(parents=True, exist_ok=True)
        file = FOLDER / f"{shot.name}.png"
        page.screenshot(path=file, animations="disabled")
        assert file.stat().st_size < LARGEST, file
