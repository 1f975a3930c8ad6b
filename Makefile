# Two commands do everything on a machine with Python 3.11 and make:
#   make demo   plays the bundled calls and writes demo-out/report.html
#   make test   style, types and tests
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lint types bench eval clean

demo: $(READY)
	$(BIN)/vigie demo --out demo-out

# A worker that had to be ended is replaced twice: a test that hangs each time must not hold the run for an hour.
test: check
	$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 2

check: lint types

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python tests/bench/bench_listen.py

eval: $(READY)
	$(BIN)/vigie eval

# silero-vad carries the voice-activity model that hears telephone speech. Its package asks for torch, which nothing
# here needs: it is installed without its dependencies, and only its model file is read.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps silero-vad
	touch $(READY)

clean:
	rm -rf $(VENV) demo-out build dist *.egg-info
