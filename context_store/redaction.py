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
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from annotated_types import MaxLen

from middlewatch.records import Completion, Evidence, Record

R = TypeVar("R", bound=Record)

_LEAST_ENTROPY = 3.3
"""Bits a character, below which an assigned value is taken for a word. gitleaks uses 3 to 3.5 for its generic rules."""

_LEAST_GENERIC_CHARACTERS = 10
"""gitleaks' lower bound for a generic key."""

_NAMES = frozenset(
    {
        "tenant",
        "investigation",
        "id",
        "fingerprint",
        "reference",
        "trace_id",
        "span_id",
        "parent_id",
        "parent_span_id",
        "source_id",
        "hypothesis",
        "format",
    }
    | {"service", "instance", "peer", "caller", "callee", "edges", "metric", "services"}
)
"""Fields that are never free text but ids, or names that link one record to another and must stay equal in all of them."""

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
    lower = text.lower()
    for rule in RULES:
        if not rule.keywords or any(keyword in lower for keyword in rule.keywords):
            text = rule.pattern.sub(partial(_replaced, rule), text)
    return text


def redact_evidence(evidence: Evidence) -> Evidence:
    """The same evidence with every free text redacted, samples and query included."""
    return redact_record(evidence)


def redact_completion(completion: Completion) -> Completion:
    """The same completion with every free text redacted: evidence, statements, reasons, results and the report."""
    return redact_record(completion)


def redact_record(record: R) -> R:
    """The same record with every free text redacted; ids, numbers, times and enumerations are not touched."""
    changed: dict[str, Any] = {}
    for name, field in type(record).model_fields.items():
        before = getattr(record, name)
        after = before if name in _NAMES else _redacted(before)
        if after is not before:
            changed[name] = _cut(after, field.metadata)
    return record.model_copy(update=changed) if changed else record


def _redacted(value: Any) -> Any:  # noqa: ANN401  # fields hold records, texts, numbers, and tuples, lists and mappings of them
    match value:
        case Record():
            return redact_record(value)
        case str() if type(value) is str:
            text = redact(value)
            return value if text == value else text
        case tuple() | list() | dict():
            return _redacted_all(value)
        case _:
            return value


def _redacted_all(values: tuple[Any, ...] | list[Any] | dict[str, Any]) -> Any:  # noqa: ANN401  # the same kind as it was given
    if isinstance(values, dict):
        changed = {name: value if name in _NAMES else _redacted(value) for name, value in values.items()}
        return changed if any(changed[name] is not value for name, value in values.items()) else values
    after = [_redacted(value) for value in values]
    return type(values)(after) if any(new is not old for new, old in zip(after, values, strict=True)) else values


def _cut(value: Any, metadata: list[Any]) -> Any:  # noqa: ANN401  # only texts are cut
    """A marker may be longer than what it replaces; the field's own limit still holds."""
    limits = [item.max_length for item in metadata if isinstance(item, MaxLen)]
    return value[: min(limits)] if limits and isinstance(value, str) else value


def _replaced(rule: Rule, match: re.Match[str]) -> str:
    group = "secret" if "secret" in match.re.groupindex else 0
    if not rule.accepts(match[group]):
        return match[0]
    start, end = match.start(group) - match.start(), match.end(group) - match.start()
    return f"{match[0][:start]}[redacted:{rule.name}]{match[0][end:]}"
