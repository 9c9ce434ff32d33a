"""A supervisor of real processes that speaks the protocol of docs/actions.md, over a unix socket."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from typing import Any

from tests.contract.actions.remote_end import RemoteEnd


class RealSupervisor(RemoteEnd):
    """Each instance is a process that sleeps, with its version as an argument."""

    def __init__(self) -> None:
        super().__init__(signed=False)
        self.numbers = count(1)
        self.versions = ["1", "2"]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for _ in range(2):
            self.start()

    def start(self) -> None:
        program = "import sys, time; print(flush=True); time.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", program, self.versions[-1]], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        self.processes[f"worker-{next(self.numbers)}"] = process

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        process.communicate()

    def close(self) -> None:
        for name in list(self.processes):
            self.stop(name)

    def version(self, body: dict[str, Any]) -> dict[str, Any]:
        pids = ",".join(str(process.pid) for process in self.processes.values())
        match body["action"]:
            case "scale_up" | "scale_down":
                return {"replicas": len(self.processes)}
            case "restart_instance":
                process = self.processes.get(body["parameters"]["instance"])
                return {"pid": process.pid if process else 0}
            case _:
                return {"version": self.versions[-1], "pids": pids}

    def carry_out(self, body: dict[str, Any]) -> None:
        match body["action"]:
            case "scale_up":
                for _ in range(body["parameters"]["by"]):
                    self.start()
            case "scale_down":
                for name in list(self.processes)[: body["parameters"]["by"]]:
                    self.stop(name)
            case "restart_instance":
                self.stop(body["parameters"]["instance"])
                self.start()
            case "rollback_deploy" | "restart_service":
                if body["action"] == "rollback_deploy":
                    self.versions.append(self.versions[-2])
                for name in list(self.processes):
                    self.stop(name)
                    self.start()
            case _:
                raise ValueError(body["action"])
