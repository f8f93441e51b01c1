# Two commands do the set-up of a fresh machine: `make lab` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LAB_READY := $(VENV)/.ready-lab
TEST_READY := $(VENV)/.ready-test
DOCS_READY := $(VENV)/.ready-docs
BENCH_READY := $(VENV)/.ready-bench
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with notebooks/sanitize.cfg --nbval-cell-timeout=120
# Workers of pytest: two by default, 0 runs everything in one process (for a debugger).
WORKERS ?= 2
# --here: make wheel-check with this Python only.
WHEEL ?=
# Tests of Chroma's to run alone: make test-chroma SUITE=chromadb/test/test_api.py
SUITE ?=
# Sizes of `make bench`.
N ?= 10000,100000,1000000

export CHROMA_NB_PROGRESS ?= 0
export PIP_NO_WARN_SCRIPT_LOCATION = 1

.PHONY: help lab test lint check test-all test-chroma wheel-check crash fuzz bench docs demo notebooks clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

lab: $(LAB_READY) ## JupyterLab, opened on the first tutorial
	env -u CHROMA_NB_PROGRESS $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/01_quickstart.ipynb

test: $(TEST_READY) lint check ## everything that must hold before a change lands

lint: $(TEST_READY) ## style, types, layers, and that the sync client is the async one
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tests/meta/generate_sync.py --check

# pytest comes last, so that its closing line closes the run.
check: lint
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --max-worker-restart 0 $(NBVAL) tests chroma_nb notebooks

test-all: test docs wheel-check crash ## make test, the documentation, the built package on every Python here, the long crash test

wheel-check: $(TEST_READY) ## build the package; install it in a fresh environment for each Python from 3.11 to 3.13 found here
	$(BIN)/python tests/meta/wheel_check.py $(WHEEL)

test-chroma: $(VENV)/.created ## Chroma's own tests, in an environment of their own, with chroma_nb in its place: an hour
	$(BIN)/python tests/meta/chroma_suite.py $(SUITE)

crash: $(TEST_READY) ## every case of a failing step or disk; writers killed, power lost at random moments: two hours
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m long -o faulthandler_timeout=3600 tests

fuzz: $(TEST_READY) ## the property tests with new random examples (make test repeats the same ones)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --hypothesis-profile=fuzz tests/property tests/congruence tests/engine

bench: $(BENCH_READY) ## the tables of docs/performance.md, beside others in the same run; the figures in build/peers.json (hours)
	@mkdir -p build
	$(BIN)/python benchmarks/peers.py --n $(N) --json build/peers.json

docs: $(DOCS_READY) ## the documentation, in docs/_build/html
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

demo: $(LAB_READY) ## the first tutorial without a browser: one page of HTML
	@mkdir -p build
	@echo "running notebooks/01_quickstart.ipynb: about a minute"
	@$(BIN)/jupyter nbconvert --log-level=WARN --execute --to html --output-dir build --output quickstart \
	  --ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.extra_arguments=--IPKernelApp.log_level=ERROR \
	  notebooks/01_quickstart.ipynb
	@echo "the results and the map are in build/quickstart.html"

notebooks: $(TEST_READY) ## run the tutorials again and store their outputs
	$(BIN)/python notebooks/execute.py

clean: ## the environment, caches and built files
	rm -rf $(VENV) build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# --- The environment. A stamp per purpose: nothing is installed again until pyproject.toml changes. ---

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "chroma_nb needs Python 3.11 to 3.13, this is %d.%d; name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -q --upgrade "pip>=25.1"
	@touch $@

# hnswlib is compiled at installation. Without a compiler everything else is installed: search is exact then.
$(LAB_READY): $(VENV)/.created pyproject.toml
	@echo "installing chroma_nb and JupyterLab: some minutes, once"
	@$(PIP) install -q -e ".[large,lab]"
	@$(PIP) install -q -e ".[hnsw]" >$(VENV)/hnswlib.log 2>&1 || { \
	  echo "hnswlib was not built, so every search will be exact, which large collections make slow. It needs a C++ compiler;"; \
	  echo "with one: $(BIN)/pip install hnswlib (what was said now is in $(VENV)/hnswlib.log)"; }
	@touch $@

$(TEST_READY): $(LAB_READY)
	@echo "installing what the tests need"
	@$(PIP) install -q --group test
	@touch $@

$(DOCS_READY): $(LAB_READY)
	@echo "installing what the documentation needs"
	@$(PIP) install -q --group docs
	@touch $@

$(BENCH_READY): $(LAB_READY)
	@echo "installing the databases to compare with"
	@$(PIP) install -q --group bench
	@touch $@
