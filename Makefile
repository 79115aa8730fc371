# Two commands: `make demo` shows it, `make test` checks it. Both need Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Processes that run tests. A third of all tests' time is waiting: three keep two cores busy.
WORKERS ?= 3
STAMP  := $(VENV)/.installed
# Where this is set, each of the hundreds of processes that tests start compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types unit pythons kernels boundscheck docs fuzz model release clean

demo: $(STAMP)
	$(BIN)/spikewire demo

# What one process does alone goes together first: mypy takes 40 s on a fresh clone, the kernels 30.
test: $(STAMP)
	$(MAKE) --no-print-directory --jobs 3 --output-sync=target lint types kernels
	$(MAKE) --no-print-directory unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

# Hypothesis draws the same examples in every run of one version. Plain pytest draws others.
unit: $(STAMP)
	tests/system-packages.sh
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder --hypothesis-profile ci

# The unit tests on Python 3.12 and 3.13, on those of them that the machine has: some minutes each.
pythons: $(STAMP)
	$(BIN)/python -m tools.pythons

# Compiled once here, not by every process that runs tests.
kernels: $(STAMP)
	$(BIN)/python -c 'from tests.support.preloaded import load; load()'

boundscheck: $(STAMP)
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/boundscheck-cache $(BIN)/pytest tests/unit/qcore tests/unit/sensors

# The reference of the Python API, from the docstrings. A warning is an error.
SITE := build/docs
docs: $(STAMP)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -W error -m pdoc --docformat numpy --no-include-undocumented -o $(SITE) \
		spikewire spikewire.errors spikewire.qcore spikewire.runtime spikewire.sensors

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "spikewire needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python tools/install.py -c constraints.txt -e '.[dev]'
	touch $@

fuzz: $(STAMP)
	$(BIN)/python -m tests.robustness.fuzz --count 100000

# The network in qcore/models, from nothing but the simulated camera. PyTorch builds it; it runs
# without. Layers and readout learn from 128 people. Then the class other_gestures alone learns from
# 64 others, and from scenes without a gesture. The test trials are people that it has not seen, as
# recorded and distorted.
SIMULATED := $(VENV)/simulated
TRAINED   := $(VENV)/gestures.model
PEOPLE    := --lights natural --for 1.5s --varied
model: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[twin]'
	rm -rf $(SIMULATED) $(SIMULATED)-others $(SIMULATED)-margin $(TRAINED)* $(VENV)/gestures-ten.model*
	$(BIN)/spikewire simulate --out $(SIMULATED) --subjects 158 --train 128 $(PEOPLE) --seed 401
	$(BIN)/spikewire train $(SIMULATED) --trials train --model edge10 --through-time --layer-passes 28 \
		--distort sensor --passes 6 --no-validate --out $(VENV)/gestures-ten.model
	$(BIN)/spikewire simulate --out $(SIMULATED)-others --subjects 65 --train 64 $(PEOPLE) --seed 403 --non-gestures 6
	$(BIN)/spikewire train $(SIMULATED)-others --trials train --model $(VENV)/gestures-ten.model --only other_gestures \
		--distort sensor --passes 5 --no-validate --out $(TRAINED)
	$(BIN)/spikewire simulate --out $(SIMULATED)-margin --subjects 18 --train 2 $(PEOPLE) --seed 101 --non-gestures 6
	$(BIN)/spikewire evaluate $(TRAINED) $(SIMULATED)-margin --part all --count-on 0 --calibrate qcore/models/gestures.model
	$(BIN)/spikewire evaluate gestures $(SIMULATED) --trials test --count-on 0
	$(BIN)/spikewire evaluate gestures $(SIMULATED) --trials test --count-on 0 --distort sensor --no-baseline

# The checklist before a version is published; RELEASE=--allow-unreleased rehearses it.
release: $(STAMP)
	$(BIN)/python -m tools.release $(RELEASE)

clean:
	rm -rf $(VENV)
