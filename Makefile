# The commands of the README. All of them work on a machine with Python 3.11 and pip only.

SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
RUNNABLE := .venv/.runnable
STAMP := .venv/.installed
PIP := $(BIN)/pip --quiet --disable-pip-version-check
# As PIP, for many packages: prints which one is downloaded.
FETCH := PYTHONUNBUFFERED=1 $(BIN)/pip --disable-pip-version-check install --progress-bar off
SHOWN := | sed --unbuffered --quiet '/^ *Downloading/p; s/^Installing collected packages.*/Installing/p'
LOCK := --quiet --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
CORE := $(addprefix tests/ingest/,engine enrichment fold observation past pipeline records request rows sessions sites stats)
BROWSER := $(patsubst %,tests/end_to_end/test_%.py,accessibility browser documented_snippets live_page stats_page trackers)
EXTRAS := --extra kafka --extra plausible --extra telemetry
NEEDLESS := --unsafe-package pandas --unsafe-package pyarrow --unsafe-package numpy

.PHONY: run server test install lint types provide core unit instructions end-to-end browser cluster chaos chaos-short soak chaos-cluster chaos-cluster-short bench bench-durability bench-cluster package lock audit clean

run: server
	@$(BIN)/sluice init
	@echo "Here the command sluice is $(BIN)/sluice."
	@$(BIN)/sluice serve

server: $(RUNNABLE)

install: $(STAMP)

# What running needs, in exactly the versions that were tested, each with its checksum. The embedded store
# names pandas, pyarrow and numpy as requirements, but works without them: 330 MB less.
$(RUNNABLE): pyproject.toml requirements/embedded.txt
	@echo "Installing Sluice with the embedded store into .venv: 730 MB"
	@$(PYTHON) -m venv .venv
	@$(FETCH) --no-deps --require-hashes --requirement requirements/embedded.txt $(SHOWN)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# And what development needs.
$(STAMP): $(RUNNABLE) requirements/development.txt
	@echo "Installing the tools of development into .venv: 700 MB more"
	@$(FETCH) --require-hashes --requirement requirements/development.txt $(SHOWN)
	@$(PIP) check
	@touch $@

# The archives that are published, in dist/. The same commit gives the same bytes.
package: install
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build

# Brings the pinned versions up to date with pyproject.toml. The first lists serve as constraints, where
# pip allows no extras; the last keeps them, since pip takes a pin without the extra for another
# requirement, and refuses the newest version that it then finds.
lock:
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/pip install --quiet pip-tools
	.cache/lock/bin/pip-compile $(LOCK) --allow-unsafe --strip-extras \
		--output-file requirements/runtime.txt pyproject.toml
	.cache/lock/bin/pip-compile $(LOCK) --allow-unsafe --strip-extras $(EXTRAS) \
		--constraint requirements/runtime.txt --output-file requirements/server.txt pyproject.toml
	.cache/lock/bin/pip-compile $(LOCK) --strip-extras $(EXTRAS) --extra embedded \
		--build-deps-for editable $(NEEDLESS) \
		--constraint requirements/server.txt --output-file requirements/embedded.txt pyproject.toml
	.cache/lock/bin/pip-compile $(LOCK) --allow-unsafe --no-strip-extras $(EXTRAS) --extra embedded --extra dev \
		--constraint requirements/embedded.txt --output-file requirements/development.txt pyproject.toml

# Asks PyPI for known vulnerabilities of the pinned versions; fails for those that it is not told of.
audit:
	$(PYTHON) -m venv .cache/audit
	.cache/audit/bin/pip install --quiet pip-audit
	.cache/audit/bin/pip-audit --strict --requirement requirements/development.txt --disable-pip

# Suites that run beside each other print whole lines as they come, each with the name of its suite.
core unit end-to-end browser cluster: export PYTHONUNBUFFERED := 1
REPORTS := .cache/reports
report = --junitxml=$(REPORTS)/$@.xml
lines = 2>&1 | sed --unbuffered 's/^/$@: /'

# End-to-end tests mostly wait for servers, and so all run beside each other.
test: install lint types provide
	$(MAKE) --no-print-directory --jobs=3 end-to-end cluster browser core unit instructions
	$(MAKE) --no-print-directory chaos-short
	$(MAKE) --no-print-directory chaos-cluster-short
	@$(BIN)/python -m tests.not_tested $(addprefix $(REPORTS)/,$(addsuffix .xml,core unit end-to-end browser cluster))

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

# What the tests start beside Sluice.
provide:
	tests/end_to_end/provide_curl
	tests/end_to_end/provide_npm
	tests/end_to_end/provide_chromium
	tests/end_to_end/provide_proxies
	tests/end_to_end/provide_postgres
	tests/cluster/provide_kafka
	benchmarks/provide_valgrind

# The packages that decide, with the coverage of each by its own tests.
core: install
	$(BIN)/pytest $(CORE) --cov --cov-report=term:skip-covered $(report) $(lines)

unit: install provide
	$(BIN)/pytest $(addprefix --ignore=,tests/end_to_end tests/cluster $(CORE)) $(report) $(lines)

end-to-end: install provide
	$(BIN)/pytest tests/end_to_end $(addprefix --ignore=,$(BROWSER)) -k "not cluster" --durations 10 $(report) $(lines)

# What drives a browser.
browser: install provide
	$(BIN)/pytest $(BROWSER) -k "not cluster" --durations 10 $(report) $(lines)

# What needs Kafka's brokers, one set for all of it.
cluster: install provide
	$(BIN)/pytest tests/end_to_end tests/cluster -k cluster --durations 10 $(report) $(lines)

# What an event costs, in instructions of the processor; skipped where there is no valgrind.
instructions: install provide
	$(BIN)/python -m benchmarks.instructions

chaos-short: install
	$(BIN)/python -m tests.chaos --short

# Ten minutes of faults under load, then an audit; a short run is among the tests.
chaos: install
	tests/end_to_end/provide_npm
	$(BIN)/python -m tests.chaos

# Mixed load without faults; what the server takes at the start and at the end, then an audit.
MINUTES ?= 30
soak: install
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES)

# About two minutes of faults of a cluster; skipped where there is no Apache Kafka.
chaos-cluster-short: install
	tests/cluster/provide_kafka
	$(BIN)/python -m tests.chaos.cluster --short

# Ten minutes of faults of a cluster.
chaos-cluster: install
	tests/end_to_end/provide_npm
	tests/cluster/provide_kafka
	$(BIN)/python -m tests.chaos.cluster

# Needs two cores; about ten minutes. Results go to benchmarks/results and docs/throughput.png.
bench: install
	benchmarks/provide_tools
	tests/end_to_end/provide_npm
	$(PIP) install 'httptools>=0.6' 'uvicorn>=0.30' 'matplotlib>=3.9' 'pyperf>=2.8'
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.plot
	$(BIN)/python -m benchmarks.batch
	$(BIN)/python -m benchmarks.memory
	-$(BIN)/python -m benchmarks.hostile
	$(BIN)/python -m benchmarks.stages --fast --quiet

bench-durability: install
	$(BIN)/python -m benchmarks.durability

# Needs Java; about five minutes.
bench-cluster: install
	benchmarks/provide_tools
	tests/end_to_end/provide_npm
	tests/cluster/provide_kafka
	$(BIN)/python -m benchmarks.cluster

clean:
	rm -rf .venv .cache dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
