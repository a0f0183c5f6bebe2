PYTHON ?= python3
# Options of the installation of torch, e.g. TORCH_FLAGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH_FLAGS ?=
# Test processes; each computes on one thread.
WORKERS ?= 4
# How long all fuzzers run, one after the other.
SECONDS ?= 600

BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --progress-bar off
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses $(WORKERS) $(ARGS)
PIN = $(shell grep -i '^$(1)==' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help setup chromium demo test test-all lint format fuzz audit docs bench bench-quick clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed chromium ## Make .venv with everything that the other targets need

.venv/.installed: pyproject.toml constraints.txt
	@echo "Installing into .venv (a few minutes the first time) ..." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) $(TORCH_FLAGS) $(call PIN,torch)
	@$(PIP) -c constraints.txt -e '.[dev]'
	@$(PIP) --no-deps $(call PIN,torchvision)
	@touch $@

.venv/.installed-docs: .venv/.installed
	@$(PIP) -c constraints.txt -e '.[docs]'
	@touch $@

.venv/.installed-audit: .venv/.installed
	@$(PIP) -c constraints.txt -e '.[audit]'
	@touch $@

# The test of the report opens it in a real browser; without one it is skipped.
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing chromium for the browser test ..." >&2; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends chromium; } >/dev/null \
	    || echo "chromium could not be installed: the browser test will be skipped." >&2; \
	else echo "chromium is not installed: the browser test will be skipped." >&2; fi

demo: setup ## Quantify the default policy on embedded data: table, report.html, results.json
	@$(BIN)/augmoments quantify

test: setup ## Run the quick tests (ARGS="-k name" selects)
	@$(PYTEST)

test-all: setup ## Run all tests, the slow ones too
	@$(PYTEST) -m ""

fuzz: setup ## Read damaged and hostile files of every kind for SECONDS=600
	AUGMOMENTS_FUZZ_SECONDS=$(SECONDS) OMP_NUM_THREADS=1 \
	    $(BIN)/python -m pytest -m slow tests/fuzz/test_fuzz.py $(ARGS)

lint: setup ## Check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

audit: setup .venv/.installed-audit ## Look for known vulnerabilities of what is pinned (asks pypi.org)
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r constraints.txt

format: setup ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: setup .venv/.installed-docs ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

bench: setup ## Time exact answers beside sampling: the table of docs/benchmarks.md
	@$(BIN)/python benchmarks/run.py $(ROWS)

bench-quick: setup ## The same with fewer images and coarser references
	@$(BIN)/python benchmarks/run.py --quick $(ROWS)

clean: ## Remove what was built, .venv too
	rm -rf .venv build dist docs/_build docs/gallery .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
