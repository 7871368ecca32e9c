# Every target prepares .venv by itself. Only Python ≥ 3.11, git and make are needed.

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# The newest Python that will do; PYTHON=… decides otherwise.
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3 python; do \
            if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
            then echo $$candidate; break; fi; done)
WORKERS ?= 2
SEEDS  ?= 5
ARGS   ?=

# Compiled modules make every start a few seconds faster.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo dev emit latency local ui rules test bench bench-reading bench-formats conformance chaos evaluate lint types contracts tests format clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(READY) ## Makes .venv with the exact versions of requirements.lock

$(READY): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  set -e; \
	  uv venv --quiet --allow-existing --python '>=3.11' $(VENV); \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock; \
	  uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e .; \
	else \
	  set -e; \
	  if [ -z "$(PYTHON)" ]; then \
	    echo "error: Python 3.11 or newer is needed and none was found; install one, or run make PYTHON=/path/to/python3.12" >&2; exit 1; \
	  fi; \
	  if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	    echo "error: Python 3.11 or newer is needed; $(PYTHON) is not one" >&2; exit 1; \
	  fi; \
	  if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "error: $(PYTHON) cannot make virtual environments; install its venv package (Debian, Ubuntu: python3-venv)" >&2; exit 1; \
	  fi; \
	  echo "making $(VENV) (once, a few minutes)"; \
	  $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

demo: $(READY) ## Runs the main job on generated logs, from a local S3 to a local workspace (ARGS="--hours 6")
	@$(BIN)/s3sentinel demo $(ARGS)

dev: $(READY) ## Starts local S3, workspace, MLflow and Dagster with sensors on (Ctrl-C ends all)
	@$(BIN)/s3sentinel dev $(ARGS)

emit: $(READY) ## Keeps writing invented logs into the S3 of `make dev` (ARGS="--rate 20 --attack")
	@$(BIN)/s3sentinel emit $(ARGS)

latency: $(READY) ## Measures the time from S3 to the answer of a query (ARGS="--objects 50")
	@$(BIN)/s3sentinel latency $(ARGS)

local: $(READY) ## Starts the local stand-ins that s3sentinel.yaml points at (Ctrl-C ends them)
	@$(BIN)/s3sentinel local $(ARGS)

ui: $(READY) ## Opens the last demo in the Dagster UI on http://127.0.0.1:3000 (Ctrl-C ends it)
	@$(BIN)/s3sentinel ui $(ARGS)

rules: $(READY) ## Runs the example rules on the last demo's workspace (ARGS="--show")
	@$(BIN)/s3sentinel rules run rules --home .s3sentinel/demo --from 24h $(ARGS)

bench: $(READY) bench-formats ## Measures the whole chain on one core, next to the ordinary Python way, and every format
	@$(BIN)/python -m benchmarks --chart docs/bench.svg $(ARGS)

bench-reading: $(READY) ## Measures a listing of three million keys and an object of 2 GB: cost and memory
	@$(BIN)/python -m benchmarks.listing $(ARGS)
	@$(BIN)/python -m benchmarks.large_object --gigabytes 2
	@$(BIN)/python -m benchmarks.large_object --gigabytes 2 --container gzip

bench-formats: $(READY) ## Measures the log parser on every format, next to the ordinary Python way (ARGS="alb --rounds 5")
	@$(BIN)/python -m benchmarks.formats $(ARGS)

conformance: $(READY) ## Parses published samples of every format and compares their fields (ARGS="alb --problems")
	@$(BIN)/python -m conformance $(ARGS)

chaos: $(READY) ## Kills workers at random instants of a delivery and counts what is lost or doubled (ARGS="--kills 50")
	@$(BIN)/python -m chaos $(ARGS)

evaluate: $(READY) ## Measures scores and priorities on attacks put into benign days (SEEDS=5 BACKGROUND=DIR ATTACKS=DIR)
	@$(BIN)/python -m evaluation --seeds $(SEEDS) --workers $(WORKERS) $(if $(BACKGROUND),--background "$(BACKGROUND)") \
	  $(if $(ATTACKS),--attacks "$(ATTACKS)") $(ARGS)

test: lint types contracts tests ## Checks everything: style, types, layers, tests

lint: $(READY) ## Checks style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## Checks types
	@$(BIN)/basedpyright

contracts: $(READY) ## Checks that imports point downwards
	@$(BIN)/lint-imports --no-cache

tests: $(READY) ## Runs the tests alone (ARGS="tests/s3 -k listing")
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

format: $(READY) ## Formats the code and mends what can be mended automatically
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

clean: ## Removes .venv and caches (kept: .s3sentinel and .dagster, which hold data)
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	find s3sentinel_assets tests benchmarks conformance chaos evaluation -name __pycache__ -type d -prune -exec rm -rf {} +
