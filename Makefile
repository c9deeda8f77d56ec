# The project's commands. `make` without arguments lists them.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
NEXT := .venv-next
# pip in the environment whose stamp file is being made. A constraints file must follow.
PIP_INSTALL = $(@D)/bin/python -m pip install --quiet --constraint
PYTEST := python -m pytest -n $(WORKERS) --dist worksteal

# Only the installation uses the network. With a short spin, OpenMP's idle threads do not occupy shared cores.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export GOMP_SPINCOUNT := 10000
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
export MLFLOW_DISABLE_TELEMETRY := true

# For `recipes`: folders of rows and models. The two models may be empty if the hub's cache has them.
DATA ?=
E5_SMALL ?=
SMOLLM2 ?=
RECIPES_STORE ?= recipes-store

.DEFAULT_GOAL := help
.PHONY: help .venv quickstart recipes test matrix test-next test-gpu lint format bench-smoke docs wheel clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.venv: $(VENV)/.installed-dev  ## create the development environment, or update it if its pins changed

$(BIN)/python $(NEXT)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "adaptx needs Python 3.11 to 3.13, and $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
	    echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(@:/bin/python=)

$(VENV)/.installed-run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing adaptx and its pinned dependencies into $(VENV) (a minute or two)"
	$(PIP_INSTALL) constraints.txt -e '.[bottleneck]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing adaptx with its test, lint and docs tools into $(VENV) (a minute or two)"
	$(PIP_INSTALL) constraints.txt -e '.[bottleneck,quant,dev,docs]'
	@touch $(VENV)/.installed-run $@

$(NEXT)/.installed-dev: pyproject.toml constraints-next.txt | $(NEXT)/bin/python
	@echo "Installing adaptx with transformers 5 and its test tools into $(NEXT) (a minute or two)"
	$(PIP_INSTALL) constraints-next.txt -e '.[quant,dev]'
	@touch $@

quickstart: $(VENV)/.installed-run  ## run recipes/quickstart.py on the embedded sample, print the table, write report.html
	$(BIN)/adaptx run recipes/quickstart.py --data sample --workers 2
	$(BIN)/adaptx report recipes/quickstart.py --data sample --out quickstart-report
	@echo
	@echo "Report:     quickstart-report/report.html"
	@echo "All runs:   $(BIN)/adaptx ui     (serves the MLflow UI for this store; Ctrl-C ends it)"

recipes: $(VENV)/.installed-run  ## run every research question at medium size and write docs/results (DATA=mirror E5_SMALL=dir SMOLLM2=dir)
	@test -n "$(DATA)" || { echo "name a local mirror of the hub: make recipes DATA=DIR E5_SMALL=DIR SMOLLM2=DIR"; exit 1; }
	$(BIN)/python benchmarks/small_recipes.py --data "$(DATA)" --store "$(RECIPES_STORE)" \
	    --workers $(WORKERS) $(if $(E5_SMALL),--e5-small "$(E5_SMALL)") $(if $(SMOLLM2),--smollm2 "$(SMOLLM2)")

test: $(VENV)/.installed-dev  ## run the test suite (no network, no GPU)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/$(PYTEST) $(PYTEST_ARGS)

test-next: $(NEXT)/.installed-dev  ## run the tests on transformers 5 without adapters, in a separate environment
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(NEXT)/bin/$(PYTEST) $(PYTEST_ARGS)

matrix: $(VENV)/.installed-dev  ## test every combination of architecture, format, method and start (takes minutes)
	ADAPTX_MATRIX=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/$(PYTEST) tests/test_matrix.py tests/test_families_pipeline.py

test-gpu: $(VENV)/.installed-dev  ## run the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev  ## run ruff and pyright (strict), check import layers, build the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_layers.py
	$(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.installed-dev  ## sort imports, apply ruff's fixes, format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-smoke: $(VENV)/.installed-dev  ## run the benchmarks at toy size, to check that they still work
	$(BIN)/python benchmarks/training.py --smoke
	$(BIN)/python benchmarks/fusion.py --smoke
	$(BIN)/python benchmarks/evaluation.py --smoke
	$(BIN)/python benchmarks/search.py --smoke
	$(BIN)/python benchmarks/planning.py --smoke
	$(BIN)/python benchmarks/row_reading.py --smoke
	$(BIN)/python benchmarks/attention.py --smoke
	$(BIN)/python benchmarks/memory.py --smoke
	$(BIN)/python benchmarks/gpu.py --smoke --steps 2
	$(BIN)/python benchmarks/merge.py --smoke
	$(BIN)/python benchmarks/vocabulary_loss.py --smoke
	$(BIN)/python benchmarks/coverage.py --smoke
	$(BIN)/python benchmarks/regressions.py --smoke
	$(BIN)/python benchmarks/budgets.py --smoke
	$(BIN)/python benchmarks/power.py --smoke
	$(BIN)/python benchmarks/coverage_near_edge.py --smoke

docs: $(VENV)/.installed-dev  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

wheel: $(VENV)/.installed-dev  ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean:  ## remove caches and build outputs (keeps the environments and the store)
	rm -rf build dist site quickstart-report .pytest_cache .ruff_cache .hypothesis
	find . \( -path ./$(VENV) -o -path ./$(NEXT) \) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
