"""Requests that no honest client sends, as bytes: odd values, paths, headers, bodies and protocols, over every route of a site."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

MARK = "<mark-x>"
"""Stands in texts that are sent; no page may show it as it is."""
TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "'",
    '"',
    "`",
    ";",
    "--",
    "../../etc/passwd",
    "\x00",
    "\r\nX-Evil: 1",
    f"{MARK}<script>alert(1)</script>",
    f"\"'>{MARK}<img src=x onerror=alert(1)>",
    f"javascript:alert('{MARK}')",
    "{{7*7}}",
    "${jndi:x}",
    "%s%n",
    "\u202e\u2066",
    "\ufeff",
    "\U0001f4a9" * 50,
    "a" * 5000,
    "a\u0301" * 500,
    "ﷺ" * 300,
    "\u0000\u0001",
    "\U0001d540nv",
    "١٢٣",
    "inv-" + "f" * 12,
    "apr-" + "f" * 12,
    "9" * 400,
    "2026-11-21T01:56:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "*",
    "KEYS *",
    "' OR 1=1 --",
    "default:inv",
    "{default}",
    "a|b",
    "a:b:c",
    "..",
    ".",
    "%2e%2e%2f",
    "\ud800",
)
PATHS = (
    "/..",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//",
    "///evil.example/",
    "/.;/",
    "/%00",
    "/%c0%af",
    "/%ff%fe",
    "/%",
    "/%zz",
    "/a%2fb",
    "/%252e%252e/",
    "/static/../site.py",
    "/static/%2e%2e/site.py",
    "/static/..%2fsite.py",
    "/static//etc/passwd",
    "/static/" + "a/" * 500,
    "/" + "a" * 8000,
    "/" + "%41" * 4000,
    "http://evil.example/",
    "*",
    "/?",
    "/#",
    "/;",
    "/\\",
    "/\\..\\",
    "/api",
    "/api/",
    "/api/v1",
    "/api/v1/",
    "/api/v2/me",
    "/api/v1/%2e%2e/%2e%2e/",
    "/API/V1/ME",
    "/sign-in?next=//evil.example",
    "/sign-in?next=" + "%2f" * 1000,
    "/\u00e9",
    "/\xff",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "G" * 300, "GE T", "")
HEADERS = (
    "Host: evil.example",
    "Host: localhost\r\nHost: evil.example",
    "Host:",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 1\r\nContent-Length: 2",
    "Content-Length: 0x10",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Expect: 100-continue",
    "Expect: 999",
    "Upgrade: websocket",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x",
    "Upgrade: h2c\r\nHTTP2-Settings: x",
    "no colon here",
    ": empty",
    " folded: yes",
    "X: a\r\n b",
    "X: \x00",
    "X\x00: y",
    "X: " + "y" * 70_000,
    "X: \xff\xfe",
    "Origin: null",
    "Origin: https://evil.example",
    "Origin: \u00e9",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: \x7f",
    "Accept: */*;q=nan",
    "Accept-Encoding: gzip;q=0, br, zstd, \u00e9",
    "Accept-Language: " + "x," * 500,
    "Range: bytes=0-18446744073709551616",
    "If-None-Match: *",
    "Cookie: middlewatch=" + "x" * 4000,
    'Cookie: middlewatch="\\"',
    "Cookie: ===;;;;=",
    "Cookie: " + "a=b; " * 800,
    "Cookie: middlewatch=\xff",
    "Cookie: middlewatch-form=x; middlewatch-form=y",
    "Authorization: Bearer",
    "Authorization: Basic bWlhOng=",
    "Authorization: Bearer \xff",
    "Authorization: Bearer " + "x" * 6000,
    "Authorization: bearer  a b c",
    "Authorization: ",
    "X-CSRF-Token: \xff",
    "X-CSRF-Token:",
    "Idempotency-Key: k",
    "Idempotency-Key: " + "k" * 300,
    "Idempotency-Key: \xff",
    "HX-Request: true",
    "HX-Request: true\r\nHX-Target: '\">",
    "Last-Event-ID: 1-1.1",
    "Last-Event-ID: nonsense",
    "Last-Event-ID: \xff",
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Proto: https\r\nX-Forwarded-Host: x",
    "X-HTTP-Method-Override: DELETE",
    "Content-Encoding: gzip",
    "Content-Type: application/json; charset=\xff",
    "Content-Type: ;;;",
    "Content-Type: multipart/form-data",
    "Content-Type: multipart/form-data; boundary=",
    "Content-Type: multipart/form-data; boundary=b; charset=unicode_escape",
    "Content-Type: application/x-www-form-urlencoded; charset=utf-16",
    "\r\n".join(f"X-{n}: {n}" for n in range(150)),
)
GARBAGE = (
    b"",
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"GET  /  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x00" * 512,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    b"POST /api/v1/halt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nshort",
    b"A" * 70_000,
    b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
    b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: evil\r\n\r\n",
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked."""

    routes: Sequence[tuple[str, str]]
    """(method, path with its parameters in braces)."""
    ids: Sequence[str]
    """That exist."""
    bodies: Sequence[tuple[str, Any]]
    """(path, an honest JSON body for it)."""


class Fuzz:
    """A source of attacks, the same for the same seed."""

    def __init__(self, target: Target, seed: int) -> None:
        self._target = target
        self._bodies = dict(target.bodies)
        self._random = random.Random(seed)
        self._kinds: tuple[Callable[[], tuple[str, str, list[str], bytes] | bytes], ...] = (
            self._values,
            self._values,
            self._values,
            self._values,
            self._path,
            self._header,
            self._header,
            self._body,
            self._body,
            self._garbage,
        )

    def attack(self, credentials: Sequence[str]) -> bytes:
        """One request, as it goes over the wire. The credentials are header lines, one of which an attacker may have."""
        made = self._random.choice(self._kinds)()
        if isinstance(made, bytes):
            return made
        method, path, headers, body = made
        head = [f"{method} {path} HTTP/1.1"]
        if not any(line.lower().startswith("host") for line in headers):
            head.append("Host: localhost")
        if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
            head.append(f"Content-Length: {len(body)}")
        if self._random.random() < 0.9:
            head.append(self._random.choice(credentials))
        lines = "\r\n".join([*head, *headers, "Connection: close", "", ""])
        return lines.encode("utf-8" if any(ord(c) > 255 for c in lines) else "latin-1", "replace") + body

    def _route(self) -> tuple[str, str]:
        method, path = self._random.choice(self._target.routes)
        return (method if self._random.random() < 0.9 else self._random.choice(METHODS)), path

    def _filled(self, path: str) -> str:
        def value(_: re.Match[str]) -> str:
            odd = self._random.random() < 0.4
            return quote(self._text() if odd else self._random.choice(self._target.ids), safe="", errors="replace")[:4000]

        return re.sub(r"\{[^}]*\}", value, path)

    def _text(self) -> str:
        return self._random.choice(TEXTS)

    def _query(self) -> str:
        names = (
            "limit",
            "after",
            "before",
            "state",
            "service",
            "since",
            "agent",
            "about",
            "next",
            "waiting",
            "investigation",
            "v",
            "x",
        )
        pairs = [(self._random.choice(names), self._text()[:300]) for _ in range(self._random.randint(0, 4))]
        return "?" + urlencode(pairs, errors="replace") if pairs else ""

    def _values(self) -> tuple[str, str, list[str], bytes]:
        method, path = self._route()
        headers = ["Sec-Fetch-Site: same-origin"]
        if method in {"GET", "HEAD"}:
            return method, self._filled(path) + self._query(), headers, b""
        if path.startswith("/api/"):
            body = json.dumps(self._mutated(self._bodies.get(path, {}))).encode()
            return method, self._filled(path), [*headers, "Content-Type: application/json"], body
        names = (
            "csrf",
            "digest",
            "reason",
            "token",
            "next",
            "verdict",
            "cause",
            "note",
            "to",
            "name",
            "decision",
            "by",
            "parameter.by",
        )
        form = urlencode([(self._random.choice(names), self._text()) for _ in range(self._random.randint(0, 6))], errors="replace")
        return method, self._filled(path), [*headers, "Content-Type: application/x-www-form-urlencoded"], form.encode()

    def _mutated(self, value: Any) -> Any:
        """Some of it replaced, left out or added."""
        if self._random.random() < 0.15:
            return self._random.choice(
                [None, True, 0, -1, 2**70, 1e308, [], {}, self._text(), [self._text()] * 200, {"a": {"b": [1]}}]
            )
        if isinstance(value, dict):
            kept = {key: self._mutated(item) for key, item in value.items() if self._random.random() < 0.9}
            return kept if self._random.random() < 0.9 else kept | {self._text(): self._text()}
        return self._text() if isinstance(value, str) and self._random.random() < 0.3 else value

    def _path(self) -> tuple[str, str, list[str], bytes]:
        path = self._random.choice(PATHS)
        if self._random.random() < 0.3:
            path = self._filled(self._route()[1]) + path
        return self._random.choice(METHODS), path, [], b""

    def _header(self) -> tuple[str, str, list[str], bytes]:
        method, path = self._route()
        odd = self._random.sample(HEADERS, self._random.randint(1, 3))
        return method, self._filled(path), odd, b"" if method == "GET" else b'{"reason": "x"}'

    def _body(self) -> tuple[str, str, list[str], bytes]:
        method, path = self._random.choice([one for one in self._target.routes if one[0] == "POST"])
        kind = self._random.choice(
            ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", "a/b+json"]
        )
        return method, self._filled(path), [f"Content-Type: {kind}", "Sec-Fetch-Site: same-origin"], self._random.choice(_BODIES)()

    def _garbage(self) -> bytes:
        made = self._random.choice(GARBAGE)
        return made if self._random.random() < 0.5 else self._random.randbytes(self._random.randint(1, 400)) + made


_BODIES: tuple[Callable[[], bytes], ...] = (
    lambda: b"[" * 60_000,
    lambda: b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    lambda: b"{" + b'"k": 1,' * 20_000 + b'"z": 1}',
    lambda: b'{"reason": "' + b"x" * 900_000 + b'"}',
    lambda: b"x" * (2**20 + 1),
    lambda: b"1" * 20_000,
    lambda: b"-" * 1000,
    lambda: b'{"reason": "\\ud800\\udfff"}',
    lambda: b'{"reason": "\xff\xfe\xfd"}',
    lambda: '{"reason": "x"}'.encode("utf-16"),
    lambda: b"\xef\xbb\xbf{}",
    lambda: b'{"reason": NaN, "reason": Infinity}',
    lambda: b'{"parameters": {"by": 1e400}}',
    lambda: b"csrf=" + b"%ff" * 1000,
    lambda: b"&".join(b"a%d=b" % n for n in range(5000)),
    lambda: b"=&=&=&%=%%&" * 100,
    lambda: b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--b--\r\n',
    lambda: b'--b\r\nContent-Disposition: form-data; name="token"; filename="../../x"\r\nContent-Type: x\r\n\r\n' + b"x" * 5000,
    lambda: b"--b\r\n" * 2000,
    lambda: b"--b\r\nContent-Disposition: form-data\r\n\r\n--b--",
)
