"""Who asks what about which approval request: what every page and form about one starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Form, Request

from middlewatch.app import App
from middlewatch.frontends.web.requests_view import RequestView, Untold, request_view
from middlewatch.frontends.web.visitors import Acting, Application, Id, SignedIn, Visitor
from middlewatch.records import Principal

Reason = Annotated[str, Form(max_length=2000)]


@dataclass(frozen=True, slots=True)
class Asking:
    """One request of a browser about an approval request."""

    request: Request
    app: App
    visitor: Visitor
    id: str
    typed: Mapping[str, str] = field(default_factory=dict)
    """What the form held: it is shown again where it is not accepted."""

    @property
    def principal(self) -> Principal | None:
        return self.visitor.principal

    def view(self) -> RequestView | Untold:
        """The request as it stands, for this visitor.

        Raises:
            UnknownRequest: there is none.
        """
        return request_view(self.app, self.id, self.visitor, typed=self.typed)


async def typed_in(request: Request) -> dict[str, str]:
    """The texts of a form; secrets are not among them."""
    found = (await request.form()).items()
    return {name: value for name, value in found if isinstance(value, str) and name not in {"csrf", "credential"}}


Typed = Annotated[dict[str, str], Depends(typed_in)]


def _looking(request: Request, app: Application, visitor: SignedIn, id_: Id) -> Asking:
    return Asking(request, app, visitor, id_)


def _acting(request: Request, app: Application, visitor: Acting, typed: Typed, id_: Id) -> Asking:
    return Asking(request, app, visitor, id_, typed)


Looking = Annotated[Asking, Depends(_looking)]
Deciding = Annotated[Asking, Depends(_acting)]
