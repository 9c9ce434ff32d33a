# make demo     investigate a recorded incident; installs nothing outside this folder
# make live     a small shop of real processes is broken before your eyes, and mended when you approve (about three minutes)
# make test     run the tests
# make check    lint, types, import rules, package contents
# make chaos    kill workers and Redis by the hundred while they work (about 2 minutes)
# make chaos-audit  do everything to an exported audit log that can be done to it, and verify each (about 5 minutes)
# make chaos-approvals    kill everybody at every step of an execution, and click a hundred times on a thousand requests (about 4 minutes)
# make chaos-injections   every hostile text in every place, read by a model that obeys it (about 6 minutes)
# make chaos-model-injections  the same read by language models that obey it, beside other goals for them (an hour and more)
# make chaos-storm        a thousand alerts in ten seconds, twelve times, while whoever sorts them is killed (about 8 minutes)
# make chaos-web          a hundred thousand requests that no honest client sends, over all routes (about 15 minutes)
# make chaos-alerts       a hundred thousand damaged deliveries over all senders of alerts, signed as theirs are (about 8 minutes)
# make measure-ranking    score every set of agents on RECORDINGS, rewrite docs/measurements/ranking.md (minutes)
# make replay-lab         investigate the dozen incidents of evals/recordings/lab-incidents, and compare with what has to be found (a minute)
# make measure-lab        the same on the lab's suite alone, with kinds of causes and onsets, into docs/measurements/lab.md
# make measure-memory     how often an earlier incident of the same fault is found before others, into docs/measurements/memory.md (5 minutes)
# make measure-models     what language models cost and take, and what their votes are worth by the formulas, all scripted, into docs/measurements/models.md (half an hour)
# make measure-degraded   the same on degraded copies of DEGRADED; goes on where it was stopped (an hour)
# make bench-scale        time an investigation of 1 M and of 10 M spans and log lines, and 6,000 series (minutes, 3 GB of disk)
# make bench-audit        time the verification of 1 M audit events, and appending one (2 minutes, 450 MB of disk)
# make chaos-otlp         kill the OTLP intake while it is sent spans, send it 100,000 malformed requests, and ten times what it takes (20 minutes)
# make live-check  the same three times with nobody there, and how each goal was kept (a quarter of an hour, on a quiet machine)
# make bench-otlp         how many spans a second the OTLP intake stores, against bare inserts, while an investigation runs (5 minutes)
# make bench-objectives   how long a look at sixteen objectives takes, the first count of thirty days, and the health page (3 minutes)
# make conformance-mcp    the official conformance suite and inspector against the MCP server (2 minutes, npm and its registry)
# make man      write the man pages of all commands to build/man
# make bench-web          time the first answer of a finished investigation, 1,000 of 200 facts in the store; 200 live viewers, and what their pages fetch (9 minutes, 1 GB of memory)
# make bench-slack        click 200 times in a Slack of this machine: acknowledged, decided, edited (4 minutes)
# make screens  make the pictures of the web pages in docs/images/web again (a minute, Chromium)
# make clean    remove everything that the other targets made

# Compiled modules are kept: the tests start the command more than a hundred times.
export PYTHONDONTWRITEBYTECODE :=

DEMO := evals/recordings/shop-slow-pages

RECORDINGS := $(filter-out %.md %/lab-incidents,$(wildcard evals/recordings/*)) $(wildcard ../shared/datasets/dev)
DEGRADED := $(wildcard ../shared/datasets/dev/nezha_ob ../shared/datasets/dev/nezha_tt)
LAB_SUITE := evals/recordings/lab-suite
MEASURED := .middlewatch/measured
JOBS := 2

.PHONY: demo live live-check man test check chaos chaos-alerts chaos-approvals chaos-audit chaos-injections chaos-model-injections chaos-otlp bench-audit bench-otlp bench-prompts clean measure-ranking measure-lab measure-degraded measure-memory measure-models replay-lab bench-scale bench-objectives conformance-mcp

demo:
	@./scripts/setup.sh --no-dev
	@echo "investigating $(DEMO); its data goes to .middlewatch/demo"
	@echo "(how to connect your own telemetry: .venv/bin/middlewatch doctor)"
	@MIDDLEWATCH_DATA_DIR=.middlewatch/demo .venv/bin/middlewatch investigate --recording $(DEMO) --watch
	@echo "In a browser  MIDDLEWATCH_DATA_DIR=.middlewatch/demo .venv/bin/middlewatch serve"

live:
	@./scripts/setup.sh --no-dev --extra lab
	@MIDDLEWATCH_DATA_DIR=.middlewatch .venv/bin/middlewatch lab tour

live-check:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.live_tours --tours 3

man:
	@./scripts/setup.sh --no-dev
	.venv/bin/middlewatch help --man build/man

test:
	@./scripts/setup.sh
	@./scripts/debian.sh
	.venv/bin/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder  # four on two cores: tests wait for servers, leases and deadlines; the long ones first, as they stand

check:
	@./scripts/setup.sh
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python scripts/check_wheel.py

chaos:
	@./scripts/setup.sh
	.venv/bin/python tests/chaos/claims.py --workers 8 --tasks 5000 --worker-kills 500 --redis-kills 20 --stall 0.1
	.venv/bin/python tests/chaos/claims.py --workers 8 --tasks 500 --worker-kills 50 --redis-kills 2 --stall 0.1 --without-fence
	.venv/bin/python tests/chaos/power_loss.py

chaos-audit:
	@./scripts/setup.sh
	.venv/bin/python tests/chaos/audit_mutations.py
	.venv/bin/python tests/chaos/audit_mutations.py --values 20 --without-checkpoints

chaos-approvals:
	@./scripts/setup.sh
	.venv/bin/python tests/chaos/executions.py --lanes 6
	! .venv/bin/python tests/chaos/executions.py --without-guard
	.venv/bin/python tests/chaos/clicks.py --approvals 1000 --clicks 100
	! .venv/bin/python tests/chaos/clicks.py --approvals 20 --clicks 20 --without-guard

chaos-injections:
	@./scripts/setup.sh
	.venv/bin/python tests/chaos/injections.py

chaos-model-injections:
	@./scripts/setup.sh
	.venv/bin/python -m tests.chaos.model_injections

chaos-storm:
	.venv/bin/python tests/chaos/storms.py --storms 12
	.venv/bin/python tests/chaos/storms.py --storms 6 --seed 2 --undisturbed

chaos-web:
	@./scripts/setup.sh
	.venv/bin/python -m tests.chaos.odd_requests --raw 80000 --described 20300

chaos-alerts:
	@./scripts/setup.sh
	.venv/bin/python -m tests.chaos.alert_payloads --payloads 100000

measure-ranking:
	@./scripts/setup.sh
	@mkdir -p $(MEASURED)
	rm -f $(MEASURED)/new.jsonl
	.venv/bin/middlewatch evaluate $(RECORDINGS) --ablate --assessments $(MEASURED)/new.jsonl --json --jobs $(JOBS) > $(MEASURED)/new.json
	mv $(MEASURED)/new.json $(MEASURED)/ranking.json
	mv $(MEASURED)/new.jsonl $(MEASURED)/assessments.jsonl
	.venv/bin/python scripts/publish_ranking.py $(MEASURED)

measure-lab:
	@./scripts/setup.sh
	@mkdir -p $(MEASURED)
	.venv/bin/middlewatch evaluate $(LAB_SUITE) --ablate --json --jobs $(JOBS) > $(MEASURED)/lab.json
	.venv/bin/middlewatch evaluate $(LAB_SUITE) --output $(MEASURED)/lab.jsonl --jobs $(JOBS)
	.venv/bin/python scripts/publish_lab.py $(MEASURED)/lab.json $(MEASURED)/lab.jsonl $(LAB_SUITE)

measure-memory:
	@./scripts/setup.sh
	@rm -rf $(MEASURED)/memory
	.venv/bin/python scripts/publish_memory.py $(MEASURED)/memory $(filter-out %.md %/lab-incidents %/lab-suite,$(wildcard evals/recordings/* \
	    evals/recordings/lab-suite/* evals/recordings/lab-incidents/*))

measure-models:
	@./scripts/setup.sh
	@mkdir -p $(MEASURED)
	.venv/bin/python -m tests.benchmarks.scripted_models --kept $(MEASURED)/models.new.jsonl
	mv $(MEASURED)/models.new.jsonl $(MEASURED)/models.jsonl

replay-lab:
	@./scripts/setup.sh
	.venv/bin/python -m pytest -q tests/integration/evals/all_lab_incidents.py

measure-degraded:
	@./scripts/setup.sh
	@mkdir -p $(MEASURED)/degraded
	.venv/bin/python -c 'from middlewatch.evals.degradations import DEGRADATIONS; print("as-they-are", *DEGRADATIONS)' \
	    | xargs -n 1 | while read name; do $(MAKE) $(MEASURED)/degraded/$$name.json || exit 1; done
	.venv/bin/python scripts/publish_ranking.py $(MEASURED)

$(MEASURED)/degraded/%.json:
	.venv/bin/middlewatch evaluate $(DEGRADED) --score --moments-before --json --jobs $(JOBS) \
	    $(if $(filter as-they-are,$*),,--degrade $*) > $@.new
	mv $@.new $@

bench-objectives:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.objectives_look --spans 1000000

bench-scale:
	@./scripts/setup.sh
	.venv/bin/python -m middlewatch.evals.scale --spans 1000000 --spans 10000000 --rounds 3

chaos-otlp:
	@./scripts/setup.sh
	.venv/bin/python -m tests.chaos.otlp_kills --rounds 10
	.venv/bin/python -m tests.chaos.otlp_malformed --payloads 100000
	.venv/bin/python -m tests.chaos.otlp_burst

bench-otlp:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.otlp_rate --seconds 20 --rounds 3

bench-audit:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.audit --events 1000000 --appends 1000

conformance-mcp:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.mcp_conformance

bench-web:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.first_answer --investigations 1000 --facts 200 --requests 50
	.venv/bin/python -m tests.benchmarks.viewers --viewers 200 --events 600 --rate 20
	.venv/bin/python -m tests.benchmarks.viewers --viewers 200 --events 60 --rate 3 --sections

bench-slack:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.slack_click --clicks 200 --slack-ms 100

screens:
	@./scripts/setup.sh
	.venv/bin/python -m pytest -q tests/browser_screens.py

bench-prompts:
	@./scripts/setup.sh
	.venv/bin/python -m tests.benchmarks.prompts --lines 10000000 --templates 10000 --services 500

clean:
	rm -rf .venv .middlewatch build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
