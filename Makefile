# `make demo` and `make test` on a fresh clone need Python 3.11 or newer, make and access to a
# package index; everything else is installed into .venv, from pinned and hashed requirements.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Two targets must not install into one environment at the same time.
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PYTEST_ARGS ?=
COVERAGE := --cov --cov-report=term:skip-covered
# What stands in one file stays in one worker, so that no server is started twice.
WORKERS ?= 2
# One Airflow at a time: two, with the load of several services, are too much for two cores.
REAL_AIRFLOW := tests/demo tests/e2e tests/faults tests/ui_e2e

# The interpreter that makes the environment: `python3` if it is new enough, else a newer one.
# Only looked for when the environment is made.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$name" -c 'import sys, ensurepip; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$name" && break; done)

.PHONY: help demo test lint bench soak cluster requirements clean

help: ## say what can be made (default)
	@echo "make <target> [ARGS=...]"
	@grep -E '^[a-z]+: .*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+): .*## /\1|/' \
		| while IFS='|' read -r name text; do printf '  %-13s %s\n' "$$name" "$$text"; done

demo: $(VENV)/demo.installed ## release four versions on this machine; ARGS="--exit --report demo.json"
	@$(BIN)/airflow-rollout demo $(ARGS)

test: $(VENV)/test.installed ## check style, types, layers and behaviour; PYTEST_ARGS="tests/spec -x"
	@echo "== style"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@echo "== layers"
	@$(BIN)/lint-imports --no-logo
	@echo "== types"
	@$(BIN)/mypy
	@echo "== behaviour"
ifeq ($(strip $(PYTEST_ARGS)),)
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not e2e" $(COVERAGE)
	@for part in $(REAL_AIRFLOW); do echo "== $$part on a real Airflow"; \
		$(BIN)/pytest -m e2e $$part; done
	@echo "== tests/cluster on a real Kubernetes (its programs are built once: six minutes)"
	@$(BIN)/pytest -m cluster tests/cluster
else
	@$(BIN)/pytest $(COVERAGE) $(PYTEST_ARGS)
endif

lint: $(VENV)/test.installed ## check style, types and layers only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

bench: $(VENV)/test.installed ## measure what the README promises; ARGS is passed on
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/test.installed ## random faults on real releases; ARGS="--schedules 500 --seed 1 --minutes 60", "--cluster ..." on a node
	@$(BIN)/python $(if $(filter --cluster,$(ARGS)),tests/cluster/node_soak.py,tests/faults/soak.py) $(filter-out --cluster,$(ARGS))

cluster: $(VENV)/test.installed ## release on a real Kubernetes on this machine; needs root, Go, containerd
	@tests/cluster/node/build >/dev/null
	@ROLLOUT_REQUIRE_REAL=1 $(BIN)/pytest -m cluster tests/cluster $(PYTEST_ARGS)

requirements: ## pin and hash anew what demo and tests install
	@$(MAKE) --no-print-directory $(VENV)/created
	@test -x $(BIN)/uv || $(BIN)/pip install --quiet uv
	@./requirements/compile $(BIN)/uv $(ARGS)

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist .coverage .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis *.egg-info
	find airflow_rollout tests dags benchmarks examples -name __pycache__ -type d -prune \
		-exec rm -rf {} + 2>/dev/null || true

$(VENV)/created:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer with venv and pip is needed; python3 here: $$(python3 --version 2>&1 || true)." >&2; \
		echo "Install it (on Debian also python3-venv) or name one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; $(PYTHON) is " + sys.version.split()[0])'
	@echo "Making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/demo.installed: requirements/demo.txt pyproject.toml | $(VENV)/created
	@./requirements/install $(BIN)/python requirements/demo.txt
	@touch $@

# The tests' packages include the demo's.
$(VENV)/test.installed: requirements/test.txt requirements/demo.txt pyproject.toml | $(VENV)/created
	@./requirements/install $(BIN)/python requirements/test.txt
	@touch $(VENV)/demo.installed $@
