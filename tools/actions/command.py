"""Fixed commands of this machine. No shell, no word of a request, no environment but the configured one, and a time limit.

A command cannot be asked what became of a request, so the executor keeps a journal: a file is made durable before the command
begins, and another one when it ended. A beginning without an end stays unknown until a person looks. No journal knows what another
machine began, so an approval is bound to the journal that it was prepared with.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar, digest_of
from middlewatch.records.errors import Misconfigured
from middlewatch.tools.actions.places import CommandPlace
from middlewatch.tools.actions.wire import in_vain

JOURNAL = "journal"
"""In a command's version: which executor's journal knows of it."""
REAP_SECONDS = 5.0
"""After a command was killed, until it is given up on; what cannot be killed waits for the kernel."""


class Journal:
    """Which requests began and what came of them: two small files each, written once."""

    def __init__(self, folder: Path) -> None:
        """Nothing is created before it is needed.

        Args:
            folder: the executor's own.
        """
        self._folder = folder

    @property
    def identity(self) -> str:
        """Tells this journal from those of other machines, and from one that was lost; made at its first use.

        Raises:
            Misconfigured: it cannot be read or written.
        """
        path = self._folder / "identity"
        try:
            if not path.exists():
                self._make(path)
            return str(json.loads(path.read_bytes())["identity"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = (isinstance(error, OSError) and error.strerror) or "its identity is damaged"
            raise Misconfigured(f"The executor's journal cannot be used: {why}.") from None

    def begin(self, digest: str) -> bool:
        """Whether this is the first time. Durable when it returns."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._written(self._path(digest, "began"), {"digest": digest})

    def end(self, digest: str, result: ActionResult) -> None:
        """What came of it."""
        self._written(self._path(digest, "ended"), result.model_dump(mode="json"))

    def result(self, digest: str) -> ActionResult:
        """What is known of it."""
        with contextlib.suppress(OSError, ValueError):
            return ActionResult.model_validate_json(self._path(digest, "ended").read_bytes())
        if self._path(digest, "began").exists():
            return ActionResult(result=Result.UNKNOWN, detail="The command began, and its end is not noted.")
        return ActionResult(result=Result.NOT_DONE, detail="The command never began.")

    def _path(self, digest: str, what: str) -> Path:
        """The name is a digest of the digest: whatever an order says, it is a plain file name."""
        return self._folder / f"{digest_of(digest)}.{what}"

    def _make(self, path: Path) -> None:
        """Whole and durable under its name, or not there; of several who make it at once, one does."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = secrets.token_hex(8)
        whole = path.with_name(f".{identity}")
        self._written(whole, {"identity": identity})
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(whole)
        whole.unlink()
        _sync(self._folder)

    def _written(self, path: Path, content: Mapping[str, object]) -> bool:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(json.dumps(content) + "\n")
            file.flush()
            os.fsync(file.fileno())
        _sync(path.parent)
        return True


def _sync(folder: Path) -> None:
    """Make what was added to a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class CommandAdapter:
    """One command: implements `Adapter`."""

    place: CommandPlace
    journal: Journal

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        """The version is the program itself, for another file under its name is another command, and the journal."""
        del action, target, parameters
        program = Path(self.place.command[0])
        try:
            status = program.stat()
        except OSError as error:
            return Inspection(problem=f"The program cannot be looked at: {error.strerror}.")
        version: dict[str, Scalar] = {
            JOURNAL: self.journal.identity,
            "program": f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}",
        }
        if not stat.S_ISREG(status.st_mode) or not os.access(program, os.X_OK):
            return Inspection(version=version, problem="It is not a program that can be run.")
        if status.st_mode & stat.S_IWOTH:
            return Inspection(version=version, problem="Any user can write to the program.")
        return Inspection(version=version)

    def run(self, order: Order) -> ActionResult:
        """Begin it once and wait for its end."""
        try:
            if not self.journal.begin(order.digest):
                return self.journal.result(order.digest)
        except OSError as error:
            raise Misconfigured(f"The executor's journal cannot be written: {error.strerror}.") from None
        result = self._run()
        with contextlib.suppress(OSError):  # then a probe says that it is not known
            self.journal.end(order.digest, result)
        return result

    def probe(self, order: Order) -> ActionResult:
        """See `Adapter`."""
        if order.version.get(JOURNAL) != self.journal.identity:
            raise in_vain("It was for another executor's machine, whose journal alone knows what became of it.")
        return self.journal.result(order.digest)

    def _run(self) -> ActionResult:
        try:
            process = subprocess.Popen(  # noqa: S603  the words are the configuration's, and no shell reads them
                self.place.command,
                env=self.place.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                close_fds=True,
            )
        except OSError as error:
            return ActionResult(result=Result.NOT_DONE, detail=f"The command did not begin: {error.strerror}.")
        try:
            code = process.wait(self.place.seconds)
        except subprocess.TimeoutExpired:
            self._kill(process)
            return ActionResult(result=Result.UNKNOWN, detail=f"The command was killed after {self.place.seconds:g} s.")
        if code == 0:
            return ActionResult(result=Result.DONE, detail="The command ended with success.")
        if code > 0:
            return ActionResult(result=Result.NOT_DONE, detail=f"The command ended with status {code}.")
        return ActionResult(result=Result.UNKNOWN, detail=f"The command was ended by signal {-code}.")

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        """It and its children: they are a process group of their own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(REAP_SECONDS)
