"""A page taken apart as a browser does, to see whether somebody else's text became part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

OWN = ("/", "#", "?", "data:,", "http://localhost", "http://127.0.0.1")
"""How an address of the site begins; a fragment, a query, no icon."""


@dataclass
class Seen(HTMLParser):
    """What is on a page."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def links(self) -> list[str]:
        return [given["href"] for _, given in self.tags if "href" in given]

    @property
    def heading(self) -> str:
        """All of its words."""
        return " ".join("".join(self.text).split())


def seen(page: str) -> Seen:
    made = Seen()
    made.feed(page)
    made.close()
    return made


def foreign_markup(page: Seen) -> list[tuple[str, dict[str, str]]]:
    """Elements that none of our templates has: pictures, handlers, styles, scripts and addresses of somebody else's."""
    return [(tag, given) for tag, given in page.tags if _is_foreign(tag, given)]


def _is_foreign(tag: str, given: dict[str, str]) -> bool:
    if tag in {"img", "iframe", "object", "embed", "base", "style", "template"} or any(name.startswith("on") for name in given):
        return True
    if "style" in given or (tag == "script" and not given.get("src", "").startswith("/static/")):
        return True
    addresses = (given[name] for name in ("href", "src", "action", "formaction", "hx-get", "data-part") if name in given)
    return not all(address.startswith(OWN) and not address.startswith("//") for address in addresses)
