# make demo   generates the toy city and runs the main job on it, from audit to SavedModel
# make lint   runs the linters: ruff, the order of the packages (import-linter), types (mypy)
# make test   runs the tests that are not marked slow;  make test-all  runs all
# make fuzz   makes up ever new recipes, labels, names and damaged files for an hour, or MINUTES=10; one process
# make docs   makes the pages in docs/ and the API reference, into docs/_build/html
# make robustness   writes docs/robustness.md anew, from the tests' markers of what can go wrong
# make bench  measures a training step against its parts, and against PyTorch where PEER names it
# make bench-inference   measures predictions in Keras and in every export format, PEER as above, and hrs predict
# make bench-input ROOT=FOLDER   measures the input pipeline on Cityscapes' files, and PyTorch's where PEER_PYTHON names it
# make bench-scaling   measures a step of the whole method on one device and on two virtual ones
# make serve-check REST=http://HOST:PORT GRPC=HOST:PORT MODEL=NAME [EXPORT=FOLDER]
#             runs the contract tests against a TensorFlow Serving that serves NAME, by default from saved_models/NAME
# Each does all its own set-up on a machine with Python 3.10 or newer and venv.

PYTHON ?= python3
# Processes that run tests side by side; each takes a CPU, and several GiB of memory with the slow tests.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-all fuzz lint docs robustness bench bench-inference bench-input bench-scaling serve-check clean

demo: $(INSTALLED)
	$(BIN)/hrs toy-city
	$(BIN)/python train.py recipes/toy_city.yaml

# Side by side. A worker that crashes ends the run, which would wait for its tests for ever if another took its place.
BESIDE = -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart=0

test: $(INSTALLED)
	$(BIN)/python -m pytest $(BESIDE) -m 'not slow'

test-all: $(INSTALLED)
	$(BIN)/python -m pytest $(BESIDE)

fuzz: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m support.fuzz --minutes $(or $(MINUTES),60)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

robustness: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m support.robustness

bench: $(INSTALLED)
	$(BIN)/python benchmarks/compare.py $(if $(PEER),--peer '$(PEER)')
	$(BIN)/python benchmarks/compare.py --encoder efficientnet_lite --sizes 160x224 --batch 2

bench-inference: $(INSTALLED)
	$(BIN)/python benchmarks/inference.py $(if $(PEER),--peer '$(PEER)')
	$(BIN)/python benchmarks/inference.py --encoder efficientnet_lite --sizes 256x512
	$(BIN)/python benchmarks/predict.py

bench-input: $(INSTALLED)
	$(BIN)/python benchmarks/input_pipeline.py --root '$(ROOT)' $(if $(PEER_PYTHON),--peer '$(PEER_PYTHON)')

bench-scaling: $(INSTALLED)
	$(BIN)/python benchmarks/scaling.py

serve-check: $(INSTALLED)
	HRS_SERVING_REST='$(REST)' HRS_SERVING_GRPC='$(GRPC)' HRS_SERVING_MODEL='$(MODEL)' \
	HRS_SERVING_EXPORT='$(or $(EXPORT),saved_models/$(MODEL))' $(BIN)/python -m pytest tests/serving/test_serving.py

$(INSTALLED): setup.py setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/.docs: $(INSTALLED)
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build docs/_build docs/api/generated *.egg-info
