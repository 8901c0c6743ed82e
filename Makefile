# People, pre-commit and CI run the same targets. `make demo` and `make test` need Python >= 3.11 and a package registry.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
CHECKED := src tests benchmarks examples

.PHONY: demo test lint check bench slow gpu clean help
help:                     ## list the targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*##/\t/' | expand -t 12

$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[fast]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) install --quiet -c constraints.txt -e '.[explain,fast,hub,onnx,parquet,serve,tb]' --group dev
	@touch $@

demo: $(VENV)/.demo       ## install, then run the main job offline on what the package ships
	$(BIN)/alexnet demo

test: lint                ## lint, types and every test that needs no GPU
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.dev        ## ruff and mypy --strict
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy

check: lint test          ## what a push must pass

# Those that want a data set are called by name.
bench: $(VENV)/.dev       ## the measurements of this machine, a file each
	@for script in $(filter-out $(patsubst %,benchmarks/%.py,speedrun tiny200 load_client naive_server reproduce_table),$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

slow: $(VENV)/.dev        ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

gpu: $(VENV)/.dev         ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

clean:                    ## remove what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
