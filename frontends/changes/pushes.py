"""A push to a watched path, as GitHub and GitLab tell of it alike."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from middlewatch.change_mapping import rule_of_path
from middlewatch.frontends.changes.told import MOST, Heard, Json, Told, rows, text
from middlewatch.frontends.reading import count
from middlewatch.records import ChangeKind
from middlewatch.senders import SenderEntry

LONGEST_PATH = 1024
NAMED = 3
"""Files that a description names."""
_TOUCHED = ("added", "modified", "removed")


@dataclass(frozen=True, slots=True)
class Push:
    """What both senders say of one."""

    ref: str
    default_branch: str
    after: str
    commits: list[Json]
    called: Mapping[str, str]
    time: datetime
    actor: str
    url: str


def heard_of(push: Push, sender: SenderEntry) -> Heard:
    """One change for each kind of what its watched files are."""
    branch = push.ref.removeprefix("refs/heads/")
    if branch == push.ref:
        return Heard(ignored=("a push of something else than a branch",))
    found: dict[ChangeKind, list[str]] = {}
    for path in _touched(push.commits):
        rule = rule_of_path(sender, path)
        if rule is not None and fnmatch.fnmatchcase(branch, rule.branch or push.default_branch):
            found.setdefault(ChangeKind(rule.kind), []).append(path)
    if not found:
        return Heard(ignored=("a push that touches no watched file of a watched branch",))
    return Heard(
        tuple(
            Told(
                reference=f"push:{push.after}:{kind.value}",
                time=push.time,
                kind=kind,
                called=push.called,
                version=push.after[:12],
                actor=push.actor,
                description=f"push to {branch}: {_named(paths)}",
                url=push.url,
            )
            for kind, paths in found.items()
        )
    )


def _touched(commits: list[Json]) -> Iterator[str]:
    seen: dict[str, None] = {}
    for commit in commits:
        for how in _TOUCHED:
            paths = commit.get(how)
            for path in paths[:MOST] if isinstance(paths, list) else ():
                if 0 < len(text(path)) <= LONGEST_PATH:
                    seen.setdefault(text(path))
    yield from seen


def _named(paths: list[str]) -> str:
    more = f" and {count(len(paths) - NAMED, 'more file')}" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more


def commits_of(body: Json) -> list[Json]:
    """The commits of a push."""
    return rows(body.get("commits"))
