"""`middlewatch lab up`, and what is asked of a lab that is up."""

from __future__ import annotations

import getpass
import json
import signal
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

import click

from middlewatch.evals.lab.changes import FIRST_VERSIONS
from middlewatch.evals.lab.control import LabControl
from middlewatch.evals.lab.shop import AppliedChange, ShopOptions
from middlewatch.evals.lab.site import write_site
from middlewatch.evals.lab.supervisor import possible_faults
from middlewatch.evals.lab.telling import PROGRAM, ChangesOut
from middlewatch.evals.lab.up import LabPlace, bring_down, running, start_apart
from middlewatch.frontends.cli.output import json_option
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.frontends.quantity import duration
from middlewatch.settings import Settings

_SERVICES = click.Choice(list(FIRST_VERSIONS))


def _place() -> LabPlace:
    return LabPlace(Settings.load().data_dir)


@click.command()
@click.option("--detach", is_flag=True, help="Return when it is open, and leave it running.")
@click.option("--otlp", help="The OTLP receiver that telemetry goes to. The one of `middlewatch serve` on this machine otherwise.")
@click.option("--rate", default=10.0, show_default=True, type=click.FloatRange(0.5, 200), help="Requests per second, on average.")
@click.option(
    "--day", default=600.0, show_default=True, type=click.FloatRange(min=10), help="Seconds of a day, with its noon and night."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="What customers do is drawn from it.")
@json_option
def up(detach: bool, otlp: str | None, rate: float, day: float, seed: int, as_json: bool) -> None:
    """Run the shop until Ctrl-C or `lab down`, with telemetry. It goes out over OTLP. Needs the extra `lab` and redis-server.

    The data directory gets what it lacks to be ready: policy.toml with you as the one who decides, actions.toml with the roll
    back of every service, and services.toml. So `middlewatch serve` on the same data directory takes its telemetry in,
    investigates, and carries out what you approve.

    \b
    Examples:
      middlewatch lab up
      middlewatch lab up --detach && middlewatch lab fault missing-market --seconds 120
      middlewatch lab up --otlp http://collector.example.com:4318 --rate 20
    """
    settings = Settings.load()
    place = LabPlace(settings.data_dir)
    endpoint = otlp or f"http://{settings.otlp_host}:{settings.otlp_http_port}"
    if detach:
        options = ("--otlp", endpoint, "--rate", str(rate), "--day", str(day), "--seed", str(seed))
        control = start_apart((*PROGRAM, "lab", "up", *options), place)
        _print(control.status(), as_json=as_json)
        return
    place.create()
    for written in write_site(settings.data_dir, place.socket.absolute(), user=getpass.getuser()):
        print_line(f"wrote {written}", err=True)
    end = _end_by_signal()
    options_ = ShopOptions(requests_per_second=rate, seed=seed, day_seconds=day, otlp=endpoint)
    with ChangesOut(settings, lambda problem: print_line(problem, err=True)) as out:

        def tell(change: AppliedChange) -> None:
            print_line(f"{change.change.kind.value} of {change.change.service}: {change.change.description}", err=True)
            out.tell(change)

        def say(message: str) -> None:
            print_line(message, err=True)

        with running(place, options_, tell, say, end) as supervisor:
            _print(supervisor.status(), as_json=as_json)
            sys.stdout.flush()
            end.wait()


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show what runs, what customers meet with, and the faults.

    \b
    Example:
      middlewatch lab status --json
    """
    _print(LabControl(_place().socket).status(), as_json=as_json)


@click.command()
@click.argument("name", type=click.Choice(list(possible_faults())), metavar="NAME")
@click.option("--service", default="", help="Where, if it can be done in several services; the first of them otherwise.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Take it back after so long; by `lab mend` otherwise.")
@json_option
def fault(name: str, service: str, seconds: float | None, as_json: bool) -> None:
    """Break the running shop. `middlewatch lab faults` lists the names.

    \b
    Examples:
      middlewatch lab fault missing-market
      middlewatch lab fault slow-network --service payment --seconds 60
    """
    told = LabControl(_place().socket).fault(name, service=service, seconds=seconds)
    _tell(told, f"{told['name']} in {told['service']}", as_json=as_json)


@click.command()
@json_option
def mend(as_json: bool) -> None:
    """Take back every fault of the running shop.

    \b
    Example:
      middlewatch lab mend
    """
    mended = LabControl(_place().socket).mend()
    if as_json:
        click.echo(json.dumps(mended, indent=1))
        return
    for each in mended:
        print_line(f"{each['name']} in {each['service']} taken back")
    if not mended:
        print_line("there was nothing to mend")


@click.command()
@click.argument("service", type=_SERVICES)
@click.argument("version")
@json_option
def deploy(service: str, version: str, as_json: bool) -> None:
    """Roll a version of a service out. The versions that are faults are those in `middlewatch lab faults`.

    \b
    Example:
      middlewatch lab deploy catalogue 1.9.4
    """
    told = LabControl(_place().socket).deploy(service, version)
    _tell(told, f"{service}: {told['description']}", as_json=as_json)


@click.command()
@click.argument("service", type=_SERVICES)
@json_option
def rollback(service: str, as_json: bool) -> None:
    """Go back to the version before the last deploy of a service.

    \b
    Example:
      middlewatch lab rollback catalogue
    """
    told = LabControl(_place().socket).rollback(service)
    _tell(told, f"{service}: {told['description']}", as_json=as_json)


@click.command()
@json_option
def down(as_json: bool) -> None:
    """End the running lab, with every process of it.

    \b
    Example:
      middlewatch lab down
    """
    bring_down(_place())
    _tell({"ended": True}, "the lab has ended", as_json=as_json)


COMMANDS = (up, status, fault, mend, deploy, rollback, down)


def _end_by_signal() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C interrupts."""
    end = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        if end.is_set():
            raise KeyboardInterrupt
        end.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return end


def _tell(told: Mapping[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, indent=1))
    else:
        print_line(words)


def _print(told: Mapping[str, Any], *, as_json: bool) -> None:
    """The status of a lab."""
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    for service in told["services"]:
        instances = service["instances"]
        versions = sorted({each["version"] for each in instances})
        restarts = sum(each["restarts"] for each in instances)
        again = f", started again {restarts} times" if restarts else ""
        print_line(f"{service['name']:14s} {' and '.join(versions):14s} {len(instances)} running{again}")
    customers = told["customers"]
    if customers.get("failing") is not None:
        print_line(
            f"customers      {customers['requests_per_second']:g} requests/s, {customers['failing']:.1%} failing,"
            f" 95 % within {duration(customers['p95_seconds'])}, in the last 10 s"
        )
    for each in told["faults"]:
        print_line(f"fault          {each['name']} in {each['service']} since {each['since']}")
    if not told["faults"]:
        print_line("fault          none")
    print_line(f"telemetry      {told['otlp'] or 'into files'}")
    here = " ".join(program())
    print_line(f"Break it: {here} lab fault missing-market    End it: {here} lab down")
