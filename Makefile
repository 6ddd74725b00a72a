# Needs only Python 3.11 with pip and venv; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint format clean

help: ## what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/installed ## play one billing period through: mock, receiver and client over real HTTP
	$(BIN)/tallyhook demo

lint: .venv/installed ## ruff, formatting and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## lint, then every test
	$(BIN)/pytest

format: .venv/installed ## put imports and layout in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## forget the environment and the caches
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis dist build
