# Every command of the project; CI calls these and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: quickstart test test-gpu lint bench clean

quickstart: $(STAMP)
	$(BIN)/python tools/quickstart.py $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# What only a GPU can show. The other tests run on the CPU, beside a GPU as well.
test-gpu: $(STAMP)
	LUMINET_DET_TEST_GPU=1 $(BIN)/python -m pytest -m gpu $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(STAMP)
	$(BIN)/python -m benchmarks.step_cost $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis data/digits work_dirs/quickstart*

# The exact versions of constraints.txt; for others: make CONSTRAINTS= VENV=.venv-newest test
CONSTRAINTS ?= -c constraints.txt

$(STAMP): setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "Installing torch, mmdet and the rest into $(VENV): about 5 GB, a few minutes."
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e '.[lite,quickstart,dev]'
	touch $@
