# Each target works alone, as the first command on a fresh clone with Python >= 3.11.
#   make demo    the whole job on the embedded data
#   make test    the tests (ARGS="-k warp" is handed to pytest)
#   make lint    format, lint, types, layers
#   make docs    the documentation, docs/_build/html/index.html

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint docs format clean

help:
	@sed -n 's/^#   //p' Makefile

demo: .venv/.installed-demo
	$(BIN)/autoreg demo

# Compiled programs are kept between runs: compiling is most of what the tests cost.
test test-slow: export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax

test: .venv/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

test-slow: .venv/.installed-test
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: .venv/.installed-lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache

docs: .venv/.installed-docs
	$(BIN)/python -m sphinx -q -W --keep-going -j auto docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

format: .venv/.installed-lint
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv .cache docs/_build

# One stamp an extra, so that a second call installs nothing.
.venv/.installed-demo: EXTRAS := demo,report
.venv/.installed-test: EXTRAS := test
.venv/.installed-lint: EXTRAS := lint
.venv/.installed-docs: EXTRAS := docs
# The extra `lint` contains the extra `test`.
.venv/.installed-lint: ALSO := .venv/.installed-test

.venv/.installed-%: .venv/.created pyproject.toml
	@echo "Installing autoreg_jax[$(EXTRAS)] into .venv (once; a few minutes) ..."
	$(PIP) --editable ".[$(EXTRAS)]"
	@touch $@ $(ALSO)

.venv/.created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "'$(PYTHON)' was not found. Install Python 3.11 or newer, or name one:" \
	       "make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	       "Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot create environments; on Debian and Ubuntu:" \
	       "sudo apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@touch $@
