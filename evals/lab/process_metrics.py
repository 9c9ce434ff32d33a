"""What a process uses of the machine, and its container of the processors, as metrics of the conventions."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation


def observe_process(container: Path, restarts: int) -> None:
    """Report the process's use of the machine: processor, memory, threads and open files; and its container's of processors.

    All but the process's own processor time and threads come from /proc and are absent where there is none.

    Args:
        container: lists the other processes in the container, if it exists.
        restarts: how often the container was started again.
    """
    meter = metrics.get_meter(__name__)
    meter.create_observable_gauge("k8s.container.restart.count", callbacks=[lambda _: [Observation(restarts)]], unit="{restart}")
    meter.create_observable_gauge("process.cpu.utilization", callbacks=[_CpuShare()], unit="1")
    meter.create_observable_up_down_counter("process.thread.count", callbacks=[_threads], unit="{thread}")
    if Path("/proc/self/statm").exists():
        meter.create_observable_gauge("container.cpu.usage", callbacks=[_ContainerCpu(container)], unit="{cpu}")
        meter.create_observable_up_down_counter("process.memory.usage", callbacks=[_memory], unit="By")
        meter.create_observable_up_down_counter(
            "process.open_file_descriptor.count", callbacks=[_open_files], unit="{file_descriptor}"
        )


class _CpuShare:
    """Processor time since the last look, divided by the time that passed and the processors there are."""

    def __init__(self) -> None:
        self._last = (time.monotonic(), time.process_time())
        self._processors = os.cpu_count() or 1

    def __call__(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        now = (time.monotonic(), time.process_time())
        passed, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        if passed > 0:
            yield Observation(used / passed / self._processors)


class _ContainerCpu:
    """Processors that the processes of the container used on average since the last look: this one and those in a list."""

    def __init__(self, others: Path) -> None:
        self._others = others
        self._last = time.monotonic()
        self._used: dict[int, float] = {}

    def __call__(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        now = time.monotonic()
        passed, self._last = now - self._last, now
        listed = self._others.read_text(encoding="ascii").split() if self._others.exists() else []
        used = {pid: seconds for pid in (os.getpid(), *map(int, listed)) if (seconds := _processor_seconds(pid)) is not None}
        spent = sum(seconds - self._used.get(pid, 0.0) for pid, seconds in used.items())
        self._used = used
        if passed > 0:
            yield Observation(spent / passed)


def _processor_seconds(pid: int) -> float | None:
    """What a process has used in its life; None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    user, system = text.rpartition(")")[2].split()[11:13]  # proc(5): utime and stime, in ticks
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory(options: CallbackOptions) -> Iterable[Observation]:
    del options
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    yield Observation(pages * resource.getpagesize())


def _open_files(options: CallbackOptions) -> Iterable[Observation]:
    del options
    yield Observation(sum(1 for _ in Path("/proc/self/fd").iterdir()))


def _threads(options: CallbackOptions) -> Iterable[Observation]:
    del options
    yield Observation(threading.active_count())
