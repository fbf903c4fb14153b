# Two commands matter: `make lab` opens the console on real local servers, `make test` checks everything.
# Needs git, make and Python 3.11+; uses uv when it is there (UV= forces plain venv + pip).

PYTHON ?= python3
VENV ?= .venv
UV ?= $(shell command -v uv 2>/dev/null)
BIN := $(VENV)/bin
PEERS ?= $(VENV)-peers
ARGS ?=
JOBS ?= 3
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lab setup setup-dev test test-all check format lint types imports licences bench bench-cache docs lock clean

lab: $(VENV)/.lab
	@$(BIN)/perftui lab $(ARGS)

setup: $(VENV)/.lab
setup-dev: $(VENV)/.dev

$(BIN)/python:
ifneq ($(UV),)
	@$(UV) venv --quiet --python $(PYTHON) $(VENV)
else
	@$(PYTHON) -c 'import sys; sys.exit("perftui needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
endif

# Compiled once here, so that the first start is as fast as the second, whatever PYTHONDONTWRITEBYTECODE says.
compiled = env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q perftui
# $(1): lock file
ifneq ($(UV),)
install = $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1) && \
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . && $(compiled)
else
install = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && $(compiled)
endif

$(VENV)/.lab: $(BIN)/python pyproject.toml requirements/lab.lock
	@echo "installing perftui and its lab into $(VENV)" >&2
	@$(call install,requirements/lab.lock)
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml requirements/dev.lock
	@echo "installing perftui, its lab and its tests into $(VENV)" >&2
	@$(call install,requirements/dev.lock)
	@touch $@ $(VENV)/.lab

# Tests wait more than they compute: JOBS of them at a time, each with a lab of its own.
test: $(VENV)/.dev
	$(BIN)/pytest -m "not slow" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-all: $(VENV)/.dev
	$(BIN)/pytest -m "slow" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: format lint types imports licences

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

licences: $(VENV)/.dev
	$(BIN)/python tools/licences.py

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.console $(ARGS)

# Other caches have an environment of their own: they are compared with, never needed.
$(PEERS)/.peers: requirements/cache-peers.txt
ifneq ($(UV),)
	@$(UV) venv --quiet --clear --python $(PYTHON) $(PEERS)
	@$(UV) pip install --quiet --python $(PEERS)/bin/python -r $<
else
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
endif
	@touch $@

bench-cache: $(VENV)/.dev $(PEERS)/.peers
	$(BIN)/python -m benchmarks.cache --peers $(PEERS)/bin/python $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python tools/docs.py

# Pins every dependency with its hashes; needs uv.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" --extra lab --group pyproject.toml:build pyproject.toml -o requirements/lab.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" --extra lab --group pyproject.toml:build --group pyproject.toml:dev pyproject.toml -o requirements/dev.lock

clean:
	rm -rf $(VENV) $(PEERS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
