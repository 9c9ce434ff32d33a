"""What is logged goes to standard error, without secrets: what another program says of an error may quote anything."""

from __future__ import annotations

import logging


class Redacting(logging.Formatter):
    """Writes a message and what led to it without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """All of it, the traceback included."""
        from middlewatch.context_store.redaction import redact  # noqa: PLC0415  takes a while to import, and most commands log nothing

        return redact(super().format(record))


def log_to_stderr() -> None:
    """Of a process that serves: warnings, each with where it comes from."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def redact_last_resort() -> None:
    """Of a command that says nothing of logs: Python itself writes warnings then."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Redacting())
