# Every target works alone on a fresh machine with Python >= 3.11: it makes a virtual environment and installs
# into it, at the versions of the constraints file, what the target needs and no more.

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
WORKERS ?= 2
PY := $(VENV)/bin/python

# make demo DATA=table.csv[.gz] TARGET=column TASK=regression|classification
DATA ?=
TARGET ?=
TASK ?=

# Many small tensors gain nothing from threads, and the workers share the cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help demo test test-oldest check format docs bench-search bench-exhaustive bench-operators bench-training bench-defaults bench-convolution bench-ground-truth bench-high-dimension bench-recovery bench-images bench-accuracy bench-equal-parameters bench-selection clean

help:
	@echo "make demo [DATA=table.csv[.gz] TARGET=column]  search a formula, train its network, draw demo.png"
	@echo "make test                                      run the tests and the examples in the docstrings"
	@echo "make test-oldest                               the same with the oldest supported versions; Python 3.11 or 3.12"
	@echo "make check                                     format, lint, types, import floors, docstrings"
	@echo "make docs                                      build the documentation into docs/_build/html"
	@echo "make bench-search | bench-operators            measure the search (benchmarks/README.md)"
	@echo "make bench-exhaustive [DATA_DIR=folder]        fit every set of powers (benchmarks/README.md)"
	@echo "make bench-training                            measure the training (benchmarks/README.md)"
	@echo "make bench-defaults                            measure fit and predict with default settings (benchmarks/README.md)"
	@echo "make bench-convolution                         measure the convolutions (benchmarks/README.md)"
	@echo "make bench-ground-truth                        recover formulas that are written down (benchmarks/README.md)"
	@echo "make bench-high-dimension                      search among up to 500 features (benchmarks/README.md)"
	@echo "make bench-recovery DATA_DIR=folder            recover known formulas (benchmarks/README.md)"
	@echo "make bench-images [DATA_DIR=folder]            compare kernels on images (benchmarks/README.md)"
	@echo "make bench-accuracy DATA_DIR=folder            compare with other models (benchmarks/accuracy/README.md)"
	@echo "make bench-equal-parameters DATA_DIR=folder    compare neurons (benchmarks/accuracy/README.md)"
	@echo "make bench-selection DATA_DIR=folder           compare how searches select (benchmarks/accuracy/README.md)"

demo: $(VENV)/.installed-examples
	$(PY) examples/demo.py $(if $(DATA),--data '$(DATA)') $(if $(TARGET),--target '$(TARGET)') $(if $(TASK),--task '$(TASK)')

test: $(VENV)/.installed-test
	$(ONE_THREAD) $(PY) -m pytest -n $(WORKERS) --dist worksteal

test-oldest:
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt

check: $(VENV)/.installed-check
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest -q tests/test_docstrings.py

format: $(VENV)/.installed-check
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

docs: $(VENV)/.installed-docs
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

bench-search: $(VENV)/.installed-bench
	$(PY) -m benchmarks.speed.search

bench-exhaustive: $(VENV)/.installed-bench
	$(PY) -m benchmarks.speed.exhaustive $(if $(DATA_DIR),--data-dir '$(DATA_DIR)')

bench-operators: $(VENV)/.installed-bench
	$(PY) -m benchmarks.speed.operators

bench-training: $(VENV)/.installed-bench
	$(PY) -m benchmarks.speed.training

bench-defaults: $(VENV)/.installed-bench
	$(PY) -m benchmarks.speed.defaults

bench-convolution: $(VENV)/.installed-bench
	$(PY) -m benchmarks.speed.convolution

bench-ground-truth: $(VENV)/.installed-bench
	$(PY) -m benchmarks.accuracy.ground_truth

bench-high-dimension: $(VENV)/.installed-bench
	$(PY) -m benchmarks.paper.high_dimension

bench-recovery: $(VENV)/.installed-bench
	$(PY) -m benchmarks.paper.recovery --data-dir '$(DATA_DIR)'

bench-images: $(VENV)/.installed-bench
	$(PY) -m benchmarks.paper.images --out benchmarks/results/images.jsonl $(if $(DATA_DIR),--data-dir '$(DATA_DIR)',--sets digits)

bench-accuracy: $(VENV)/.installed-bench
	$(PY) -m benchmarks.accuracy --data-dir '$(DATA_DIR)' --out benchmarks/results/accuracy.jsonl

bench-selection: $(VENV)/.installed-bench
	$(PY) -m benchmarks.accuracy.selection --data-dir '$(DATA_DIR)'

bench-equal-parameters: $(VENV)/.installed-bench
	$(PY) -m benchmarks.accuracy.equal_parameters --data-dir '$(DATA_DIR)' --out benchmarks/results/equal_parameters.jsonl

clean:
	rm -rf .venv .venv-oldest .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis demo.png
	rm -rf docs/_build docs/gallery docs/api/generated docs/sg_execution_times.rst

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Python >= 3.11 is needed and %s is %d.%d: say make PYTHON=..." % (sys.executable, *v[:2]))'
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# The stamp of an extra of pyproject.toml.
$(VENV)/.installed-%: pyproject.toml $(CONSTRAINTS) | $(VENV)/.created
	@echo "Installing into $(VENV) the extra '$*', PyTorch included; this takes a minute or two."
	@$(PY) -m pip install -qq --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[$*]'
	@touch $@
