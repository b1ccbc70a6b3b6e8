# make train, make test, make lint: each sets up what it needs at its first use.

VENV := .venv
BIN := $(VENV)/bin
# The first Python of the tested versions that is installed and runs.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)

.PHONY: setup train test lint format clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.txt setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11 to 3.13. Received: none; set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

train: setup
	$(BIN)/python scripts/train_bicyclegan.py

test: setup
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache *.egg-info
