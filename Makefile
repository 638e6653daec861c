# make demo   generates the toy city and runs the main job on it, from audit to SavedModel
# make test   runs the tests;  make lint  runs the linter
# make bench  measures a training step against its parts, and against PyTorch where PEER names it
# Each does all its own set-up on a machine with Python 3.10 or newer and venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint bench clean

demo: $(INSTALLED)
	$(BIN)/hrs toy-city data/toy_city
	$(BIN)/python train.py recipes/toy_city.yaml

test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(INSTALLED)
	$(BIN)/python benchmarks/compare.py $(if $(PEER),--peer '$(PEER)')

$(INSTALLED): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
