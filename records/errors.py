"""Every error that middlewatch raises on purpose, and whether trying again helps.

::

    MiddlewatchError
    ├── BadInput                    what was given is wrong; the message says how to mend it
    │   ├── RecordingError          a recording that cannot be read
    │   ├── UnknownIncident         no such incident in the recording
    │   ├── UnknownInvestigation    no such investigation in the store
    │   ├── UnknownAlert            no such alert of a sender in the store
    │   ├── UnknownRequest          no such approval request in the store
    │   └── WindowError             an empty window, or one that reaches past what may be read
    ├── Unavailable (retryable)     something that middlewatch needs does not answer
    │   ├── SourceUnavailable       a telemetry source
    │   ├── StoreUnavailable        the context store
    │   └── DataDirectoryLocked     another process is starting or holds the data directory and cannot be attached to
    ├── BoundExceeded               a query hit its bound on time, rows or memory and has no partial answer
    ├── StoreFull (retryable)       the context store takes no new investigations for now
    ├── IntakeFull (retryable)      more telemetry waits to be stored than may; it says when to come again
    ├── Refused                     the approval gateway does not let it through; the message says why
    │   ├── AlreadyDecided          the request stands otherwise already; the message says who decided what, and when
    │   └── Halted                  the kill switch is set: nothing begins
    ├── Conflict (retryable)        somebody else changed a request first; look at it again
    ├── LeaseLost                   a write with a stale fencing token: the task belongs to somebody else now
    ├── AuditBroken                 the audit log is not the one that was sealed, or not by this key
    ├── Stalled                     an investigation that no task can carry on; the message names the task that failed
    ├── StaleEpoch                  the store is at a newer epoch than this process: restart it
    └── Misconfigured               a setting or a missing program; the message names it
"""

from __future__ import annotations

from typing import ClassVar


class MiddlewatchError(Exception):
    """Something went wrong."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without anybody changing anything."""

    exit_code: ClassVar[int] = 1
    """What the command line exits with (sysexits.h where it has a fitting code)."""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        """Keep one line that says what is wrong and one that says what to do.

        Args:
            message: what is wrong; the class docstring's first line where it is empty.
            remedy: what the reader can do about it.
        """
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        self.remedy = remedy
        super().__init__(f"{self.message} {remedy}".strip())


class BadInput(MiddlewatchError):
    """What was given cannot be used."""

    exit_code = 65


class RecordingError(BadInput):
    """The recording cannot be read."""


class UnknownIncident(BadInput):
    """The recording has no such incident."""


class UnknownInvestigation(BadInput):
    """There is no such investigation."""


class UnknownAlert(BadInput):
    """There is no such alert."""


class UnknownRequest(BadInput):
    """There is no such approval request."""


class WindowError(BadInput):
    """The window is empty or reaches past what this investigation may read."""


class Unavailable(MiddlewatchError):
    """Something that middlewatch needs does not answer."""

    retryable = True
    exit_code = 69


class SourceUnavailable(Unavailable):
    """A telemetry source does not answer."""


class StoreUnavailable(Unavailable):
    """The context store does not answer."""


class DataDirectoryLocked(Unavailable):
    """The data directory belongs to a process that cannot be attached to."""


class BoundExceeded(MiddlewatchError):
    """The query hit its bound before it had an answer."""

    exit_code = 75


class StoreFull(MiddlewatchError):
    """The context store is full and takes no new investigations."""

    retryable = True
    exit_code = 75


class IntakeFull(MiddlewatchError):
    """More waits to be stored already than may."""

    retryable = True
    exit_code = 75

    def __init__(self, message: str = "", *, remedy: str = "", retry_after_seconds: int = 1) -> None:
        """Say when to come again.

        Args:
            message: what is wrong.
            remedy: what the sender can do about it.
            retry_after_seconds: until what waits now is stored, about.
        """
        super().__init__(message, remedy=remedy or f"Send it again in {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds


class Refused(MiddlewatchError):
    """The approval gateway does not let this through."""

    exit_code = 77


class AlreadyDecided(Refused):
    """The request was decided otherwise before."""


class Halted(Refused):
    """Everything is halted: nothing begins until a manager lifts it."""


class Conflict(MiddlewatchError):
    """Somebody else changed the request first."""

    retryable = True
    exit_code = 75


class LeaseLost(MiddlewatchError):
    """The lease on this task was lost; its work is not recorded."""


class StaleEpoch(MiddlewatchError):
    """The context store is at a newer epoch than this process."""

    exit_code = 75


class AuditBroken(MiddlewatchError):
    """The audit log is not the one that was sealed."""

    exit_code = 4


class Stalled(MiddlewatchError):
    """No task of the investigation is left that could go on."""


class Misconfigured(MiddlewatchError):
    """The configuration cannot work."""

    exit_code = 78
