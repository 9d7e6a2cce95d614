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

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

run: $(VENV)/.installed
	@$(BIN)/provd demo $(ARGS)

system-packages:
	@sh tests/kit/system-packages.sh

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: $(VENV)/.installed system-packages check
	$(BIN)/pytest -n auto --dist loadgroup $(ARGS)

bench: $(VENV)/.installed system-packages
	$(BIN)/python -m tests.bench $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
