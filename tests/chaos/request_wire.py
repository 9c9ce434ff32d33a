"""Sends the bytes of a request to a server and judges what comes back."""

from __future__ import annotations

import json
import re
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.chaos.request_fuzz import MARK

PATIENCE_SECONDS = 0.3
"""After which the server is told that nothing more comes, where it did not answer."""
SECONDS = 30.0
"""After which an answer is called missing; a body that never comes is given 15 s by the site."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_SCRIPT = re.compile(rb"<(?:script|img)[^>]*(?:alert|onerror)", re.IGNORECASE)


def send(url: str, request: bytes, *, source: str = "127.0.0.1", patience_seconds: float = PATIENCE_SECONDS) -> bytes:
    """All that is answered; of a stream the head. Empty where the connection is closed without an answer.

    Raises:
        TimeoutError: the server neither answers nor closes.
    """
    parts = urlsplit(url)
    with socket.create_connection(
        (parts.hostname or "", parts.port or 0), timeout=SECONDS, source_address=(source, 0)
    ) as connection:
        answer = b""
        with suppress(ConnectionError):  # it has heard enough
            connection.sendall(request)
        connection.settimeout(patience_seconds)
        while True:
            try:
                found = connection.recv(65536)
            except TimeoutError:
                if connection.gettimeout() == SECONDS:
                    raise
                connection.settimeout(SECONDS)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)  # it waits for a rest that never comes
                continue
            except ConnectionError:
                break
            answer += found
            if not found or b"text/event-stream" in answer:
                break
        return answer


@dataclass
class Judge:
    """Counts answers, and keeps the requests whose answers may not be."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def judge(self, request: bytes, answer: bytes) -> None:
        """One answer."""
        found = _STATUS.match(answer)
        status = found[1].decode() if found else "none" if not answer else "unreadable"
        self.statuses[status] += 1
        if reason := _fault(status, request, answer):
            self.wrong.append((reason, request[:2000], answer[:2000]))


def _fault(status: str, request: bytes, answer: bytes) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if status == "unreadable" or status.startswith("5"):
        return f"status {status}"
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"\r\nx-evil:" in head.lower():
        return "a header was let in"
    if b"text/html" in head.lower() and (MARK.encode() in body or (_SCRIPT.search(body) and b"alert(" in request)):
        return "a text stands in a page as it was sent"
    if b"application/problem+json" in head.lower() and b"content-encoding" not in head.lower() and not _is_json(body):
        return "a problem that is no JSON"
    return ""


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body or b"{}")  # HEAD has none
    except ValueError:
        return False
    return True
