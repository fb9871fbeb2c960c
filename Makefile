# Each target sets itself up: a virtual environment in .venv, made from the locked, hashed requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo test sdk node crash lint types check docs bench serve lock clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Treadle needs Python 3.11 or later; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The packages that run, test and check Treadle; then Treadle itself, from this folder.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) (once) ..."
	@$(PIP) -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.local: requirements/local.txt $(VENV)/.dev
	@$(PIP) -r requirements/local.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	@$(PIP) -r requirements/bench.txt
	@touch $@

demo: $(VENV)/.local  ## Run the official SDK against Treadle and the embedded model, and list the run's steps
	@$(BIN)/python examples/demo.py

test: $(VENV)/.dev  ## The test suite: needs nothing but Python
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(ARGS)

crash: $(VENV)/.dev  ## Kill the server at every commit, in full length
	$(BIN)/python -m pytest -n 2 tests/crash $(ARGS)

lint: $(VENV)/.dev  ## Style, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev  ## Static types, strict
	$(BIN)/mypy

check: lint types test  ## What a change must pass

serve: $(VENV)/.dev  ## Serve on port 8000
	$(BIN)/treadle serve

lock:  ## Choose and pin the newest versions anew
	$(BIN)/python -m pip install --quiet uv
	for set in "runtime " "dev --group dev" "local --extra local" "bench --group bench"; do \
	  set -- $$set; name=$$1; shift; \
	  $(BIN)/uv pip compile --quiet pyproject.toml $$@ --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --output-file requirements/$$name.txt; \
	done

clean:  ## Remove what the other targets made
	rm -rf $(VENV) .venvs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache demo-data
