"""The longest prompt of an investigation over ten million log lines of ten thousand hostile templates: `make bench-prompts`.

    .venv/bin/python -m tests.benchmarks.prompts --lines 10000000 --templates 10000 --services 500

ClickHouse writes the lines itself. The whole application investigates them, with a scripted model that calls as many tools as it
may and wants as much of each as there is. Every request is kept and counted: by the estimate that bounds it, in bytes, and by a
tokenizer of bytes that is trained on the spot, on the texts of this project and its packages.
"""

from __future__ import annotations

import base64
import itertools
import os
import random
import resource
import string
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from middlewatch.agents.language_model.scripted import Line, ScriptedModel, spoken
from middlewatch.agents.language_model.seam import Asked, Request
from middlewatch.agents.reasoning.instructions import SYSTEM
from middlewatch.agents.reasoning.quoting import quoted_block
from middlewatch.agents.reasoning.size import request_tokens, tokens_at_most
from middlewatch.alerts import service_alert
from middlewatch.app import App, open_app
from middlewatch.evals.scale.store import INSERT_SECONDS
from middlewatch.model_tools import specs
from middlewatch.models import BudgetEntry, Opened
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import DATABASE, ClickHouse
from middlewatch.telemetry.clickhouse_reader import nanoseconds
from middlewatch.telemetry.clients import embedded
from middlewatch.telemetry.limits import Limits

PIECE: Final = 1_000_000
HOURS: Final = 2.0
FAULT_SECONDS: Final = 600.0
"""At the end: half of all templates are seen only then, as errors."""
VOCABULARY: Final = 50_000
TRAINED_BYTES: Final = 25_000_000

INSERT: Final = """
INSERT INTO otel_logs (Tenant, Recording, Timestamp, SeverityText, SeverityNumber, ServiceName, Body)
SELECT
    'default', '',
    fromUnixTimestamp64Nano(toInt64({start:Int64} + number * {step:Int64})) AS Timestamp,
    if(new, 'ERROR', 'INFO'), if(new, 17, 9),
    concat('service-', leftPad(toString(template % {services:Int64}), 4, '0')),
    concat(
        {texts:Array(String)}[1 + template], ' id=', toString(number),
        repeat(' all of it again', if(number % 200000 = 7, 4096, 0))
    )
FROM
(
    SELECT
        number,
        number >= {fault:Int64} AS broken,
        cityHash64(number) % {templates:Int64} AS drawn,
        if(broken, drawn, intDiv(drawn, 2) * 2) AS template,
        template % 2 = 1 AS new
    FROM numbers({first:Int64}, {count:Int64})
)
"""

Counted = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest of each measure, over all requests."""

    requests: int
    estimate: int
    bytes: int
    tokens: int
    first: int
    """Tokens by the estimate of the longest request that begins a dialogue."""


def texts(templates: int) -> list[str]:
    """The templates: English, syllables of no language, letters at random, Chinese and emoji in turn; each is one of its own."""
    draw = random.Random(7)
    english = ["payment", "refused", "connection", "timed", "out", "while", "waiting", "for", "the", "pool", "of", "threads"]
    kinds: tuple[Callable[[], str], ...] = (
        lambda: draw.choice(english),
        lambda: "".join(draw.choice("bcdfghjklmnprstvw") + draw.choice("aeiou") for _ in range(draw.randint(1, 5))),
        lambda: "".join(draw.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/") for _ in range(12)),
        lambda: "".join(chr(draw.randint(0x4E00, 0x9FFF)) for _ in range(4)),
        lambda: chr(draw.randint(0x1F300, 0x1FAFF)) * 2,
    )
    own = ("".join(letters) for letters in itertools.product("bdgklmnprt", "aeiou", "bdgklmnprt", "aeiou", "bdgklmnprt"))
    return [f"{next(own)} " + " ".join(kinds[n % len(kinds)]() for _ in range(8)) for n in range(templates)]


def fill(folder: Path, lines: int, templates: int, services: int, end: datetime) -> None:
    """Write the lines."""
    limits = Limits(query_seconds=INSERT_SECONDS)
    with ClickHouse.embedded(folder, limits) as database:
        database.migrate()
    parameters: dict[str, object] = {
        "start": nanoseconds(end - timedelta(hours=HOURS)),
        "step": int(HOURS * 3600 * 1e9 / lines),
        "fault": int(lines * (1 - FAULT_SECONDS / HOURS / 3600)),
        "templates": templates,
        "services": services,
        "texts": texts(templates),
    }
    with closing(embedded(folder, limits)(DATABASE)) as client:
        for first in range(0, lines, PIECE):
            client.command(INSERT, parameters={**parameters, "first": first, "count": min(PIECE, lines - first)})
            click.echo(f"{min(first + PIECE, lines):,} of {lines:,} lines", err=True)


def greedy() -> ScriptedModel:
    """A model that calls six tools in each of two turns where it may, then answers with nothing."""
    asked = itertools.count()
    tools = ("log_patterns", "log_lines", "assess_logs", "assess_metrics", "assess_traces", "assess_deploys")
    empty: dict[str, Line] = {
        "reasoned": Line(answer={"claims": [], "add_evidence": [], "suspects": [], "votes": []}),
        "written": Line(answer={"sentence": "", "prose": ""}),
    }

    def say(request: Request) -> Line:
        if request.tools and spoken(request) < 2:
            known = [tool.name for tool in request.tools]
            return Line(
                calls=tuple((name, {"limit": 20 + next(asked)} if "log_" in name else {}) for name in tools if name in known)
            )
        return empty.get(request.answer.name if request.answer else "", empty["reasoned"])

    return ScriptedModel(say)


@contextmanager
def tokenizer(at: Path) -> Iterator[Counted]:
    """Counts by a tokenizer of bytes, as those of models are made; the count is 0 where the package is not installed."""
    try:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: PLC0415  comes with a tool for development
    except ImportError:
        yield lambda _: 0
        return
    files = sorted(path for place in ("docs", ".venv") for path in at.joinpath(place).rglob("*") if path.suffix in {".py", ".md"})
    random.Random(1).shuffle(files)
    read: list[str] = []
    for path in files:
        if sum(map(len, read)) < TRAINED_BYTES:
            read.append(path.read_text(encoding="utf-8", errors="ignore")[:200_000])
    made: Any = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(read, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False))
    yield lambda text: len(made.encode(text).ids)


def told(request: Request) -> list[str]:
    """All texts of a request."""
    tools = [f"{tool.name} {tool.description} {tool.schema}" for tool in request.tools]
    said = [text for turn in request.turns for text in (turn.text, *_more(turn))]
    return [request.system, *tools, str(request.answer.schema) if request.answer else "", *said]


def _more(turn: object) -> list[str]:
    return [result.text for result in turn.results] if isinstance(turn, Asked) else []


def longest(requests: Sequence[Request], counted: Counted) -> Longest:
    """Of all requests."""
    return Longest(
        requests=len(requests),
        estimate=max(map(request_tokens, requests)),
        bytes=max(sum(len(text.encode()) for text in told(request)) for request in requests),
        tokens=max(sum(map(counted, told(request))) for request in requests),
        first=max(request_tokens(request) for request in requests if not spoken(request)),
    )


def others() -> dict[str, str]:
    """Texts of the kinds that take many tokens a character, each in a quotation; and our own."""
    draw = random.Random(3)

    def words(letters: Callable[[int], str]) -> str:
        return " ".join(letters(draw.randint(2, 16)) for _ in range(300))

    def any_of(alphabet: str, length: int) -> str:
        return "".join(draw.choice(alphabet) for _ in range(length))

    quoted = {
        "syllables of no language": words(
            lambda n: "".join(any_of("bcdfghjklmnpqrstvwxz", 1) + any_of("aeiou", 1) for _ in range(n // 2))
        ),
        "letters at random": words(lambda n: any_of(string.ascii_lowercase, n)),
        "letters at random, of both cases": words(lambda n: any_of(string.ascii_letters, n)),
        "base64": base64.b64encode(draw.randbytes(3000)).decode(),
        "hexadecimal": draw.randbytes(1500).hex(),
        "UUIDs": " ".join(str(uuid.UUID(int=draw.getrandbits(128))) for _ in range(40)),
        "digits": any_of(string.digits, 2000),
        "signs": any_of(string.punctuation, 2000),
        "any ASCII": any_of(string.printable, 3000),
        "any Latin-1": draw.randbytes(3000).decode("latin-1"),
        "Chinese at random": "".join(chr(draw.randint(0x4E00, 0x9FFF)) for _ in range(1000)),
        "emoji at random": "".join(chr(draw.randint(0x1F300, 0x1FAFF)) for _ in range(500)),
        "control characters": "\x00\x1b\n" * 500,
        "a stack trace": "java.lang.IllegalStateException at com.example.shop.CartController.checkout(CartController.java:118) "
        * 9,
        "names of pods": "payments-api-7d9f6c5b4-x2x9z kubelet ingress-nginx-controller etcd-main-0 " * 10,
    }
    ours = {"ours: the system text": SYSTEM, "ours: the tools": " ".join(f"{tool.description} {tool.schema}" for tool in specs())}
    return ours | {name: quoted_block(text, "fact", most_bytes=10**6, veil=str) for name, text in quoted.items()}


def investigated(app: App, model: ScriptedModel, end: datetime) -> tuple[int, int, int]:
    """Investigate once; how many facts rules found, how many evidence has, and the tokens of the digest."""
    app.reasoning.instead = Opened("scripted", model, None, BudgetEntry(seconds=600))
    alert = service_alert(app.settings.tenant, "service-0001", None, end - timedelta(seconds=60), end)
    with app.working() as ended:
        opened = app.investigate(alert)
        for _ in app.follow(opened.id, stopped=ended.is_set):
            pass
    report = app.report(opened.id)
    if report is None or report.models is None:
        raise click.ClickException("The investigation ended without models.")
    click.echo(f"{report.outcome}: {report.answer[:160]}", err=True)
    for problem in report.models.problems:
        click.echo(problem, err=True)
    digest = model.requests[0].turns[0].text
    return len(report.evidence), len(report.models.calls), tokens_at_most(digest)


@click.command()
@click.option("--lines", default=10_000_000, show_default=True)
@click.option("--templates", default=10_000, show_default=True, help="At most 25,000.")
@click.option("--services", default=500, show_default=True)
def main(lines: int, templates: int, services: int) -> None:
    """Measure the longest prompt."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=120)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, tokenizer(Path.cwd()) as counted:
        fill(Path(folder) / "clickhouse", lines, templates, services, end)
        filled = time.monotonic()
        model = greedy()
        with open_app(Settings(data_dir=Path(folder))) as app:
            facts, calls, digest = investigated(app, model, end)
        ended = time.monotonic()
        found = longest(model.requests, counted)
    click.echo(f"| {lines:,} lines, {templates:,} templates, {services} services | |\n|---|---|")
    for name, value in (
        ("written in", f"{filled - began:.0f} s"),
        ("investigated in", f"{ended - filled:.0f} s"),
        ("facts in the report", f"{facts:,}"),
        ("calls to the model", f"{calls}"),
        ("the digest, by the estimate", f"{digest:,} tokens"),
        ("the longest first request of a dialogue, by the estimate", f"{found.first:,} tokens"),
        ("the longest request of all, by the estimate", f"**{found.estimate:,} tokens**"),
        ("the longest by a tokenizer of 50,000 trained on English and code", f"**{found.tokens:,} tokens**"),
        ("the longest in bytes, which no tokenizer exceeds", f"{found.bytes:,}"),
        ("peak memory of the process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MiB"),
        ("load average", f"{os.getloadavg()[0]:.1f}"),
    ):
        click.echo(f"| {name} | {value} |")
    click.echo("\n| text | bytes | by the tokenizer | by the estimate | |\n|---|---|---|---|---|")
    for name, text in others().items():
        real, estimate = counted(text), tokens_at_most(text)
        click.echo(f"| {name} | {len(text.encode()):,} | {real:,} | {estimate:,} | {estimate / real if real else 0:.2f} |")


if __name__ == "__main__":
    main()
