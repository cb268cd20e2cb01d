# Every target makes the virtual environment it needs; run again, it is quick.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check format bench soak clean

demo: $(VENV)/.cli
	$(BIN)/ncloudchat demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n auto $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/pyright --verifytypes ncloudchat_async --ignoreexternal
	$(BIN)/python -m pytest -q tests/unit/test_imports.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks all --json docs/benchmarks.json $(ARGS); status=$$?; \
	$(BIN)/python -m benchmarks plots && exit $$status

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m soak $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.cli: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[cli]"
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

$(VENV)/.dev: $(VENV)/.cli
	$(BIN)/python -m pip install --quiet --group dev
	touch $@
