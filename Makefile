# Thaw: `make train` and `make test` are all that a fresh machine with Python and make needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*## "} {printf "  make %-10s %s\n", $$1, $$2}'
	@echo '  ARGS="unfrozen=11 seed=1" passes overrides on: make train ARGS="unfrozen=11"'

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## make .venv with the exact versions of requirements.lock

.PHONY: train
train: setup ## train the main job: MobileNetV2, the last 2 layers unfrozen
	$(BIN)/python -m src.train backbone=mobilenetv2 unfrozen=2 $(ARGS)

.PHONY: test
test: setup ## run all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

.PHONY: coverage
coverage: setup ## run all tests; less than 90% of the lines of src/ (without demo/) is an error
	rm -rf .thaw/coverage && mkdir -p .thaw/coverage
	THAW_COVERAGE=$(CURDIR)/.thaw/coverage $(MAKE) test ARGS="--durations=30 $(ARGS)"
	$(BIN)/python -m slipcover --merge .thaw/coverage/*.json --out .thaw/coverage.json --skip-covered --fail-under 90

.PHONY: lint
lint: setup ## check style (ruff) and types (mypy --strict)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: docs
docs: setup ## build the documentation's site in .thaw/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: gallery
gallery: setup ## draw docs/trees.jpg, a contact sheet of the generated trees
	$(BIN)/python -m src.gallery --out docs/trees.jpg

.PHONY: bench
bench: setup ## time the reference sweep beside Keras and KerasTuner (half an hour; ARGS=--quick: some minutes)
	$(BIN)/python -m benchmarks.reference $(ARGS)

.PHONY: ui
ui: setup ## MLflow's UI on http://127.0.0.1:5000 over the project's store
	$(BIN)/mlflow ui --host 127.0.0.1 $(ARGS)

.PHONY: server
server: setup ## MLflow's server over PostgreSQL on http://127.0.0.1:5000 (ARGS=--auth: with users and passwords)
	$(BIN)/python -m src.server $(ARGS)

.PHONY: lock
lock: setup ## renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-header --no-annotate --upgrade --output-file requirements.lock
