# The commands of the README. All of them work on a machine with Python 3.11 and pip only.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: run test install lint types unit chaos bench-durability clean

run: install
	$(BIN)/sluice serve

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	touch $@

test: install lint types unit

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

unit: install
	tests/end_to_end/provide_npm
	$(BIN)/pytest --cov --cov-report=term:skip-covered --cov-report=json:.coverage.json
	$(BIN)/python -m tests.core_coverage .coverage.json

# Ten minutes of faults under load, then an audit; a short run is among the tests.
chaos: install
	tests/end_to_end/provide_npm
	$(BIN)/python -m tests.chaos

bench-durability: install
	$(BIN)/python -m benchmarks.durability

clean:
	rm -rf .venv .cache .coverage .coverage.json .mypy_cache .pytest_cache .ruff_cache .hypothesis
