# The two that matter: `make demo` and `make test`. Both set up what they need, in either order.
# As root on Debian 12; see scripts/set-up.

VENV := .venv
BIN := $(VENV)/bin

# A missing tool fails a test instead of skipping it: set-up has installed them all.
CI ?= true
export CI

.PHONY: help demo test test-stores lint unit slow fuzz fuzz-mip bench docs run dev clean

help:                    ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run:                     ## Set up what cloudnet-sdn runs on: .venv/bin/cloudnet
	@scripts/set-up run

dev:                     ## Set up besides what the checks and tests need
	@scripts/set-up dev

demo: run                ## Embed a CloudNet across two providers on this machine
	@$(BIN)/cloudnet demo $(ARGS)

test: dev                ## Run every check and every test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit

test-stores: dev         ## Run the store's and the roles' tests on PostgreSQL and MariaDB
	@scripts/set-up stores
	@for store in postgresql mariadb; do \
	    echo "== $$store"; $(BIN)/python -m pytest --store $$store tests/unit/store \
	        tests/unit/roles tests/contract/test_plugins.py $(ARGS) || exit 1; \
	done

lint: dev                ## Run ruff, mypy and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: dev                ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

slow: dev                ## Run the slow lane: what takes minutes
	$(BIN)/python -m pytest -m slow $(ARGS)

fuzz: dev                ## Fuzz the RDL loader with a million inputs; ARGS="--count N --seed N"
	$(BIN)/python tests/slow/fuzz_rdl.py --count 1000000 $(ARGS)

fuzz-mip: dev            ## Fuzz embedding with odd small instances; ARGS="--kind K --count N --seed N"
	$(BIN)/python tests/slow/fuzz_mip.py --count 1000 $(ARGS)

docs: dev                ## Write the pages that are made from the code (docs/api.md)
	$(BIN)/python scripts/api_page.py

bench: dev               ## Run the benchmarks; prints ratios
	@for script in $$(grep -l __main__ bench/*.py); do \
	    echo "== $$script"; $(BIN)/python "$$script" $(ARGS) || exit 1; \
	done

clean:                   ## Remove all that was made here
	rm -rf $(VENV) .cloudnet build dist *.egg-info .hypothesis .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
