# All set-up happens here: python3 (3.11 or newer), git and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_WAIT_POLICY := PASSIVE

.PHONY: run test lint format bench soak load fuzz screenshots locked lock licences audit clean

PORT ?= 8501
run: $(VENV)/run.stamp  ## start the app in the browser, at PORT
	@echo "Expectancy Explorer opens in the browser: http://localhost:$(PORT) (Ctrl+C ends it)"
	$(BIN)/python -m streamlit run app.py --server.port $(PORT)

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

ACTIONS ?= 2000
soak: $(VENV)/test.stamp  ## random actions on every page, also without waiting, and every hostile file through the app's upload
	EXPECTANCY_ACTIONS=$(ACTIONS) EXPECTANCY_HOSTILE=all $(BIN)/python -m pytest -rA tests/load/test_monkey.py \
		tests/load/test_hasty.py tests/hostile

BROWSERS ?= 10
MINUTES ?= 10
CACHE ?=
load: $(VENV)/test.stamp  ## so many browsers for so many minutes: errors, p95, the server's memory and cache (of CACHE MB)
	EXPECTANCY_CACHE=$(CACHE) $(BIN)/python -m tests.load --browsers $(BROWSERS) --minutes $(MINUTES)

SECONDS ?= 60
fuzz: $(VENV)/fuzz.stamp  ## coverage-guided fuzzing of every reader of files, so many seconds each
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

screenshots: $(VENV)/test.stamp  ## the README's pictures and its tour, taken from the running app
	$(BIN)/python -m tests.browser.tour assets/screenshots

locked: | $(BIN)/python  ## install exactly what the image has, checked by hashes
	$(BIN)/python -m pip install --no-cache-dir --require-hashes --only-binary :all: --requirement .ci/requirements.lock

lock: $(VENV)/release.stamp  ## find the newest dependencies that fit together, for every system, and lock them
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
		--quiet --custom-compile-command "make lock" --output-file .ci/requirements.lock

licences: $(VENV)/run.stamp  ## the licences of what is locked; fails where one is not free, but for NVIDIA's, which are told
	$(BIN)/python .ci/licences.py

audit: $(VENV)/release.stamp  ## known faults of the locked dependencies; says so where no service can be asked
	$(BIN)/python .ci/audit.py

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

$(VENV)/fuzz.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test,fuzz]'
	touch $@ $(VENV)/run.stamp

$(VENV)/release.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[release]'
	touch $@ $(VENV)/run.stamp

$(VENV)/bench.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@ $(VENV)/run.stamp
