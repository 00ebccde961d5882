# make run      serve on http://127.0.0.1:8000 (HOST, PORT, FUSION_URL and all of docs/configuration.md)
# make test     everything that CI runs; make check is the same without the browser
# make fmt      format and mend what can be mended; make lock renews the pinned requirements; make clean starts over

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check verify environment fmt lock clean

export PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= auto

# Settings of an installation in public, for the checks that ask for one.
PRODUCTION := FUSION_ENV_FILE=/dev/null FUSION_DATA_DIR=.venv/check-data FUSION_URL=https://fusion.example.com FUSION_TRUSTED_PROXIES=1

help:
	@sed -n 's/^# make /  make /p' Makefile

run:
	@scripts/environment.sh runtime
	@exec $(BIN)/python manage.py serve

test:
	@scripts/environment.sh dev
	@scripts/environment.sh chromium
	@$(MAKE) --no-print-directory verify
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check:
	@scripts/environment.sh dev
	@$(MAKE) --no-print-directory verify
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not browser"

verify:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

fmt:
	@scripts/environment.sh dev
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

lock:
	@scripts/environment.sh dev
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

# The data under var/ stays: it is yours.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
