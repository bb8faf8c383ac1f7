# Each target sets up what it needs in the virtual environment $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INPUTS := pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test fast check lint bench same-bits accuracy docs clean

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/'

demo: $(VENV)/.installed  ## design and draw a label set of each kind, then train a network on one
	$(BIN)/fflabels demo
	cd demo-output && $(abspath $(BIN))/ffnet train --dataset cells --report

test: $(VENV)/.tested  ## the tests, a file of them on each processor core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

fast: $(VENV)/.tested  ## the tests not marked slow, one to two minutes on two idle cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow"

check: $(VENV)/.developed lint test  ## format, lint, types, import direction, tests

lint: $(VENV)/.developed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy docs/*.py
	$(BIN)/lint-imports

bench: $(VENV)/.benched  ## the benchmarks; exits 1 when a floor is missed
	$(BIN)/python tests/bench/selection.py
	$(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/dprime.py
	$(BIN)/python tests/bench/training.py
	$(BIN)/python tests/bench/codes.py
	$(BIN)/python tests/bench/inference.py
	$(BIN)/python tests/bench/scale.py
	$(BIN)/python tests/bench/memory.py
	$(BIN)/python tests/bench/datapath.py
	$(BIN)/python tests/bench/startup.py

same-bits: $(VENV)/.tested  ## do this tree and the commit BASE give the same bits?
	$(BIN)/python tests/same_bits/compare.py $(BASE)

accuracy: $(VENV)/.tested  ## what pairs presets and codes reach, some twenty hours; needs the real data sets
	$(BIN)/ffnet experiment run accuracy
	$(BIN)/ffnet experiment run best
	$(BIN)/ffnet experiment run codes-yardsticks

docs: $(VENV)/.developed  ## the documentation, warnings are errors
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/generate_settings.py
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:  ## remove the environment and what was built
	rm -rf $(VENV) build dist docs/_build demo-output

$(VENV)/.pip:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.installed: $(INPUTS) | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable ".[net,plots]"
	@touch $@

$(VENV)/.tested: $(INPUTS) | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group test
	@touch $@ $(VENV)/.installed

$(VENV)/.benched: $(INPUTS) | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group test --group bench
	@touch $@ $(VENV)/.tested $(VENV)/.installed

$(VENV)/.developed: $(INPUTS) | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	@touch $@ $(VENV)/.tested $(VENV)/.installed
