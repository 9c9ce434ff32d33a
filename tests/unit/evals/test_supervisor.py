"""Invariant: a live lab does what it is asked, once, and knows what it can take back; what it cannot do is said, and not begun."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from middlewatch.evals.lab import supervisor
from middlewatch.evals.lab.changes import FIRST_VERSIONS, ShopChange
from middlewatch.evals.lab.control import LabControl, Requests, serving
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.shop import AppliedChange, Shop, ShopOptions
from middlewatch.evals.lab.supervisor import Supervisor, possible_faults
from middlewatch.records import ChangeKind
from middlewatch.records.errors import BadInput, Refused, Unavailable


@dataclass(frozen=True)
class Process:
    pid: int = 7


@dataclass(frozen=True)
class Running:
    name: str
    version: str
    restarts: int = 0
    process: Process = Process()


@dataclass
class FakeShop:
    """A shop whose instances are words: what a supervisor asks of one."""

    folder: RunFolder
    options: ShopOptions = field(default_factory=ShopOptions)
    serving: dict[str, list[Running]] = field(
        default_factory=lambda: {
            name: [Running(f"{name}-{n}", version) for n in (1, 2)] for name, version in FIRST_VERSIONS.items()
        }
    )
    rate: float = 1.0
    tended: int = 0
    broken: bool = False
    """Whether whatever is asked of it raises what nobody foresaw."""

    def instances(self, service: str) -> tuple[Running, ...]:
        return tuple(self.serving[service])

    def apply(self, change: ShopChange) -> AppliedChange:
        replaced: list[str] = []
        if change.kind is ChangeKind.DEPLOY:
            for place, each in enumerate(self.serving[change.service]):
                if each.version != change.version and len(replaced) < (change.instances or 2):
                    self.serving[change.service][place] = replace(each, version=change.version)
                    replaced.append(each.name)
        return AppliedChange(change, datetime.now(UTC), tuple(replaced))

    def undoing(self, change: ShopChange) -> ShopChange:
        return replace(change, version=self.serving[change.service][0].version, instances=None)

    def set_rate(self, rate: float) -> None:
        self._fail()
        self.rate = rate

    def restart(self, service: str, *, instance: str = "") -> tuple[str, ...]:
        self._fail()
        return tuple(each.name for each in self.serving[service] if instance in ("", each.name))

    def tend(self, *, whatever_ended: bool = False) -> tuple[str, ...]:
        assert whatever_ended
        self.tended += 1
        self._fail()
        return ()

    def _fail(self) -> None:
        if self.broken:
            raise OSError("no more processes")


@dataclass
class Site:
    shop: FakeShop
    supervisor: Supervisor
    told: list[AppliedChange]
    end: threading.Event = field(default_factory=threading.Event)

    def versions(self, service: str) -> list[str]:
        return [each.version for each in self.shop.instances(service)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = RunFolder(tmp_path)
    folder.create()
    shop = FakeShop(folder)
    told: list[AppliedChange] = []
    return Site(shop, Supervisor(cast("Shop", shop), told.append), told)


def test_a_bad_deploy_can_be_rolled_back_and_nothing_is_left_to_mend(site: Site) -> None:
    assert site.supervisor.fault("missing-market")["service"] == "catalogue"
    assert site.versions("catalogue") == ["2.0.0", "2.0.0"]
    assert site.supervisor.rollback("catalogue")["description"] == "Roll back to 1.9.3"
    assert site.versions("catalogue") == ["1.9.3", "1.9.3"]
    assert site.supervisor.status()["faults"] == site.supervisor.mend() == []
    assert [each.change.version for each in site.told] == ["2.0.0", "1.9.3"]
    with pytest.raises(Refused, match="no earlier version"):
        site.supervisor.rollback("catalogue")


def test_a_canary_is_what_was_rolled_out_last_and_is_rolled_back(site: Site) -> None:
    site.supervisor.fault("bad-canary")
    assert sorted(site.versions("checkout")) == ["5.0.2", "5.4.0"]
    assert (site.supervisor.version("checkout"), site.supervisor.earlier_version("checkout")) == ("5.4.0", "5.0.2")
    site.supervisor.rollback("checkout")
    assert site.versions("checkout") == ["5.0.2", "5.0.2"]


def test_mending_takes_everything_back(site: Site) -> None:
    site.supervisor.fault("load-spike")
    site.supervisor.fault("unknown-case", service="cart")
    assert site.shop.rate > 10
    assert [each["name"] for each in site.supervisor.mend()] == ["load-spike", "unknown-case"]
    assert site.shop.rate == site.shop.options.requests_per_second
    assert site.versions("cart") == ["4.0.5", "4.0.5"]
    assert site.supervisor.earlier_version("cart") == ""


def test_a_fault_ends_when_its_time_is_over(site: Site) -> None:
    site.supervisor.fault("load-spike", seconds=1e-6)
    site.supervisor.tend()
    assert site.shop.tended == 1
    assert site.supervisor.status()["faults"] == []
    site.supervisor.fault("load-spike", seconds=60)
    site.supervisor.tend()
    assert len(site.supervisor.status()["faults"]) == 1


def test_tending_goes_on_after_any_error(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.shop.broken = True
    monkeypatch.setattr(supervisor, "TEND_SECONDS", 0.0)
    tending = threading.Thread(target=site.supervisor.tend_until, args=(site.end,), daemon=True)
    tending.start()
    deadline = time.monotonic() + 30
    while site.shop.tended < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    site.end.set()
    tending.join()
    assert site.shop.tended >= 3


def test_what_could_not_be_taken_back_is_known_and_taken_back_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "AGAIN_SECONDS", 0.0)
    site.supervisor.fault("load-spike", seconds=1e-6)
    site.supervisor.fault("unknown-case", service="cart")
    monkeypatch.setattr(site.shop, "tend", lambda **_: ())
    site.shop.broken = True
    site.supervisor.tend()
    with pytest.raises(OSError, match="no more processes"):
        site.supervisor.mend()
    assert [each["name"] for each in site.supervisor.status()["faults"]] == ["load-spike"], "the other one is taken back"
    site.shop.broken = False
    site.supervisor.tend()
    assert site.supervisor.status()["faults"] == []
    assert site.shop.rate == site.shop.options.requests_per_second


def test_a_request_that_ends_in_any_error_has_failed(site: Site) -> None:
    site.shop.broken = True
    requests = Requests(site.supervisor)
    found = requests.run("digest", "restart_service", "cart", {})
    assert found == requests.state("digest") == {"state": "failed", "detail": "OSError: no more processes"}


def test_deploys_are_rolled_back_one_after_the_other(site: Site) -> None:
    for version in ("3.2.1", "3.2.2"):
        site.supervisor.deploy("gateway", version)
    for version in ("3.2.1", "3.2.0"):
        site.supervisor.rollback("gateway")
        assert site.versions("gateway") == [version, version]


@pytest.mark.parametrize(
    ("name", "service", "error", "words"),
    [
        ("meteor", "", BadInput, "no fault named"),
        ("quiet", "", BadInput, "no fault named"),
        ("missing-market", "payment", BadInput, "cannot be done"),
        ("load-spike", "gateway", Refused, "already"),
    ],
)
def test_what_cannot_be_done_is_said(site: Site, name: str, service: str, error: type[Exception], words: str) -> None:
    site.supervisor.fault("load-spike")
    with pytest.raises(error, match=words):
        site.supervisor.fault(name, service=service)
    assert len(site.supervisor.status()["faults"]) == 1


def test_everything_that_can_be_done_is_known_with_its_services() -> None:
    possible = possible_faults()
    assert possible["unknown-case"] == ("payment", "cart")
    assert possible["surge"] == ("gateway",)
    assert "quiet" not in possible


def test_waiting_for_customers_tells_how_long_it_took(site: Site) -> None:
    site.shop.folder.replace(site.shop.folder.load_report, json.dumps({"failing": 0.5}))
    assert site.supervisor.await_customers(lambda met: met.get("failing") == 0.5, within_seconds=5) is not None
    assert site.supervisor.await_customers(lambda met: met.get("failing") == 0.0, within_seconds=0.01) is None


@contextmanager
def served(site: Site, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "control.sock"
    with serving(site.supervisor, path, site.end):
        yield path
    assert not path.exists()


def test_the_socket_is_private_and_answers_what_the_supervisor_says(site: Site, tmp_path: Path) -> None:
    with served(site, tmp_path) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        control = LabControl(path)
        assert control.fault("missing-market")["name"] == "missing-market"
        assert control.status()["faults"][0]["service"] == "catalogue"
        with pytest.raises(BadInput, match="no fault named"):
            control.fault("meteor")
        with pytest.raises(BadInput, match="over 0"):
            control.fault("load-spike", seconds=-1)
        with pytest.raises(Refused, match="already"):
            control.fault("missing-market")
        assert control.rollback("catalogue")["version"] == "1.9.3"
        assert control.deploy("cart", "4.0.6")["version"] == "4.0.6"
        assert control.mend() == []
        assert not site.end.is_set()
        control.down()
        assert site.end.is_set()
    with pytest.raises(Unavailable, match="No lab runs here"):
        LabControl(path).status()


def test_an_approved_roll_back_is_done_once_and_only_on_what_was_approved(site: Site, tmp_path: Path) -> None:
    site.supervisor.fault("missing-market")
    order: dict[str, Any] = {"v": 1, "action": "rollback_deploy", "target": "catalogue", "parameters": {}}
    with served(site, tmp_path) as path, closing(httpx.Client(transport=httpx.HTTPTransport(uds=str(path)))) as client:

        def post(where: str, body: dict[str, Any]) -> httpx.Response:
            return client.post(f"http://lab{where}", json=body)

        looked = post("/inspect", order).json()
        assert (looked["version"]["version"], looked["version"]["earlier"], looked["problem"]) == ("2.0.0", "1.9.3", "")
        stale = {**order, "version": {**looked["version"], "version": "1.0.0"}, "request": "stale"}
        assert post("/run", stale).status_code == 409
        assert client.get("http://lab/requests/stale").status_code == 404
        assert site.versions("catalogue") == ["2.0.0", "2.0.0"]

        approved = {**order, "version": looked["version"], "request": "approved"}
        assert post("/run", approved).json() == {"state": "done", "detail": "Roll back to 1.9.3"}
        assert site.versions("catalogue") == ["1.9.3", "1.9.3"]
        assert post("/run", approved).json()["state"] == "done"
        assert client.get("http://lab/requests/approved").json()["state"] == "done"
        assert len(site.told) == 2
        assert post("/inspect", order).json()["problem"] == "There is no earlier version."
        assert post("/inspect", {**order, "target": "bank"}).status_code == 400
        assert client.post("http://lab/run", content=b"[").status_code == 400


def test_an_instance_can_be_restarted_and_nothing_else_can_be_done(site: Site, tmp_path: Path) -> None:
    with served(site, tmp_path) as path, closing(httpx.Client(transport=httpx.HTTPTransport(uds=str(path)))) as client:

        def looked(action: str, **parameters: str) -> dict[str, Any]:
            body = {"action": action, "target": "cart", "parameters": parameters}
            found: dict[str, Any] = client.post("http://lab/inspect", json=body).json()
            return found

        assert looked("restart_instance", instance="cart-3")["problem"]
        assert looked("scale_up")["problem"]
        version = looked("restart_instance", instance="cart-2")["version"]
        order = {"action": "restart_instance", "target": "cart", "parameters": {"instance": "cart-2"}, "version": version}
        assert client.post("http://lab/run", json={**order, "request": "one"}).json() == {
            "state": "done",
            "detail": "started cart-2",
        }


def test_a_socket_that_cannot_be_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="longer than 100 bytes"), serving(site.supervisor, tmp_path / ("x" * 100), site.end):
        pytest.fail("it was opened")
