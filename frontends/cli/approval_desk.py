"""What the commands about approvals share: who runs them, which request is meant, and how it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from middlewatch.frontends import quantity
from middlewatch.frontends.cli.approval_card import render_card
from middlewatch.frontends.cli.output import colored, print_page, print_record, width
from middlewatch.frontends.cli.page import Column, Page, Span, Tone
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.records import ApprovalRequest, Halt, Principal, RequestState
from middlewatch.records.errors import Misconfigured, Refused, Unavailable
from middlewatch.settings import ascii_only

if TYPE_CHECKING:
    from datetime import datetime

    from middlewatch.app import App
    from middlewatch.approvals import Approvals
    from middlewatch.cards import Card

FACE = "cli"
POLL_SECONDS = 0.3
PREPARE_SECONDS = 30.0
"""How long a person waits for the executor to look at a target; it takes a second or two where one runs."""
SILENT_SECONDS = 10.0
"""After which it is said that no executor seems to be there; what was held up is looked at again every five seconds."""
OVERDUE_SECONDS = 15.0
"""How long after its end a worker may take to write down that it expired."""
UNKNOWN_SECONDS = 5.0
"""How long somebody who waits is told nothing yet: a probe may find out at once what became of it."""

S = RequestState
_URGENCY = (S.UNKNOWN, S.PENDING, S.APPROVED, S.EXECUTING, S.PREPARING)
"""What waits for a person comes first."""
_HELD = frozenset({S.PENDING, S.APPROVED})
"""What a halt or a freeze keeps from beginning; to look at a target is not held up."""
_TONES = {S.UNKNOWN: Tone.FAULT, S.FAILED: Tone.FAULT, S.PENDING: Tone.WAIT, S.APPROVED: Tone.WORK, S.EXECUTING: Tone.WORK}
COLUMNS = (
    Column("request"),
    Column("state"),
    Column("left", right=True),
    Column("risk"),
    Column("what", elastic=True),
    Column("asked"),
)
SIDE_BY_SIDE = 100
"""Columns from which on a request fits on one line."""


def viewer(app: App) -> Principal | None:
    """Whoever runs this command, as policy has them."""
    return app.approvals.identify(app.approvals.local_identity(), face=FACE)


def decider(app: App) -> Principal | None:
    """The same, for somebody who is about to decide.

    Raises:
        Refused: they gave a token, and policy knows none like it; whom the system's user is mapped to is not asked then.
    """
    person = viewer(app)
    if person is None and app.settings.token is not None:
        raise Refused(
            "Policy does not know the token in MIDDLEWATCH_TOKEN, or whose it is is not active.",
            remedy="Correct it, or unset it; `middlewatch policy token NAME` makes another.",
        )
    return person


def working(app: App) -> AbstractContextManager[object]:
    """Whatever it takes that a request goes on: where nobody else owns the data directory, we are the ones who work."""
    return app.working() if app.owner else nullcontext()


def print_card(card: Card, *, details: bool, question: bool = False, err: bool = False) -> None:
    """A card, as wide as the terminal."""
    color = colored(err=err)
    text = render_card(
        card, width=width(), color=color, details=details, question=question, ascii_only=ascii_only(), program=program()
    )
    click.echo(text, color=color, nl=False, err=err)


def print_request(request: ApprovalRequest, said: str, *, as_json: bool) -> None:
    """What a command came to: one line and where to read on, or the record."""
    if as_json:
        print_record(request)
        return
    print_line(said)
    print_command("Look at it", "show", request.id)


def print_made(app: App, request: ApprovalRequest, person: Principal | None, said: str, *, as_json: bool) -> None:
    """The same for a request that waits for people. Printed whole, it was shown to whoever runs this."""
    found = app.approvals.show(request.id, person, face=FACE) if as_json else request
    print_request(found, said, as_json=as_json)


def print_command(label: str, *words: str, err: bool = False) -> None:
    """What to run next, in a form that can be pasted."""
    page = Page(width(), quotation())
    page.command(label, (*program(), "approvals", *words))
    print_page(page, err=err)


def print_halt(halt: Halt | None, *, lifted: bool = False) -> None:
    """Above everything else, where it is set; or that it is not any more."""
    if halt is None and lifted:
        print_line("the halt is lifted")
    if halt is not None:
        say = quotation()
        why = f": {say.quoted(halt.reason)}" if halt.reason else ""
        print_line(f"HALTED by {say.named(halt.by)} since {halt.at:%Y-%m-%d %H:%M:%S} UTC{why}; nothing begins")


def held(approvals: Approvals, requests: Sequence[ApprovalRequest], now: datetime) -> dict[str, str]:
    """What keeps requests from going on, by their ids: a freeze, or what the executor met. A halt is said above all of them."""
    try:
        frozen = {one.id: approvals.desk.frozen(one, now) for one in requests if one.state in _HELD and one.break_glass is None}
    except (Misconfigured, Refused):  # no policy that can be used: the list says what it can
        frozen = {}
    found = {one.id: frozen.get(one.id) or one.held_up for one in requests}
    return {id_: why for id_, why in found.items() if why}


def print_list(
    requests: Sequence[ApprovalRequest], now: datetime, held_up: Mapping[str, str] = MappingProxyType({}), *, halted: bool = False
) -> None:
    """A line each, what waits for a person first.

    Args:
        requests: in any order.
        now: by the store's clock.
        held_up: as `held` says; a line each, below the rest.
        halted: whether everything is.
    """
    from middlewatch.cards import asked_now, ends_at  # noqa: PLC0415  what it imports no --help needs

    page = Page(width(), quotation())
    rows = []
    for request in in_order(requests, now):
        end = ends_at(request)
        seconds = (end - now).total_seconds() if end else 0.0
        left = "" if end is None else "over" if seconds <= 0 else quantity.duration(max(1.0, float(int(seconds))))
        rows.append(
            (
                Span(request.id),
                Span(_standing(request, held_up, halted=halted), _TONES.get(request.state, Tone.PLAIN)),
                Span(left),
                Span(str(request.rule.tier)),
                Span(f"{request.remediation.action} on {page.say.named(request.remediation.target)}", Tone.STRONG),
                Span(asked_now(request)),
            )
        )
    if page.width >= SIDE_BY_SIDE:
        page.table(COLUMNS, rows)
    else:
        for id_, state, rest, risk, what, asked in rows:
            page.paragraph(id_, Span("  "), state, Span(f", {rest.text} left" if rest.text else ""), indent=0)
            page.paragraph(what, Span(f" ({risk.text})"), Span(f"; asked: {asked.text}" if asked.text else ""))
    for why in dict.fromkeys(held_up.values()):
        ids = ", ".join(one for one, reason in held_up.items() if reason == why)
        page.paragraph(Span(f"{ids}: {why}", Tone.WAIT), indent=0, hang=2)
    print_page(page)


def _standing(request: ApprovalRequest, held_up: Mapping[str, str], *, halted: bool) -> str:
    """Its state, and what keeps it there."""
    if halted and request.state in _HELD:
        return f"{request.state}, halted"
    if request.id not in held_up:
        return str(request.state)
    return f"{request.state}, {'held up' if held_up[request.id] == request.held_up else 'frozen'}"


def in_order(requests: Sequence[ApprovalRequest], now: datetime) -> list[ApprovalRequest]:
    """What waits for somebody first, then what ends first, then the newest."""
    from middlewatch.cards import ends_at  # noqa: PLC0415  likewise

    def key(request: ApprovalRequest) -> tuple[int, float]:
        end = ends_at(request)
        rank = _URGENCY.index(request.state) if request.state in _URGENCY else len(_URGENCY)
        return rank, (end - now).total_seconds() if end else -request.created_at.timestamp()

    return sorted(requests, key=key)


def prepared(app: App, request: str) -> ApprovalRequest:
    """The request, as soon as the executor has looked at the target; nobody was shown it yet.

    Raises:
        Unavailable: it did not for a long while.
    """
    from middlewatch.cards import look  # noqa: PLC0415  likewise

    began, told = time.monotonic(), ""
    while (found := look(app.approvals, request).request).state is S.PREPARING:
        if told != found.why:
            told = found.why
            print_line(f"{told} ...", err=True)
        if time.monotonic() - began > PREPARE_SECONDS:
            raise _not_prepared(found)
        time.sleep(POLL_SECONDS)
    return found


def _not_prepared(request: ApprovalRequest) -> Unavailable:
    """Why nobody can be asked: what the executor met, or that there seems to be none."""
    if request.held_up:
        return Unavailable(
            f"Nobody is asked about {request.id} yet: {request.held_up.rstrip('.')}.",
            remedy="`middlewatch doctor` may say how. An executor that runs looks again every few seconds; "
            f"see it with: middlewatch approvals show {request.id}",
        )
    return Unavailable(
        f"No executor has looked at the target of {request.id} for {PREPARE_SECONDS:.0f} s.",
        remedy="If none runs, start one with: middlewatch worker",
    )


def unattended(app: App, request: ApprovalRequest) -> str:
    """That nobody executes what was approved once this command ends; empty where somebody may."""
    if request.state is not S.APPROVED or not app.owner or app.settings.redis_url is not None:
        return ""
    return f"no executor runs here now, so it does not begin; start one: {' '.join(program())} worker"


def follow(app: App, request: str) -> Card:
    """Tell how an approved request goes on, until it is over or nobody can tell; Ctrl-C leaves it running."""
    last = ""
    free = changed = time.monotonic()
    for seen in _looks(app, request):
        if seen.request.state is S.PENDING:
            return seen  # it needs more approvals
        if seen.halt is not None or (seen.freeze and seen.request.break_glass is None):
            free = time.monotonic()
        words = _going(seen, since=time.monotonic() - free)
        if seen.request.state is S.APPROVED:
            words += outlasted(app, seen)
        if words != last:
            ended = seen.request.execution.ended_at if seen.request.state.terminal and seen.request.execution else None
            print_line(f"{quantity.clock(ended or seen.now, seen.now.date())} {words}", err=True)
            last, changed = words, time.monotonic()
        state = seen.request.state
        waited = time.monotonic() - changed
        if state.terminal or (state is S.UNKNOWN and waited > UNKNOWN_SECONDS):
            return seen
        if seen.overdue and waited > OVERDUE_SECONDS:
            return seen
    raise AssertionError  # the looks never end


def outlasted(app: App, card: Card) -> str:
    """That a freeze lasts longer than the approval, given or given now, and what can be done; empty where none does."""
    request = card.request
    if not card.freeze or request.break_glass is not None or card.overdue:
        return ""
    freeze = app.approvals.desk.policy().freeze(request.remediation.target, card.now)
    runs_out = request.approved_until or card.now + timedelta(seconds=request.rule.life_seconds)
    if freeze is None or freeze.ends_at < runs_out:
        return ""
    lasts = f"the approval runs out at {quantity.clock(runs_out, card.now.date())} UTC, before that"
    glass = f"{' '.join(program())} approvals break-glass {request.id} --help"
    return f"; {lasts}, and then nothing runs. With an approval, a manager can let it begin: {glass}"


def _looks(app: App, request: str) -> Iterator[Card]:
    from middlewatch.cards import look  # noqa: PLC0415  likewise

    while True:
        yield look(app.approvals, request)
        time.sleep(POLL_SECONDS)


def _going(seen: Card, *, since: float) -> str:  # noqa: PLR0911  one line for each way that it may stand
    request = seen.request
    match request.state:
        case S.APPROVED if seen.overdue:
            return "approved; its time is over, and it did not begin"
        case S.APPROVED if seen.halt is not None:
            return "approved; everything is halted, so it waits until a manager lifts that"
        case S.APPROVED if seen.freeze and request.break_glass is None:
            return f"approved; {seen.freeze}"
        case S.APPROVED if since > SILENT_SECONDS:
            met = request.held_up.rstrip(".") or f"no executor took it up; start one: {' '.join(program())} worker"
            return f"approved; not begun yet: {met}"
        case S.APPROVED:
            return "approved; waits for the executor"
        case S.EXECUTING:
            return f"executing: {request.remediation.action} on {quotation().named(request.remediation.target)}"
        case S.UNKNOWN:
            return "its executor died; what became of it is looked for"
        case _:
            return f"{request.state}: {request.why}"
