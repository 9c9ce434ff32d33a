"""Invariant: a saboteur does what it says to what it is told, and nothing remains of it when its standard input closes."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

LINUX = Path("/proc/self/stat").exists()
PATIENCE_SECONDS = 30.0


@contextmanager
def saboteur(name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = (sys.executable, "-m", f"middlewatch.evals.lab.saboteurs.{name}", *arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={"PYTHONPATH": ":".join(filter(None, sys.path))}) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE_SECONDS) == 0


def state_of(pid: int) -> str:
    """The process's state, as proc(5) has it: T where it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def becomes(wanted: bool, pid: int) -> bool:  # noqa: FBT001 -- whether it is stopped
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (state_of(pid) == "T") == wanted:
            return True
        time.sleep(0.005)
    return False


@pytest.mark.skipif(not LINUX, reason="looks at processes in /proc")
def test_a_stalled_process_stands_still_and_runs_by_turns_and_runs_afterwards() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as victim:
        with saboteur("stall", "--pid", str(victim.pid), "--stopped", "0.1", "--running", "0.1"):
            assert [becomes(wanted, victim.pid) for wanted in (True, False, True)] == [True] * 3
        assert state_of(victim.pid) != "T"


@pytest.mark.skipif(not LINUX, reason="looks at processes in /proc")
def test_a_process_that_was_frozen_runs_again_however_long_it_was_to_be() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as victim:
        with saboteur("stall", "--pid", str(victim.pid), "--stopped", "86400", "--running", "0"):
            assert becomes(True, victim.pid)
        assert becomes(False, victim.pid)


def test_a_locked_database_can_be_read_and_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite3"
    with closing(sqlite3.connect(path, timeout=0.05, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE orders (id INTEGER)")
        with saboteur("lock", "--database", str(path)):
            assert becomes_locked(database)
            database.execute("SELECT * FROM orders").fetchall()
        database.execute("INSERT INTO orders VALUES (2)")


def becomes_locked(database: sqlite3.Connection) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            database.execute("INSERT INTO orders VALUES (1)")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
    return False


def test_a_neighbour_ends_when_it_is_told_to() -> None:
    with saboteur("neighbour"):
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that answers what it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    while data := connection.recv(1024):
                        connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@contextmanager
def through_network(tmp_path: Path, address: str, *, delay: float, loss: float) -> Iterator[socket.socket]:
    """A connection to the address through a bad network."""
    ports = tmp_path / "ports"
    with saboteur("network", "--ports", str(ports), "--delay", str(delay), "--loss", str(loss), address):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ports.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        with socket.create_connection(("127.0.0.1", int(ports.read_text(encoding="ascii")))) as connection:
            yield connection


def test_a_slow_network_is_late_in_either_direction(tmp_path: Path, echo: str) -> None:
    with through_network(tmp_path, echo, delay=0.2, loss=0.0) as connection:
        began = time.monotonic()
        connection.sendall(b"hello")
        assert connection.recv(1024) == b"hello"
        assert time.monotonic() - began >= 2 * 0.5 * 0.2  # half of the mean at least, twice


def test_a_lossy_network_resets_the_connection(tmp_path: Path, echo: str) -> None:
    with through_network(tmp_path, echo, delay=0.0, loss=1.0) as connection:
        connection.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            connection.recv(1024)
