"""The embedded Redis: found, started, watched over and ended by middlewatch itself.

It listens on a private unix socket and nowhere else, and syncs every write before it answers. It is started again when it dies.
It ends with its owner; one that outlived a killed owner is found by its socket or its pid file and ended before a new one
starts, since two servers on one log would destroy it.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import signal
import stat
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError

from middlewatch.context_store.connection import PROBLEM_FILE, client_of, connect
from middlewatch.context_store.processes import command_of, pid_in, start_process
from middlewatch.context_store.redis_problem import diagnose
from middlewatch.context_store.redis_program import RedisProgram, find_binary, refuse_older
from middlewatch.records.errors import DataDirectoryLocked, Misconfigured, StoreUnavailable

__all__ = ["RedisServer", "connect", "find_binary"]

_LOG = logging.getLogger(__name__)

LONGEST_SOCKET_PATH: Final = 100
"""Bytes. The kernel's limit is 107 on Linux and 103 on macOS, the closing zero not counted."""

START_SECONDS: Final = 120.0
"""How long a start may take; a log of a gigabyte loads in about ten seconds."""

_END_SECONDS: Final = 5.0
_PROBE_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 5.0
_NOTE_BYTES: Final = 1024
_STEADY_SECONDS: Final = 1.0
"""A server that dies sooner is not started again at once: on a full disk it dies at every write."""

_LARGEST_LOG_BYTES: Final = 1_000_000

_CONFIGURATION: Final = """\
# Written by middlewatch at every start.
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
pidfile {pidfile}
logfile {logfile}
daemonize no
set-proc-title no
save ""
appendonly yes
appendfsync always
aof-load-truncated yes
maxmemory {maxmemory}
maxmemory-policy noeviction
"""


def _socket_path(folder: Path) -> Path:
    path = folder.resolve() / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(f"/tmp/middlewatch-{os.getuid()}-{name}/redis.sock")  # noqa: S108  # short on every system; made private below


class RedisServer:
    """A Redis of our own in one folder. Use it as a context, or call `start` and `stop`."""

    def __init__(self, folder: Path, *, memory_limit_bytes: int = 0, program: RedisProgram | None = None) -> None:
        """Nothing is started yet.

        Args:
            folder: where it keeps its data; made where it is absent, and readable by its owner alone.
            memory_limit_bytes: Redis' maxmemory; 0 for none.
            program: what to run; found by itself where it is not given.
        """
        self._folder = folder.resolve()
        self._socket = _socket_path(folder)
        self._memory_limit_bytes = memory_limit_bytes
        self._given = program
        self._lock: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._problem: StoreUnavailable | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @staticmethod
    def socket_in(folder: Path) -> Path:
        """Where the server of a folder listens: in it, or in a short private folder where the path would be too long.

        Raises:
            Misconfigured: when that folder belongs to somebody else.
        """
        path = _socket_path(folder)
        if path.parent.exists():
            _insist_private(path.parent)
        return path

    @property
    def url(self) -> str:
        """For `connect`, here and in any process of the same user, whoever of them started the server.

        Raises:
            Misconfigured: as `socket_in`.
        """
        return _url(self.socket_in(self._folder))

    @property
    def pid(self) -> int:
        """Of the server that runs now, or ran last; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def problem(self) -> StoreUnavailable | None:
        """Why it did not run a moment ago; None once it runs steadily."""
        return self._problem

    def client(self) -> Redis:
        """A new client. Nothing is sent yet."""
        return client_of(self.url)

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            DataDirectoryLocked: another process runs a server in this folder; `connect` to its `socket_in` the folder.
            Misconfigured: there is no program to run, or the folder cannot be used.
            StoreUnavailable: the server does not start: its disk is full, its log is damaged.
        """
        program = self._given or find_binary()
        _make_private(self._folder)
        _make_private(self._socket.parent)
        self._lock = _locked(self._folder / "owner.lock")
        try:
            refuse_older(program, self._folder)
            self._end_orphan()
            self._configure()
            self._tell(None)
            self._stopping.clear()
            self._started.clear()
            # The server ends with the thread that started it, so that must be one that lives as long as this object.
            self._supervisor = threading.Thread(target=self._watch, args=(program,), name="redis-supervisor", daemon=True)
            self._supervisor.start()
            self._await_start()
        except BaseException:  # an interrupt too: nobody else would end it
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and wait for its end. Stopping what does not run does nothing."""
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.join()
            self._supervisor = None
        if self._lock is not None:
            with suppress(OSError):  # the short folder goes with the socket; the data directory stays, it is not empty
                self._socket.with_name(PROBLEM_FILE).unlink(missing_ok=True)
                self._socket.parent.rmdir()
            self._lock.close()
            self._lock = None

    def _await_start(self) -> None:
        self._started.wait()
        if self._problem is not None:
            raise self._problem

    def _watch(self, program: RedisProgram) -> None:
        """The supervisor's thread."""
        try:
            self._supervise(program)
        except Exception as error:  # noqa: BLE001  # whoever waits for the start must hear of it, whatever it was
            self._problem = StoreUnavailable(f"Redis is not watched over any more: {error}.", remedy="Start middlewatch again.")
            _LOG.exception("the supervisor of Redis ended")
        finally:
            self._started.set()

    def _supervise(self, program: RedisProgram) -> None:
        """Start the server, and again whenever it dies, with longer pauses if it keeps dying."""
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            log_start, began = _size(self._log), time.monotonic()
            self._process = self._spawned(program)
            if self._answers():
                if self._started.is_set():
                    _LOG.warning("Redis runs again")
                self._started.set()
            self._wait_for_end(began)
            if self._stopping.is_set():
                break
            code = self._process.returncode if self._process else None
            self._tell(diagnose(self._folder, self._log, log_start, code))
            if not self._started.is_set():
                return  # the first start failed: whoever called it decides
            _LOG.warning("Redis ended: %s", self._problem)
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self._end()

    def _spawned(self, program: RedisProgram) -> subprocess.Popen[bytes] | None:
        try:
            return start_process([str(program.path), str(self._folder / "redis.conf")], self._folder)
        except OSError as error:  # out of memory or processes, or the program was removed
            _LOG.warning("Redis cannot be started: %s", error)
            return None

    def _answers(self) -> bool:
        """Wait until the server answers; False when it ended first, or is to be stopped."""
        process, client = self._process, self.client()
        deadline = time.monotonic() + START_SECONDS
        try:
            while process is not None and process.poll() is None and not self._stopping.is_set():
                try:
                    return bool(client.ping())
                except RedisError:
                    if time.monotonic() > deadline:
                        process.kill()
                time.sleep(0.005)
        finally:
            client.close()
        return False

    def _wait_for_end(self, began: float) -> None:
        """Wait; a server that has run for a while has no problem any more, one that dies at every write keeps it."""
        while self._process is not None and not self._stopping.is_set():
            if self._problem is not None and time.monotonic() - began > _STEADY_SECONDS:
                self._tell(None)
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            return

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _tell(self, problem: StoreUnavailable | None) -> None:
        """Keep the problem where `connection` finds it, also in other processes.

        The note is written over itself, blanks included, so that a full disk need not find room for it.
        """
        self._problem = problem
        file = self._socket.with_name(PROBLEM_FILE)
        note = str(problem or "").encode()[:_NOTE_BYTES].ljust(_NOTE_BYTES)
        try:
            with file.open("r+b" if file.exists() else "wb") as target:
                target.write(note)
        except OSError:
            _LOG.warning("the note %s could not be written", file)

    def _configure(self) -> None:
        text = _CONFIGURATION.format(
            socket=_quoted(self._socket),
            folder=_quoted(self._folder),
            pidfile=_quoted(self._pidfile),
            logfile=_quoted(self._log),
            maxmemory=self._memory_limit_bytes,
        )
        try:
            if _size(self._log) > _LARGEST_LOG_BYTES:
                self._log.replace(self._log.with_suffix(".log.old"))
            self._log.touch(mode=0o600)
            (self._folder / "redis.conf").write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreUnavailable(f"{self._folder} cannot be written: {error}.", remedy="Free space on its disk.") from None

    def _end_orphan(self) -> None:
        """End a server that outlived its owner. We hold the lock, so nobody else owns it."""
        pids = {_pid_behind(self._socket), pid_in(self._pidfile)}
        ours = [pid for pid in pids if pid and self._runs(pid)]
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in ours:
                if self._runs(pid):
                    os.kill(pid, sign)
            deadline = time.monotonic() + _END_SECONDS
            while any(map(self._runs, ours)) and time.monotonic() < deadline:
                time.sleep(0.01)
        if any(map(self._runs, ours)):
            raise DataDirectoryLocked(f"An old Redis (pid {ours}) does not end.", remedy="End it by hand.")
        self._socket.unlink(missing_ok=True)

    def _runs(self, pid: int) -> bool:
        """Whether this process runs and is a server of this folder; pids are used again, and a zombie has no command."""
        return str(self._folder / "redis.conf") in command_of(pid)

    @property
    def _log(self) -> Path:
        return self._folder / "redis.log"

    @property
    def _pidfile(self) -> Path:
        return self._folder / "redis.pid"


def _url(socket: Path) -> str:
    return f"unix://{quote(str(socket))}"


def _locked(path: Path) -> IO[bytes]:
    """Hold the folder for as long as this process lives or the file is open."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise DataDirectoryLocked(
            f"Another process runs the context store in {path.parent}.", remedy="Attach to it, or end it."
        ) from None
    return file


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
            folder.chmod(0o700)
    except OSError as error:
        raise Misconfigured(f"The folder {folder} cannot be used: {error}.", remedy="Choose another data directory.") from None
    _insist_private(folder)


def _insist_private(folder: Path) -> None:
    """Nobody else may put a socket or a log where ours are looked for."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise Misconfigured(f"{folder} must be a folder of this user alone.", remedy="Remove it, or choose another data directory.")


def _pid_behind(socket: Path) -> int:
    """The process that answers on a socket; 0 where none does."""
    client = client_of(_url(socket), timeout_seconds=_PROBE_SECONDS)
    try:
        return int(dict(client.info("server"))["process_id"])
    except RedisError:
        return 0
    finally:
        client.close()


def _quoted(path: Path) -> str:
    """A path as Redis' configuration wants it."""
    text = str(path)
    if any(c in text for c in "\n\r\0"):
        raise Misconfigured(f"{text!r} cannot be a data directory.", remedy="Choose one without line breaks in its name.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
