# Everything a newcomer needs: `make demo` and `make test` set themselves up.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test test-gpu lint wheel clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("dovetail needs Python 3.11 or newer: make PYTHON=python3.11 setup" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/dovetail demo

test: setup lint
	$(BIN)/python -m pytest

test-gpu: setup  # on a machine with a GPU: every part there against itself on the CPU
	DOVETAIL_TEST_GPU=1 $(BIN)/python -m pytest --numprocesses=4 tests/contracts/test_gpu.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
