# Two commands do the set-up of a fresh machine: `make lab` and `make test`. `make help` lists the rest.
# The two are a script (.ci/make.py), which does the same where there is no make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCRIPT := $(PYTHON) .ci/make.py
# Workers of pytest: two by default, 0 runs everything in one process (for a debugger).
WORKERS ?= 2
# make wheel-check with these Pythons only: WHEEL=--here, WHEEL='3.12 3.14'.
WHEEL ?=
# Tests of Chroma's to run alone: make test-chroma SUITE=chromadb/test/test_api.py, make test-chroma-js SUITE=test/count.test.ts
SUITE ?=
# A checkout of Chroma's repository, which has its JavaScript tests; without one git fetches it.
SOURCES ?=
# Sizes of `make bench`.
N ?= 10000,100000,1000000

export VENV WORKERS
export CHROMA_NB_PROGRESS ?= 0
export PIP_NO_WARN_SCRIPT_LOCATION = 1

.PHONY: help lab test lint check test-all test-chroma test-chroma-js wheel-check crash fuzz bench docs demo notebooks clean ready-lab ready-test ready-docs ready-bench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

lab: ## JupyterLab, opened on the first tutorial
test: ## everything that must hold before a change lands
lint: ## style, types, layers, and that the sync client is the async one
lab test lint check:
	@$(SCRIPT) $@

ready-lab ready-test ready-docs ready-bench:
	@$(SCRIPT) ready $(@:ready-%=%)

test-all: test docs wheel-check crash ## make test, the documentation, the built package on every Python here, the long crash test

wheel-check: ready-test ## build the package; install it in a fresh environment for each Python found here, without compiler or network
	$(BIN)/python tests/meta/wheel_check.py $(WHEEL)

test-chroma: ready-test ## Chroma's own tests, in an environment of their own, with chroma_nb in its place: twenty minutes; then test-chroma-js where Node is
	$(BIN)/python tests/meta/chroma_suite.py $(SUITE)
	$(if $(SUITE),,$(BIN)/python tests/meta/chroma_javascript.py --if-possible --sources "$(SOURCES)")

test-chroma-js: ready-test ## the tests of Chroma's JavaScript client against our server: SOURCES=a checkout of Chroma's repository
	$(BIN)/python tests/meta/chroma_javascript.py --sources "$(SOURCES)" $(SUITE)

crash: ready-test ## every case of a failing step or disk; writers killed, power lost at random moments: an hour
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m long -o faulthandler_timeout=3600 tests

fuzz: ready-test ## the property tests with new random examples (make test repeats the same ones)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --hypothesis-profile=fuzz tests/property tests/congruence tests/engine

bench: ready-bench ## the tables of docs/performance.md, beside others in the same run; the figures in build/peers.json (hours)
	@mkdir -p build
	$(BIN)/python benchmarks/peers.py --n $(N) --json build/peers.json

docs: ready-docs ## the documentation, in docs/_build/html
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

demo: ready-lab ## the first tutorial without a browser: one page of HTML
	@mkdir -p build
	@echo "running notebooks/01_quickstart.ipynb: about a minute"
	@$(BIN)/jupyter nbconvert --log-level=WARN --execute --to html --output-dir build --output quickstart \
	  --ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.extra_arguments=--IPKernelApp.log_level=ERROR \
	  notebooks/01_quickstart.ipynb
	@echo "the results and the map are in build/quickstart.html"

notebooks: ready-test ## run the tutorials again and store their outputs
	$(BIN)/python notebooks/execute.py

clean: ## the environment, caches and built files
	rm -rf $(VENV) build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
