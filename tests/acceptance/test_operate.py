"""Invariants: what is backed up comes back, the doctor names what is wrong, and every command explains itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import SECONDS, environment, refused, report_of, run
from tests.acceptance.incident import record_incident


def test_a_backup_comes_back_elsewhere(tmp_path: Path) -> None:
    recording = record_incident(tmp_path / "incident")
    report = report_of(run(tmp_path / "data", "investigate", "--recording", recording, "--json"))
    file = tmp_path / "backup.tar"
    assert run(tmp_path / "data", "backup", file).returncode == 0

    restored = run(tmp_path / "elsewhere", "restore", file)
    assert restored.returncode == 0, restored.stderr
    shown = run(tmp_path / "elsewhere", "show", report["investigation"], "--json")
    assert json.loads(shown.stdout) == report

    refused(run(tmp_path / "elsewhere", "restore", file), 65)  # it is not empty any more
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refused(run(tmp_path / "third", "restore", file), 65)


def test_what_a_backup_does_not_hold_is_said_when_it_comes_back(tmp_path: Path) -> None:
    data, elsewhere, file = tmp_path / "data", tmp_path / "elsewhere", tmp_path / "backup.tar"
    assert run(data, "policy", "init").returncode == 0
    assert run(data, "halt", "--reason", "an event for the log").returncode == 0
    assert run(data, "backup", file).returncode == 0
    assert "the audit log's key is not in a backup" in run(elsewhere, "restore", file).stderr

    def log() -> dict[str, str]:
        checks: list[dict[str, str]] = json.loads(run(elsewhere, "doctor", "--json").stdout)
        return next(check for check in checks if check["name"] == "audit log")

    assert log()["health"] == "broken"
    assert not (elsewhere / "audit" / "key").exists(), "the doctor makes no key in the place of the lost one"
    assert run(elsewhere, "policy", "init").returncode == 0
    run(elsewhere, "halt", "--reason", "with another key")
    assert (log()["health"], "rekey" in log()["remedy"]) == ("broken", True)
    (elsewhere / "audit" / "default.pub").unlink(missing_ok=True)
    (elsewhere / "audit" / "key").write_bytes((data / "audit" / "key").read_bytes())
    assert log()["health"] == "ok"


def test_the_doctor_finds_a_fresh_installation_well_and_says_what_is_next(tmp_path: Path) -> None:
    result = run(tmp_path / "data", "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert result.returncode == 0
    assert checks["back ends"]["health"] == "ok"
    remedy = checks["live telemetry"]["remedy"]
    assert 0 < remedy.index("OTLP") < remedy.index("MIDDLEWATCH_CLICKHOUSE_URL"), "what needs no other server first"
    assert "middlewatch actions init" in checks["actions"]["remedy"]
    assert "middlewatch slo init" in checks["services"]["remedy"]
    assert {"otlp over HTTP", "otlp over gRPC"} <= set(checks)


def test_the_doctor_names_what_is_broken(tmp_path: Path) -> None:
    result = run(
        tmp_path / "data", "doctor", MIDDLEWATCH_REDIS_URL="redis://127.0.0.1:1/0", MIDDLEWATCH_EPOCH_FILE=str(tmp_path / "epoch")
    )
    assert result.returncode == 1
    assert "BROKEN back ends" in result.stdout
    assert "Traceback" not in result.stderr


WITHOUT_EXTRA = """
import contextlib, io, json, sys
sys.modules.update(dict.fromkeys(("opentelemetry", "starlette", "uvicorn")))  # None: as if they were not installed
from middlewatch.frontends.cli import main
for words in map(json.loads, sys.argv[1:]):
    sys.argv[1:] = words
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
Saying = Callable[[list[str]], subprocess.CompletedProcess[str]]
LAB = (["lab"], ["lab", "faults"], ["lab", "faults", "--json"], ["lab", "record", "--help"])


RECORD = ["lab", "record", "--fault", "dropped-index", "--output", "/proc/shop"]


@pytest.fixture(scope="module")
def without_extra(tmp_path_factory: pytest.TempPathFactory) -> Saying:
    """What a command says where the extra is not installed. All are run one after the other in one process of that kind."""
    every = [json.dumps(words) for words in (*LAB, RECORD)]
    ran = run(tmp_path_factory.mktemp("without"), *every, program=WITHOUT_EXTRA)
    assert ran.returncode == 0, ran.stderr
    told = dict(zip(every, map(json.loads, ran.stdout.splitlines()), strict=True))
    return lambda words: subprocess.CompletedProcess(words, *told[json.dumps(words)])


@pytest.mark.parametrize("words", LAB, ids=" ".join)
def test_the_lab_explains_itself_without_what_it_runs_on(without_extra: Saying, words: list[str]) -> None:
    result = without_extra(words)
    assert "Traceback" not in result.stderr
    assert "dropped-index" in result.stdout + result.stderr
    assert result.returncode == (2 if words == ["lab"] else 0)  # click's for a group without a command


def test_recording_without_the_extra_says_what_to_install(
    without_extra: Saying,
) -> None:
    message = refused(without_extra(RECORD), 78)
    assert "opentelemetry.sdk, opentelemetry.exporter.otlp" in message
    assert "pip install 'middlewatch[lab]'" in message


ROOT = Path(__file__).parents[2]
SCREEN = 24
"""Lines of a small terminal; one of them is the prompt's."""


def test_the_demo_fits_a_screen_and_what_it_shows_can_be_pasted(tmp_path: Path) -> None:
    """What `make demo` runs, with a data directory that is named as it names it; then its last line, without that variable."""
    program = Path(sys.executable).parent / "middlewatch"
    if not program.exists():
        pytest.skip("middlewatch is not installed beside this Python")
    (tmp_path / ".venv").symlink_to(program.parent.parent)
    usual = {name: value for name, value in environment(tmp_path).items() if name != "MIDDLEWATCH_DATA_DIR"}
    options: dict[str, Any] = {"cwd": tmp_path, "text": True, "capture_output": True, "timeout": SECONDS}
    words = (".venv/bin/middlewatch", "investigate", "--recording", ROOT / "evals" / "recordings" / "shop-slow-pages")
    named = {"MIDDLEWATCH_DATA_DIR": ".middlewatch/demo", "COLUMNS": "80", "PATH": os.defpath}
    shown = subprocess.run(words, env=usual | named, check=True, **options).stdout

    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ndemo:")[1].split("\n\n")[0]
    below = recipe.split("--watch")[1].count("@echo")
    assert below
    assert len(shown.splitlines()) + below < SCREEN
    assert max(map(len, shown.splitlines())) <= 80

    more = shown.split("\nMore ")[1]
    assert more.split()[:2] == ["MIDDLEWATCH_DATA_DIR=.middlewatch/demo", ".venv/bin/middlewatch"]
    again = subprocess.run(("/bin/sh", "-c", more), env=usual | {"PATH": os.defpath}, check=True, **options)
    assert again.stdout.splitlines()[0] == shown.splitlines()[0]
    assert "Reasons" in again.stdout


def test_the_help_needs_no_data_and_makes_none(tmp_path: Path) -> None:
    result = run(tmp_path / "data", "help", "lab", "record")
    assert result.returncode == 0
    assert "middlewatch lab record" in result.stdout
    assert not (tmp_path / "data").exists()
