# Everything a target needs is made in .venv; nothing is taken from the machine but python3, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
SOME   := $(addprefix tests/test_,$(addsuffix .py,emulator estimators cli same_bytes checkpoint schema))
export OPENBLAS_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

.PHONY: demo test test-some test-all lint types docs bench fresh clean help

help:            ## this list
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,dev,all]"
	@touch $@

demo: $(STAMP)   ## run the paper's scenario end to end; prints where results and pictures lie
	$(BIN)/dmimo run paper --seed 1 --out results/paper-1

test: $(STAMP)   ## the test suite without the long statistical experiments
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-some: $(STAMP)  ## a part of the tests from every room, for another Python: make test-some PYTHON=python3.13 VENV=.venv-3.13
	$(BIN)/python -m pytest -n 2 -m "not slow" $(SOME)

test-all: $(STAMP)  ## every test
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)   ## ruff
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy
	$(BIN)/mypy

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@

docs: $(DOCS_STAMP)  ## the documentation as a site in docs/_build/html, a warning being an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs docs/_build/html
	@echo "Written: docs/_build/html/index.html"

bench: $(STAMP)  ## benchmarks against plain implementations, as ratios
	$(BIN)/dmimo bench

fresh:           ## install into a fresh environment elsewhere, and run the paper's scenario there
	.ci/fresh-install $(PYTHON)

clean:           ## remove what was made
	rm -rf $(VENV) .venv-* results build *.egg-info docs/_build docs/api docs/gallery
