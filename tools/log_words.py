"""What the text of a log line says in words that every system uses: what went wrong, and which other service it blames.

The table holds the words of operating systems, languages, protocols and common libraries; no name of any system.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from middlewatch.records import Mechanism

# Blanks, not \s: a body of line breaks alone would be gone through once for each of them.
_STACK_TRACE = r"\n[ \t]+at \S|\btraceback \(most recent call last\)|\ngoroutine \d|\n[ \t]+file \"|\bcaused by: "
_VOCABULARY = {
    Mechanism.SATURATION: (
        r"out ?of ?memory|cannot allocate memory|no space left on device|disk (is )?full|too many open files",
        r"\bE(NOMEM|NOSPC|MFILE|NFILE)\b|resource ?exhausted|quota exceeded|too many requests|rate limit(ed| exceeded)",
    ),
    Mechanism.POOL_WAIT: (
        r"too many (connections|clients)|max(imum)? (number of )?connections",
        r"pool\b.{0,40}\b(exhausted|full|timed? ?out|limit)|\b(exhausted|full|waiting for|acquiring)\b.{0,40}pool\b",
        r"timed? ?out (waiting for|acquiring)\b.{0,40}\bconnection",
        r"\bno (\w+ ){0,2}connections? (is |are |was |were |became )?(free|available|left)\b",
    ),
    Mechanism.GARBAGE_COLLECTION: (r"\bgc overhead\b|\bgc paused?\b|\bfull gc\b|stop-the-world",),
    Mechanism.UNREACHABLE: (
        r"\bE(CONNREFUSED|CONNRESET|CONNABORTED|HOSTUNREACH|NETUNREACH|TIMEDOUT|PIPE|AI_AGAIN)\b|\bENOTFOUND\b|broken pipe",
        r"connection (was |has been |is )?(refused|reset|closed|aborted|lost)|all connection attempts failed|server ?disconnected",
        r"socket hang up|unexpected eof|premature (close|end)|remote end closed|\b(incomplete ?read|no ?http ?response)",
        r"\b(connect|read|write|remoteprotocol|clientconnector)error\b",
        r"\b(connect(ion)?|read|request|gateway|socket) ?timed? ?-?out|deadline[_ ]exceeded",
        r"no route to host|host (is )?(down|unreachable)|network (is )?unreachable|unknown ?host|no such host",
        r"name or service not known|name resolution|getaddrinfo|bad gateway|service (is )?(temporarily )?unavailable",
        r"no (healthy |available |live )*(instance|upstream|endpoint|backend|server|host)s?( are| is)? (available|for|healthy)\b",
        r"no healthy upstream|circuit ?breaker.{0,40}\bopen|(unable|failed|could not|cannot|can't) (to )?(connect|reach)\b",
    ),
    Mechanism.QUEUE: (
        r"\b(consumer|replication|processing) lag\b|lag(s|ging)? behind|dead[- ]letter|poison (message|pill)|backlog|redeliver",
        r"queue (is |was )?(full|overflow)|rejected ?execution|rebalanc(ed|ing)",
        r"(could not|cannot|failed to) (consume|process|deserialize|decode) (the )?(message|event|record)",
        r"\b(message|event|record)\b.{0,200}\b(could not|cannot) be (consumed|processed|deserialized|decoded)\b",
    ),
    Mechanism.CONFIGURATION: (
        r"\b(missing|invalid|unknown|bad|wrong|no such|unset) (config(uration)?|setting|property|environment variable|option)\b",
        r"\b(config(uration)?|setting|property|environment variable)\b.{0,40}\b(missing|invalid|malformed|not (set|found))\b",
        r"could not resolve placeholder|permission denied|access denied|\bE(ACCES|PERM)\b|unauthori[sz]ed|\bforbidden\b",
        r"authentication failed|invalid credentials|certificate (has )?(expired|verify failed)",
    ),
    Mechanism.RESTART: (
        r"shutting down|graceful(ly)? (shutdown|stop)|received (signal|sig(term|int|kill))|\bsig(term|kill)\b|\boom[- ]?kill",
        r"\b(server|application|service|worker) (has |is )?(started|starting|stopped|stopping|restarted|ready)\b",
        r"\b(re)?starting (the )?(server|application|service|worker)\b|\bstarted \S+ in \S+ ?s(econds)?\b|\blistening (on|at)\b",
    ),
    Mechanism.RETRIES: (r"\bretr(y|ies|ying|ied)\b|\b(re)?attempts? (\d+|<\*>)|giving up after|back(ing)?[- ]off\b",),
    Mechanism.EXCEPTION: (
        _STACK_TRACE,
        r"\bunhandled\b|\buncaught\b|\bpanic(ked)?\b|segmentation fault|assertion failed|stack ?overflow|null ?pointer",
        r"index out of (range|bounds)|division by zero|(?-i:\b[A-Z]\w*(Exception|Error)\b)",
    ),
}
"""Regular expressions, whatever the case. Of several mechanisms the first counts: an exhausted pool is reported as an exception,
too, and a refused connection is tried again."""

MOST_CHARACTERS = 20_000
"""How much of a body is looked at. Chosen: a long stack trace has 10,000, and a hostile body could have millions."""
_COMPILED = {mechanism: re.compile(f"(?i:{'|'.join(words)})") for mechanism, words in _VOCABULARY.items()}
_STACK = re.compile(f"(?i:{_STACK_TRACE})")
_NAMES = re.compile(r"[\w.-]+")
_PARTS = re.compile(r"[\w-]+")


@lru_cache(maxsize=10_000)
def mechanism(text: str) -> Mechanism | None:
    """What a line points to, where its words say so.

    Args:
        text: a pattern or a body.
    """
    return next((found for found, words in _COMPILED.items() if words.search(text, 0, MOST_CHARACTERS)), None)


def has_stack_trace(text: str) -> bool:
    """Whether a body goes on with a stack trace."""
    return _STACK.search(text, 0, MOST_CHARACTERS) is not None


def named(text: str, services: Collection[str]) -> tuple[str, ...]:
    """The services whose names stand in a text, as words of their own or as parts of a host name, in order of appearance.

    Args:
        text: a pattern or a body.
        services: a set or mapping of names.
    """
    words = (word for name in _NAMES.findall(text) for word in (name.strip(".-"), *_PARTS.findall(name)))
    return tuple(dict.fromkeys(word for word in words if word in services))
