"""Which investigation, request or alert a person means: by its id, or by the beginning of it where that is only one's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from middlewatch.records.errors import BadInput, MiddlewatchError, UnknownAlert, UnknownInvestigation, UnknownRequest
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.approvals import Approvals
    from middlewatch.records import RequestState

MOST = 1000
"""The newest ones, among which a beginning is looked for. A whole id is found however old it is."""
_CANDIDATES = 8


def _offer_investigations(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from middlewatch.recent import recent_investigations  # noqa: PLC0415  what it imports no --help needs

    return _offered(begun, lambda settings: dict.fromkeys(recent_investigations(settings)).items())


def _offer_requests(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from middlewatch.recent import recent_requests  # noqa: PLC0415  likewise

    return _offered(begun, recent_requests)


def _offer_alerts(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from middlewatch.recent import recent_alerts  # noqa: PLC0415  likewise

    return _offered(begun, lambda settings: dict.fromkeys(recent_alerts(settings)).items())


def _offer_people(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from middlewatch.recent import known_people  # noqa: PLC0415  likewise

    return _offered(begun, known_people)


def _offered(begun: str, look: Callable[[Settings], Iterable[tuple[str, str | None]]]) -> list[CompletionItem]:
    """Those that begin so, each with a word about it where there is one."""
    try:
        found = look(Settings.load())
    except MiddlewatchError:  # a shell that completes is no place to say what is misconfigured
        return []
    return [CompletionItem(id_, help=word) for id_, word in found if id_.startswith(begun)]


def request_in(*states: RequestState) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """The argument of a command that changes requests in these states: a shell is offered no others."""
    values = {state.value for state in states}

    def offer(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        return [item for item in _offer_requests(context, parameter, begun) if item.help in values]

    return click.argument("request", shell_complete=offer)


def offer_objects(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """What `object_id` knows."""
    return [*_offer_requests(context, parameter, begun), *_offer_investigations(context, parameter, begun)]


investigation_argument = click.argument("investigation", shell_complete=_offer_investigations)
request_argument = click.argument("request", shell_complete=_offer_requests)
alert_argument = click.argument("alert", shell_complete=_offer_alerts)
principal_argument = click.argument("principal", shell_complete=_offer_people)


def investigation_id(app: App, given: str) -> str:
    """The id of the investigation that is meant.

    Raises:
        UnknownInvestigation: there is none.
        BadInput: there are several.
    """
    try:
        return app.investigation(given).id
    except UnknownInvestigation:
        found = _matching([row.id for row in app.investigations(limit=MOST)], given, "investigations")
        if found:
            return found
        raise


def request_id(approvals: Approvals, given: str) -> str:
    """The id of the approval request that is meant.

    Raises:
        UnknownRequest: there is none.
        BadInput: there are several.
    """
    try:
        return approvals.show(given, None, face="").id
    except UnknownRequest:
        found = _matching([request.id for request in approvals.current(limit=MOST)], given, "requests")
        if found:
            return found
    raise UnknownRequest(f"There is no approval request {given!r}.", remedy="List all with: middlewatch approvals list --all")


def alert_id(app: App, given: str) -> str:
    """The id of the alert that is meant.

    Raises:
        UnknownAlert: there is none.
        BadInput: there are several.
    """
    try:
        return app.occurrences.occurrence(given).id
    except UnknownAlert:
        found = _matching([one.id for one in app.occurrences.list(limit=MOST)], given, "alerts")
        if found:
            return found
        raise


def object_id(app: App, given: str) -> str:
    """The id of the request or investigation that is meant; what is neither stands for itself, such as a person.

    Raises:
        BadInput: there are several.
    """
    with suppress(UnknownRequest):
        return request_id(app.approvals, given)
    with suppress(UnknownInvestigation):
        return investigation_id(app, given)
    return given


def _matching(ids: Sequence[str], given: str, nouns: str) -> str:
    """The one that begins so, with or without what all of them begin with; empty where none does."""
    if given in ids:
        return given
    found = [id_ for id_ in ids if given and (id_.startswith(given) or id_.partition("-")[2].startswith(given))]
    if len(found) > 1:
        more = f" and {len(found) - _CANDIDATES} more" if len(found) > _CANDIDATES else ""
        raise BadInput(
            f"{given!r} is the beginning of {len(found)} {nouns}.", remedy=f"Say which: {', '.join(found[:_CANDIDATES])}{more}"
        )
    return found[0] if found else ""
