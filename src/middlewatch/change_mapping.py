"""Whose a change is, by the rules of its sender, and what a push changes: pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from middlewatch.records.quoting import quoted
from middlewatch.senders import PathRule, SenderEntry


def service_of(sender: SenderEntry, called: Mapping[str, str], named: Callable[[str], str]) -> tuple[str, str]:
    """Whose change it is.

    Args:
        sender: with its rules.
        called: what it calls the thing that was changed, by name, the most telling first.
        named: the declared service of a name or alias; empty where there is none.

    Returns:
        The service, and why in words. Where nothing maps it, it is called as the sender does, and there is no reason.
    """
    for number, rule in enumerate(sender.map, start=1):
        if all(key in called and fnmatch.fnmatchcase(called[key], glob) for key, glob in rule.match.items()):
            return named(rule.service) or rule.service, f"rule {number} of the sender's map"
    candidates = [(name, text) for name, value in called.items() for text in dict.fromkeys((value, _last(value))) if text.strip()]
    for name, text in candidates:
        if service := named(text):
            return service, f"services.toml knows the {name} {quoted(text)}"
    if sender.service:
        return sender.service, "the sender's own service"
    return (_last(candidates[0][1]) if candidates else ""), ""


def rule_of_path(sender: SenderEntry, path: str) -> PathRule | None:
    """The first rule that a file's path fits; None where it is watched by none."""
    return next((rule for rule in sender.paths if _expression(rule.path).fullmatch(path)), None)


def counts(sender: SenderEntry, environment: str) -> bool:
    """Whether what happens in an environment is a change; it is in all where none are named."""
    return not sender.environments or any(fnmatch.fnmatchcase(environment, glob) for glob in sender.environments)


@lru_cache(maxsize=512)
def _expression(glob: str) -> re.Pattern[str]:
    """``**`` stands for any folders, ``*`` for anything but a slash, ``?`` for one such character."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meaning = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _last(text: str) -> str:
    """Of a path, such as owner/repository, what comes last."""
    return text.rstrip("/").rsplit("/", 1)[-1]
