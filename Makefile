# The front door. `make` alone lists the verbs; each of them first makes what it needs.
#
#   PYTHON=python3.13 make setup     with another Python than `python3` (3.11 to 3.13)
#   make test ARGS="-k landing -x"   arguments for pytest, the demo or the benchmarks

ARGS ?=

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-gx test-sam test-engine test-airflow trials lint format bench layers package deploy lock clean

# An environment that is active in the calling shell must not become part of this one.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

# Written last by .ci/setup, so it is there only when the environment is complete.
READY := .venv/.ready

# A Python that is asked for by name replaces an environment that was made with another one.
ifdef PYTHON
export PYTHON
ifneq ($(wildcard $(READY)),)
ASKED := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
FOUND := $(shell sed -n 's/^version[a-z_]* *= *\([0-9]*\.[0-9]*\).*/\1/p' .venv/pyvenv.cfg | head -n 1)
ifneq ($(ASKED),$(FOUND))
.PHONY: $(READY)
endif
endif
endif

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r verb text; do printf '  make %-12s  %s\n' "$$verb" "$$text"; done

setup: $(READY) ## install the locked dependencies into .venv (does nothing when they are there)
	@:

demo: $(READY) ## run the tour: a source, a landing zone and a warehouse on this machine
	@.venv/bin/python -m src.demo $(ARGS)

test: $(READY) ## run the tests and the doctests, on all processors (ARGS="-n 0 -k …" for some of them)
	@.venv/bin/python -m pytest -n auto --dist loadfile $(ARGS)

test-gx: $(READY) ## compare the checks with Great Expectations, in an environment of its own
	@sh .ci/gx
	@.venv-gx/bin/python -m pytest -c tests/oracle/great_expectations/pytest.ini --rootdir . tests/oracle/great_expectations $(ARGS)

test-sam: $(READY) ## run every function by `sam local invoke`, in containers (as root: installs podman)
	@$(MAKE) layers package ARGS=
	@sh .ci/sam
	@SAM=.venv-sam/bin/sam .venv/bin/python -m pytest -c tests/sam/pytest.ini --rootdir . tests/sam $(ARGS)

test-engine: $(READY) ## run the dispatcher's containers on a real engine (as root: installs podman)
	@SLUICE_TEST_ENGINE=1 .venv/bin/python -m pytest -c tests/engine/pytest.ini --rootdir . tests/engine $(ARGS)

test-airflow: $(READY) ## load and run generated DAGs in Airflow 3 and 2, in environments of their own
	@sh .ci/airflow
	@SLUICE_TEST_AIRFLOW=1 .venv/bin/python -m pytest tests/oracle/airflow $(ARGS)

trials: $(READY) ## kill dispatchers at random moments while 5,000 events flow, 37 times (DISPATCH_TRIALS=30)
	@DISPATCH_TRIALS=$${DISPATCH_TRIALS:-30} DISPATCH_EVENTS=$${DISPATCH_EVENTS:-5000} \
	  .venv/bin/python -m pytest -o log_cli=true -o log_cli_level=INFO tests/shared/orchestrator/test_kill.py $(ARGS)

lint: $(READY) ## check style, types, imports between rooms, templates, and security
	@sh .ci/lint

format: $(READY) ## put the code into its standard form
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format --quiet .

bench: $(READY) ## measure, and compare with what was measured before
	@.venv/bin/python -m benchmarks $(ARGS)

layers: $(READY) ## build the Lambda layers from Pipfile.lock, for arm64 and x86_64 (ARGS="--python 3.11": another)
	@.venv/bin/python -m src.packaging layers $(ARGS)

package: $(READY) ## build the functions' zips, and build/manifest.json with what was built
	@.venv/bin/python -m src.packaging package $(ARGS)

deploy: $(READY) ## deploy what was built: make deploy ENV=dev (shows the changes and asks; ARGS=--yes)
	@SLUICE_VERSION="$${SLUICE_VERSION:-$$(git describe --always --dirty 2>/dev/null)}" .venv/bin/python -m src.cli deploy stack $(ENV) $(ARGS)

lock: $(READY) ## resolve Pipfile again and write Pipfile.lock
	@sh .ci/setup lock

clean: ## remove caches, reports and builds (ALL=1: the environments too)
	@rm -rf .coverage .coverage.* coverage.xml htmlcov build dist .hypothesis .import_linter_cache .mypy_cache \
	  .pytest_cache .ruff_cache .schemathesis
	@find . -name '.?*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -n "$(ALL)" ]; then rm -rf .venv .venv-airflow2 .venv-airflow3 .venv-gx .venv-peers .venv-sam .venv-scan .venv-tools; fi

$(READY): Pipfile.lock .ci/setup
	@sh .ci/setup
