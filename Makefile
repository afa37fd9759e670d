# `make demo` and `make test` need Python 3.11, 3.12 or 3.13 and nothing else.
# Each makes .venv from requirements.txt first if it is absent or out of date.

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
DEMO := runs/demo
# A portrait in the public domain, by the US Navy, that Matplotlib brings with it.
PHOTO = $(shell $(BIN)/python -c "import matplotlib.cbook as c; \
  print(c.get_sample_data('grace_hopper.jpg', asfileobj=False))")
# Test files side by side.
JOBS := 2
# The first of these on the machine that TensorFlow has wheels for.
PYTHONS := python3 python3.13 python3.12 python3.11
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# Where tests look for data sets; those that find none are skipped.
export TFPOSE_DATA ?= $(abspath ../shared/data)
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help venv demo test lint format build-files bazel-test
help:
	@echo "make demo        pretrain, fine-tune, export and look at the pictures, on any CPU"
	@echo "make test        run the tests"
	@echo "make lint        ruff, mypy, and whether BUILD files are what imports say"
	@echo "make format      format the code and write the BUILD files"
	@echo "make bazel-test  run the tests under Bazel"
	@echo "make venv        only make .venv"

venv: $(READY)

$(READY): requirements.txt requirements-no-deps.txt
	@python=$(PYTHON); \
	for candidate in $(PYTHONS); do \
	  [ -z "$$python" ] && "$$candidate" -c '$(SUPPORTED)' 2>/dev/null \
	    && python=$$candidate; \
	done; \
	[ -n "$$python" ] && "$$python" -c '$(SUPPORTED)' || { \
	  echo "error: Python 3.11, 3.12 or 3.13 is needed; found" \
	    "$$("$${python:-python3}" --version 2>/dev/null || echo none)." \
	    "Name one with: make PYTHON=/path/to/python3.12" >&2; exit 2; }; \
	echo "Making $(VENV) with $$("$$python" --version): a minute or two."; \
	"$$python" -m venv $(VENV) || { \
	  echo "error: $$python cannot make a virtual environment;" \
	    "on Debian: apt-get install python3-venv" >&2; exit 2; }; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  -r requirements-no-deps.txt
	@touch $@

demo: $(READY)
	$(BIN)/python -m trainers.hsjp_pretrain --preset=demo \
	  --data_dir=$(DEMO)/mannequin --workdir=$(DEMO)/pretrain
	$(BIN)/python -m trainers.top_down --preset=demo \
	  --data_dir=$(DEMO)/mannequin --workdir=$(DEMO)/top_down \
	  --init_from=$(DEMO)/pretrain/model.keras
	rm -rf $(DEMO)/predictions $(DEMO)/photo
	$(BIN)/python -m tfpose predict --model=$(DEMO)/top_down/model.keras \
	  --out=$(DEMO)/predictions \
	  $$(ls $(DEMO)/mannequin/images/val*.jpg | head -n 8)
	$(BIN)/python -m tfpose predict --model=tfpose_person "$(PHOTO)" \
	  --out=$(DEMO)/photo
	$(BIN)/python -m export.litert --model=$(DEMO)/top_down/model.keras \
	  --quantize=int8 --data_dir=$(DEMO)/mannequin --limit=200 \
	  --out=$(DEMO)/exported
	$(BIN)/python -m tfpose page --out=$(DEMO)/index.html \
	  $(DEMO)/pretrain $(DEMO)/top_down $(DEMO)/predictions $(DEMO)/photo \
	  $(DEMO)/exported

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder \
	  $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.build_files --check
	$(BIN)/mypy

format: $(READY) build-files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build-files: $(READY)
	$(BIN)/python -m tools.build_files

bazel-test: $(READY)
	PATH="$(BIN):$$PATH" bazel test //tests/...
