# All set-up happens here: python3 (3.11 or newer), git and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_WAIT_POLICY := PASSIVE

.PHONY: run test lint format bench screenshots clean

run: $(VENV)/run.stamp  ## start the app in the browser
	$(BIN)/python -m streamlit run app.py

test: $(VENV)/test.stamp  ## all tests; what a machine lacks (a browser, data) is skipped with a reason
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/test.stamp  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/test.stamp  ## let ruff write what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/bench.stamp  ## ratios against the peers and against the bare minimum
	$(BIN)/python -m tests.benchmarks

screenshots: $(VENV)/test.stamp  ## the README's pictures, taken from the running app by its tests
	$(BIN)/python -m pytest tests/browser -k screenshots
	mkdir -p assets/screenshots
	cp build/screenshots/compare-1440-light.png build/screenshots/compare-1440-dark.png assets/screenshots/

clean:  ## remove the virtual environment
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/run.stamp

$(VENV)/bench.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@ $(VENV)/run.stamp
