# Needs only Python 3.11 with pip and venv; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-browser screenshots programs browser fuzz bench docs release lint format clean

help: ## what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/installed ## play one billing period through: mock, receiver and client over real HTTP
	$(BIN)/tallyhook demo

lint: .venv/installed ## ruff, formatting, mypy --strict, and pyright over what users write
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typed
	$(BIN)/pyright

test: lint programs ## lint, then every test but those in a browser and those of the release
	$(BIN)/pytest --ignore=tests/browser --ignore=tests/release --numprocesses auto --dist loadfile

test-browser: .venv/installed browser ## the console in Debian's Chromium, which is installed if it is missing
	$(BIN)/pytest tests/browser

release: .venv/installed ## build sdist and wheel, try each extra and each Python at hand, and leave both in dist/
	$(BIN)/pytest tests/release --timeout 1800 --numprocesses auto --dist loadfile
	rm -rf dist && $(BIN)/python -m build --outdir dist .

screenshots: .venv/installed browser ## pictures of every page at three widths: build/screenshots, and those of the docs
	TALLYHOOK_SCREENSHOTS=1 $(BIN)/pytest tests/browser/test_screenshots.py

# What the tests drive for real: curl, and a PostgreSQL server of their own.
programs:
	@{ command -v curl && { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; }; } > /dev/null 2>&1 || \
		$(call debian,curl postgresql)

# Chromium, and the letters of the pictures.
browser:
	@dpkg-query --show chromium fonts-inter > /dev/null 2>&1 || $(call debian,chromium fonts-inter)

SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
define debian
{ \
	for tool in apt-get $(SUDO); do command -v $$tool > /dev/null || { \
		echo "this needs $(1): install them with your system's package manager" >&2; exit 1; }; done; \
	$(SUDO) apt-get update --quiet && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
		apt-get install --yes --quiet --no-install-recommends $(1); }
endef

# Each prints a table, and last one line of JSON. docs/performance.md says how to read them.
BENCHMARKS := decode client engine mock world receive review

bench: .venv/installed .venv-rivals/installed $(BENCHMARKS:%=bench-%) ## the project beside what people would use instead, for a quarter of an hour

bench-%: .venv/installed .venv-rivals/installed
	$(BIN)/python -m benchmarks.$*

.venv-rivals/installed:
	$(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/python -m pip install --quiet --disable-pip-version-check localstripe
	@touch $@

fuzz: .venv/installed ## what nobody decent sends, and thousands of billing histories, for some minutes
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest tests/fuzz tests/end_to_end/test_reference.py --timeout 3600
	TALLYHOOK_MODEL=deep $(BIN)/pytest tests/sdk/test_review_model.py --timeout 3600

docs: .venv/installed ## the documentation as a site that opens from a disk: build/site/index.html
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/site

format: .venv/installed ## put imports and layout in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## forget the environment and the caches
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis dist build
