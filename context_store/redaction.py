"""Secrets and personal data are taken out of text before it is stored.

One table of rules, modelled on the patterns of gitleaks (https://github.com/gitleaks/gitleaks, MIT licence): known token shapes
first, then assignments (``key=value``), then personal data. Every pattern is linear in the length of the text, or bounded
at each position, so hostile text costs time in proportion to its length and no more.

What must stay readable: trace and span ids, template placeholders such as ``<*>`` or ``{id}``, names of metrics and services.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, TypeVar, get_args, get_origin

from annotated_types import MaxLen

from middlewatch.records import Completion, Evidence, Record

R = TypeVar("R", bound=Record)

_LEAST_ENTROPY = 3.3
"""Bits a character, below which an assigned value is taken for a word. gitleaks uses 3 to 3.5 for its generic rules."""

_LEAST_GENERIC_CHARACTERS = 10
"""gitleaks' lower bound for a generic key."""

_NAMES_OF_OTHERS = frozenset(
    {"source_id", "fingerprint", "reference", "trace_id", "span_id", "parent_id", "parent_span_id"}
    | {"service", "instance", "peer", "caller", "callee", "edges", "metric", "services", "scores"}
)
"""Names that telemetry or a sender gives, which link one record to another: kept as they are, and shown by `redact_names`."""
_NAMES = _NAMES_OF_OTHERS | frozenset({"tenant", "investigation", "id", "hypothesis", "format"})
"""Fields that are never free text but ids, or names that link one record to another and must stay equal in all of them."""
_TRACED = re.compile(r"(?:[0-9a-f]{16}){0,2}")
"""An id of a trace or a span as W3C Trace Context has it, which no rule is to take for a card."""

_PLACEHOLDER = re.compile(
    r"""<[^>]*>?|\$?\{+[^}]*\}*|\$\(?\w+\)?|%\(?\w*\)?[sdr]?|\*+|\.+|[xX]+|-+|\[redacted:.*
    |(?i:null|none|nil|true|false|undefined|empty|missing|required|invalid|expired|unset|hidden|masked|redacted)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret or personal data."""

    name: str
    pattern: re.Pattern[str]
    """Group ``secret`` is what is replaced; the whole match where there is no such group."""
    keywords: tuple[str, ...] = ()
    """In lower case; the pattern is tried only where one of them occurs."""
    accepts: Callable[[str], bool] = lambda _: True
    """Whether a match is really one."""


def entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values()) if text else 0.0


def _is_value(text: str) -> bool:
    return _PLACEHOLDER.fullmatch(text) is None


def _looks_random(text: str) -> bool:
    """Random-looking: long, with a digit, and not a plain number or a placeholder."""
    return (
        len(text) >= _LEAST_GENERIC_CHARACTERS
        and any(c.isdigit() for c in text)
        and any(c.isalpha() for c in text)
        and _is_value(text)
        and entropy(text) >= _LEAST_ENTROPY
    )


def _is_credential(text: str) -> bool:
    return _is_value(text) and (any(c.isdigit() for c in text) or text != text.lower() or "=" in text)


def _is_card(text: str) -> bool:
    """An issuer's prefix with its length (ISO/IEC 7812), and Luhn's check digit."""
    digits = re.sub(r"\D", "", text)
    if not re.fullmatch(r"4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[0689]\d{12}|6(?:011|5\d\d|4[4-9]\d)\d{12}", digits):
        return False
    doubled = [int(c) * (1 + n % 2) for n, c in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0  # noqa: PLR2004  # a cross sum


def _is_iban(text: str) -> bool:
    """ISO 13616: 15 to 34 characters, and 1 modulo 97."""
    compact = text.replace(" ", "")
    return 15 <= len(compact) <= 34 and int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1  # noqa: PLR2004


def _is_phone(text: str) -> bool:
    """ITU E.164: 8 to 15 digits. Without separators a signed number looks the same, unless it is long."""
    digits = sum(c.isdigit() for c in text)
    return 8 <= digits <= 15 and (digits >= 11 or bool(re.search(r"[ ().-]", text)))  # noqa: PLR2004  # as said above


def _token(name: str, pattern: str, *keywords: str) -> Rule:
    return Rule(name, re.compile(pattern), tuple(keyword.lower() for keyword in keywords))


_ASSIGN = r"""\\{0,3}["'`]?\s{0,5}(?:=>|:=|=|:)\s{0,5}"""
_ASSIGNED = r"""(?:\\{0,3}["'`])?(?P<secret>(?:(?<=["'`])[^"'`\\\n]+|[^\s"'`&;,\\]+))"""

RULES: tuple[Rule, ...] = (
    _token(
        "private-key",
        r"-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END[ A-Z0-9_-]{0,100}-----|\Z)",
        "private key",
    ),
    _token("aws-access-key", r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", "a3t", "akia", "asia", "abia", "acca"),
    _token("gcp-api-key", r"\bAIza[\w-]{35}", "aiza"),
    _token("gcp-access-token", r"\bya29\.[\w-]{20,}", "ya29."),
    _token(
        "github-token",
        r"\b(?:gh[pousr]_[0-9a-zA-Z]{36,}|github_pat_\w{22,})",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
    ),
    _token("gitlab-token", r"\bglpat-[\w-]{20,}", "glpat-"),
    _token("slack-token", r"\b(?:xox[a-z]-[0-9A-Za-z-]{10,}|xapp-\d-[0-9A-Za-z-]{10,})", "xox", "xapp-"),
    _token("slack-webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}", "hooks.slack.com"),
    _token("stripe-key", r"\b(?:sk|rk|pk|whsec)_(?:test_|live_|prod_)?[a-zA-Z0-9]{10,}", "sk_", "rk_", "pk_", "whsec_"),
    _token("model-provider-key", r"\bsk-(?:ant-|proj-)?(?=[\w-]{0,200}\d)[\w-]{20,}", "sk-"),
    _token("sendgrid-key", r"\bSG\.[\w-]{16,}\.[\w-]{16,}", "sg."),
    _token("package-token", r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,})", "npm_", "pypi-"),
    _token("jwt", r"\bey[a-zA-Z0-9_-]{15,}\.ey[a-zA-Z0-9_-]{10,}(?:\.[a-zA-Z0-9_-]*)?", "ey"),
    Rule("url-password", re.compile(r"://[^\s/:@]{0,200}:(?P<secret>[^\s/@]{1,400})@"), ("://",), _is_value),
    Rule(
        "authorization",
        re.compile(
            rf"(?i)authorization{_ASSIGN}[\"'\[]{{0,2}}(?:(?:bearer|basic|digest|token|apikey)\s{{1,5}})?(?P<secret>[^\s\"',;\]]+)"
        ),
        ("authorization",),
        _is_value,
    ),
    Rule(
        "bearer", re.compile(r"(?i)\b(?:bearer|basic)\s{1,5}(?P<secret>[a-z0-9._~+/=-]{12,})"), ("bearer", "basic"), _is_credential
    ),
    Rule(
        "password",
        re.compile(rf"(?i)(?:password|passwort|passwd|passphrase|\bpwd|_pwd|\bpass){_ASSIGN}{_ASSIGNED}"),
        ("pass", "pwd"),
        _is_value,
    ),
    Rule(
        "secret",
        re.compile(
            rf"(?i)(?:secret|token|api[_.-]?key|access[_.-]?key|account[_.-]?key|auth[_.-]?key|client[_.-]?key|private[_.-]?key"
            rf"|credentials?|signature|cookie|session[_.-]?id|jsessionid){_ASSIGN}{_ASSIGNED}"
        ),
        ("secret", "token", "key", "credential", "signature", "cookie", "session"),
        _looks_random,
    ),
    _token("email", r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-]|\.\w)", "@"),
    Rule("iban", re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])"), (), _is_iban),
    Rule(
        "card",
        re.compile(r"(?i)(?<![\w.-])(?<!span_id[=: ])(?<!spanid[=: ])(?:\d[ -]?){12,15}\d(?![\w-]|\.\d)"),
        (),
        _is_card,
    ),
    Rule(
        "phone",
        re.compile(r"(?<![\w.+])\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}(?![\w.]\d|\w)"),
        ("+",),
        _is_phone,
    ),
    Rule("phone", re.compile(r"(?<![\w.-])\(\d{3}\) ?\d{3}-\d{4}(?![\w-])"), ("(",)),
)


def redact(text: str) -> str:
    """Replace what the rules find by ``[redacted:<rule>]``. Text that was redacted before stays as it is."""
    return redact_as(text, lambda rule, _: f"[redacted:{rule}]")


def redact_as(text: str, mark: Callable[[str, str], str]) -> str:
    """Replace what the rules find by marks of the caller's.

    Args:
        text: any.
        mark: (name of the rule, what it found) -> what takes its place; it begins with ``[redacted:``, which no rule touches.
    """
    lower = text.lower()
    for rule in RULES:
        if not rule.keywords or any(keyword in lower for keyword in rule.keywords):
            text = rule.pattern.sub(partial(_replaced, rule, mark), text)
    return text


def redact_evidence(evidence: Evidence) -> Evidence:
    """The same evidence with every free text redacted, samples and query included."""
    return redact_record(evidence)


def redact_completion(completion: Completion) -> Completion:
    """The same completion with every free text redacted: evidence, statements, reasons, results and the report."""
    return redact_record(completion)


def redact_record(record: R) -> R:
    """The same record with every free text redacted; ids, names, numbers, times and enumerations are not touched."""
    return _changed(record, type(record).model_fields, lambda name, value: _redacted(value, named=name in _NAMES))


def redact_fields(record: R, *names: str) -> R:
    """The same record with these texts redacted, which people typed, and nothing else touched."""
    fields = type(record).model_fields
    return record.model_copy(update={name: _cut(redact(getattr(record, name)), fields[name].metadata) for name in names})


def redact_names(record: R) -> R:
    """A record as it may be shown to people: names that telemetry or a sender gave, redacted where they look like a secret.

    What is stored keeps them, for names link records and are asked for. Two that look like secrets may become the same.
    """
    return _changed(record, _shown_fields(type(record)), lambda name, value: _shown(value, named=name in _NAMES_OF_OTHERS))


def _changed(record: R, names: Iterable[str], change: Callable[[str, Any], Any]) -> R:
    """The record with some fields changed, each by its name and what it holds; the same object where nothing does."""
    changed: dict[str, Any] = {}
    for name in names:
        before = getattr(record, name)
        after = change(name, before)
        if after is not before:
            changed[name] = _cut(after, type(record).model_fields[name].metadata)
    return record.model_copy(update=changed) if changed else record


@cache
def _shown_fields(kind: type[Record]) -> tuple[str, ...]:
    """The fields of a record that are names of others, or hold what may have some: the rest need not be looked at."""

    def holds(annotation: Any) -> bool:  # noqa: ANN401  # whatever an annotation is made of
        if isinstance(annotation, type) and issubclass(annotation, Record):
            return annotation is kind or bool(_shown_fields(annotation))
        return annotation is dict or get_origin(annotation) is dict or any(holds(part) for part in get_args(annotation))

    return tuple(name for name, field in kind.model_fields.items() if name in _NAMES_OF_OTHERS or holds(field.annotation))


def _shown(value: Any, *, named: bool) -> Any:  # noqa: ANN401  # as `_redacted`
    match value:
        case Record():
            return redact_names(value)
        case str() if named and type(value) is str:
            text = _redacted_name(value)
            return value if text == value else text
        case tuple() | list() if not value or isinstance(value[0], int | float):  # a series is long
            return value
        case _:  # the keys of a mapping are anybody's
            return _within(value, _shown, _redacted_name, named=named)


@lru_cache(maxsize=4096)
def _redacted_name(name: str) -> str:
    """A system has few names, and each is shown a hundred times."""
    return name if _TRACED.fullmatch(name) else redact(name)


def _redacted(value: Any, *, named: bool = False) -> Any:  # noqa: ANN401  # records, texts, numbers; tuples, lists, mappings of them
    match value:
        case Record():
            return redact_record(value)
        case str() if type(value) is str and not named:
            text = redact(value)
            return value if text == value else text
        case _:
            return _within(value, _redacted, str if named else redact, named=named)


def _within(value: Any, change: Callable[..., Any], key: Callable[[str], str], *, named: bool) -> Any:  # noqa: ANN401  # as `_redacted`
    """A mapping or sequence with what it holds changed; the same object where nothing is, and whatever else there is as it was."""
    match value:
        case dict():
            changed = {key(name): change(each, named=name in _NAMES) for name, each in value.items()}
            return changed if any(changed.get(name) is not each for name, each in value.items()) else value
        case tuple() | list():
            after = [change(each, named=named) for each in value]
            return type(value)(after) if any(new is not old for new, old in zip(after, value, strict=True)) else value
        case _:
            return value


def _cut(value: Any, metadata: list[Any]) -> Any:  # noqa: ANN401  # only texts are cut
    """A marker may be longer than what it replaces; the field's own limit still holds."""
    limits = [item.max_length for item in metadata if isinstance(item, MaxLen)]
    return value[: min(limits)] if limits and isinstance(value, str) else value


def _replaced(rule: Rule, mark: Callable[[str, str], str], match: re.Match[str]) -> str:
    group = "secret" if "secret" in match.re.groupindex else 0
    if not rule.accepts(match[group]):
        return match[0]
    start, end = match.start(group) - match.start(), match.end(group) - match.start()
    return f"{match[0][:start]}{mark(rule.name, match[group])}{match[0][end:]}"
