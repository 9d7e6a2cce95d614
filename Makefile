# make run [ARGS=--once]   the demonstration: daemon, private LAN, simulated phones
# make test                everything: style, types, layers, tests (as root also with foreign programs)
# make bench               side by side with the peers that are installed; prints ratios
# make check               style, types and layers only

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: help run test check bench clean system-packages

help:
	@sed -n '1,4s/^# //p' Makefile

PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --editable

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("provd needs Python 3.11 or newer")'
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt install python3-venv" >&2; rm -rf $(VENV); exit 1; }

# What it takes to run, and what it takes to test: the first is there in a moment.
$(VENV)/.runs: pyproject.toml | $(BIN)/pip
	@echo "installing provd into $(VENV) …"
	@$(PIP) '.[fast]'
	@touch $@

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	@echo "installing provd and what its tests need into $(VENV) …"
	@$(PIP) '.[test]'
	@touch $@ $(VENV)/.runs

run: $(VENV)/.runs
	@$(BIN)/provd demo $(ARGS)

system-packages:
	@sh tests/kit/system-packages.sh

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Hundreds of processes import the daemon: what the first one compiles is there for all, whatever else is wanted here.
TESTED := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest

test: $(VENV)/.installed system-packages check
	$(TESTED) -n auto --dist loadgroup $(ARGS)

bench: $(VENV)/.installed
	@sh tests/kit/system-packages.sh bench
	$(BIN)/python -m tests.bench $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
