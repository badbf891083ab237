# Everything a target needs is made in .venv; nothing is taken from the machine but python3, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export OPENBLAS_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

.PHONY: demo test test-all lint types bench fresh clean help

help:            ## this list
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,dev]"
	@touch $@

demo: $(STAMP)   ## run the paper's scenario end to end; prints where results and pictures lie
	$(BIN)/dmimo run paper --seed 1 --out results/paper-1

test: $(STAMP)   ## the test suite without the long statistical experiments
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(STAMP)  ## every test
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)   ## ruff
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy
	$(BIN)/mypy

bench: $(STAMP)  ## benchmarks against plain implementations, as ratios
	$(BIN)/dmimo bench

fresh:           ## install into a fresh environment elsewhere, and run the paper's scenario there
	.ci/fresh-install $(PYTHON)

clean:           ## remove what was made
	rm -rf $(VENV) .venv-* results build *.egg-info
