"""What people ask for besides a decision: propose, propose again, undo, other parameters; what became of it; the broken glass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.app import App
from middlewatch.frontends.parameters import typed
from middlewatch.frontends.request_wording import undo_words
from middlewatch.frontends.web.asking import Asking, Deciding, Looking, Reason, Typed
from middlewatch.frontends.web.decisions import refused, view_context
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.problems import kind_of
from middlewatch.frontends.web.requests_view import RequestView
from middlewatch.frontends.web.visitors import FACE, Acting, Application, SignedIn, Visitor
from middlewatch.records import ActionSpec, ApprovalRequest, Remediation
from middlewatch.records.errors import BadInput, MiddlewatchError, Misconfigured, Refused

router = APIRouter(include_in_schema=False)

PARAMETER = "parameter."
"""Before a parameter's name in a form."""
_LONGEST_NOTE = 4000
_FORMS = {"edit": "edit", "reconcile": "reconcile", "break-glass": "glass", "review": "review"}
"""What each form is for, as `RequestView.can` has it."""
Investigation = Annotated[str, Path(max_length=128)]


@router.post("/approvals/{id_}/again")
def again(asking: Deciding) -> Response:
    """Ask anew for what is over without having been done."""
    return _made(asking, lambda: asking.app.approvals.propose_again(asking.id, asking.principal, face=FACE))


@router.post("/approvals/{id_}/undo")
def undo(asking: Deciding) -> Response:
    """Propose what takes an execution back."""
    return _made(asking, lambda: asking.app.approvals.undo(asking.id, asking.principal, face=FACE))


@router.get("/approvals/{id_}/edit")
def edit_page(asking: Looking) -> Response:
    """The parameters."""
    return _form(asking, "edit")


@router.post("/approvals/{id_}/edit")
def edit(asking: Deciding) -> Response:
    """Ask for the same action with other parameters; the request is void then."""
    approvals = asking.app.approvals

    def make() -> ApprovalRequest:
        found = approvals.show(asking.id, face="").remediation
        changed = typed(approvals.spec(found.action).parameters_schema, found.action, _parameters(asking.typed))
        return approvals.edit(asking.id, found.parameters | changed, asking.principal, face=FACE)

    try:
        made = make()
    except MiddlewatchError as error:
        return _form(asking, "edit", error)
    return RedirectResponse(f"/approvals/{made.id}", 303)


@router.get("/approvals/{id_}/reconcile")
def reconcile_page(asking: Looking) -> Response:
    """What became of it?"""
    return _form(asking, "reconcile")


@router.post("/approvals/{id_}/reconcile")
def reconcile(asking: Deciding, happened: Annotated[bool | None, Form()] = None, reason: Reason = "") -> Response:
    """Say what became of an execution that nobody saw the end of."""

    def do() -> None:
        if happened is None or not reason.strip():
            raise BadInput("Say what you found at the target, and how you know.", remedy="Choose one, and write why.")
        asking.app.approvals.reconcile(asking.id, asking.principal, happened=happened, reason=reason, face=FACE)

    return _done(asking, "reconcile", do)


@router.get("/approvals/{id_}/break-glass")
def glass_page(asking: Looking) -> Response:
    """What it means, and the credential."""
    return _form(asking, "break-glass")


@router.post("/approvals/{id_}/break-glass")
def break_glass(asking: Deciding, credential: Annotated[str, Form(max_length=1024)] = "", reason: Reason = "") -> Response:
    """Let an approved request begin in a freeze. The credential is never shown again."""

    def do() -> None:
        given = credential.strip()
        asking.app.approvals.break_glass(asking.id, asking.principal, credential=given, reason=reason, face=FACE)

    return _done(asking, "break-glass", do)


@router.get("/approvals/{id_}/review")
def review_page(asking: Looking) -> Response:
    """Why the glass was broken, and what is thought of it."""
    return _form(asking, "review")


@router.post("/approvals/{id_}/review")
def review(asking: Deciding, reason: Reason = "") -> Response:
    """Close the review of a broken glass."""

    def do() -> None:
        if not reason.strip():
            raise BadInput("A review takes a word on whether it was right.", remedy="Write what you found.")
        asking.app.approvals.review_glass(asking.id, asking.principal, reason=reason, face=FACE)

    return _done(asking, "review", do)


@dataclass(frozen=True, slots=True)
class Proposing:
    """Somebody proposes an action for an investigation."""

    request: Request
    app: App
    investigation: str
    target: str
    action: str
    typed: Mapping[str, str] = field(default_factory=dict)


@router.get("/investigations/{investigation}/propose")
def propose_page(
    request: Request,
    app: Application,
    _visitor: SignedIn,
    investigation: Investigation,
    target: Annotated[str, Query(max_length=256)] = "",
    action: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Choose a target, then an action, then its parameters: each is a page, so that no script is needed."""
    return _propose(Proposing(request, app, investigation, target, action))


@router.post("/investigations/{investigation}/propose")
def propose(request: Request, app: Application, visitor: Acting, investigation: Investigation, given: Typed) -> Response:
    """Propose an action by hand; somebody else decides."""
    wanted = Proposing(request, app, investigation, given.get("target", ""), given.get("action", ""), given)
    try:
        made = app.approvals.propose_as(visitor.principal, _remediation(wanted, visitor))
    except MiddlewatchError as error:
        return _propose(wanted, error)
    return RedirectResponse(f"/approvals/{made.id}", 303)


def _remediation(wanted: Proposing, visitor: Visitor) -> Remediation:
    app, note = wanted.app, wanted.typed.get("note", "")
    incident = app.investigation(wanted.investigation)
    if wanted.target not in app.approvals.targets():
        raise BadInput("There is no such target.", remedy="Choose one of the list.")
    if len(note) > _LONGEST_NOTE:
        raise BadInput(f"The note is longer than {_LONGEST_NOTE:,} characters.", remedy="Say it shorter.")
    spec = app.approvals.spec(wanted.action)
    return Remediation(
        tenant=app.settings.tenant,
        investigation=incident.id,
        action=spec.id,
        target=wanted.target,
        parameters=typed(spec.parameters_schema, spec.id, _parameters(wanted.typed)),
        proposed_by=visitor.principal.id if visitor.principal else "",
        confidence=0.0,
        evidence=app.approvals.facts_about(incident.id, wanted.target),
        note=note,
    )


def _propose(wanted: Proposing, error: MiddlewatchError | None = None) -> Response:
    """The page, as far as has been chosen."""
    app, status = wanted.app, kind_of(error).status if error else 200
    found = app.investigation(wanted.investigation)
    targets: tuple[str, ...] = ()
    specs: list[ActionSpec] = []
    try:
        targets = app.approvals.targets()
        specs = [app.approvals.spec(name) for name in app.approvals.offers(wanted.target)] if wanted.target in targets else []
    except (Misconfigured, Refused) as problem:
        error = error or problem
    spec = next((one for one in specs if one.id == wanted.action), None)
    return render(
        wanted.request,
        "propose.html",
        status=status,
        investigation=found,
        targets=targets,
        target=wanted.target if wanted.target in targets else "",
        specs=specs,
        spec=spec,
        undo=undo_words(spec) if spec else "",
        fields=_fields(spec.parameters_schema, {}, wanted.typed) if spec else (),
        note=wanted.typed.get("note", ""),
        problem=error,
    )


def _parameters(given: Mapping[str, str]) -> list[str]:
    """KEY=VALUE of the parameters in a form; what was left empty is left out."""
    return [f"{name.removeprefix(PARAMETER)}={value}" for name, value in given.items() if name.startswith(PARAMETER) and value]


def _fields(schema: Mapping[str, Any], now: Mapping[str, object], given: Mapping[str, str]) -> list[dict[str, Any]]:
    """The inputs of a form for an action's parameters.

    Args:
        schema: of the parameters, JSON schema.
        now: the values that stand there.
        given: what a form held that was not accepted.
    """
    made = []
    for name, kind in dict(schema.get("properties", {})).items():
        value = now.get(name, kind.get("default", ""))
        sort = kind.get("type", "string")
        made.append(
            {
                "name": PARAMETER + name,
                "label": name.replace("_", " "),
                "help": kind.get("description", ""),
                "value": given.get(PARAMETER + name, str(value).lower() if isinstance(value, bool) else str(value)),
                "required": name in schema.get("required", ()),
                "choices": ["true", "false"] if sort == "boolean" else [str(one) for one in kind.get("enum", [])],
                "number": sort in {"integer", "number"},
                "least": kind.get("minimum"),
                "most": kind.get("maximum"),
                "step": "1" if sort == "integer" else "any",
            }
        )
    return made


def _form(asking: Asking, form: str, error: MiddlewatchError | None = None) -> Response:
    """A form about a request; why there is none, where it is not offered."""
    view = asking.view()
    if not isinstance(view, RequestView) or _FORMS[form] not in view.can:
        state = view.request.state
        nothing = Refused(f"The request {asking.id} is {state}: that is not asked for now, or not of you.")
        return refused(asking, error or nothing)
    schema = view.card.spec.parameters_schema if view.card.spec else {}
    return render(
        asking.request,
        "request_form.html",
        page="approvals",
        status=kind_of(error).status if error else 200,
        form=form,
        fields=_fields(schema, view.request.remediation.parameters, asking.typed) if form == "edit" else (),
        problem=error,
        **view_context(view),
    )


def _made(asking: Asking, make: Callable[[], ApprovalRequest]) -> Response:
    """To the request that was made out of another one, or why not."""
    try:
        made = make()
    except MiddlewatchError as error:
        return refused(asking, error)
    return RedirectResponse(f"/approvals/{made.id}", 303)


def _done(asking: Asking, form: str, do: Callable[[], None]) -> Response:
    """Back to the request, or to the form with what was typed."""
    try:
        do()
    except MiddlewatchError as error:
        return _form(asking, form, error)
    return RedirectResponse(f"/approvals/{asking.id}", 303)
