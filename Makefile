# make demo     investigate a recorded incident; installs nothing outside this folder
# make test     run the tests
# make check    lint, types, import rules, package contents
# make chaos    kill workers and Redis by the hundred while they work (about 2 minutes)
# make clean    remove everything that the other targets made

# Compiled modules are kept: the tests start the command more than a hundred times.
export PYTHONDONTWRITEBYTECODE :=

DEMO := evals/recordings/shop-slow-pages

.PHONY: demo test check chaos clean

demo:
	@./scripts/setup.sh --no-dev
	@MIDDLEWATCH_DATA_DIR=.middlewatch/demo .venv/bin/middlewatch investigate --recording $(DEMO) --watch
	@echo
	@echo "Its data is in .middlewatch/demo. Try next, with .venv/bin/middlewatch:"
	@echo "  investigate --recording $(DEMO) --details"
	@echo "  evaluate evals/recordings      every incident here, with a summary"
	@echo "  doctor                         how to connect your own telemetry"

test:
	@./scripts/setup.sh
	@./scripts/debian.sh
	.venv/bin/python -m pytest -n 2 --dist loadfile

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

clean:
	rm -rf .venv .middlewatch build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
