# `make demo` and `make test` need make and Python 3.11, 3.12 or 3.13: what
# else they need is installed into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CPP := $(wildcard estimators/ops/*.cc estimators/ops/*.h)
CHECKED := estimators experiments input_pipelines tests tools setup.py

# Without it TensorFlow reports a missing GPU as an error at every start.
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test test-slow survive sanitize format clean

demo: .venv/installed
	$(BIN)/python -m tools.demo

test: .venv/installed
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/clang-format --style=google --dry-run -Werror $(CPP)
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: .venv/installed
	$(BIN)/python -m pytest -n 2 -m slow

# Takes hours; writes RELIABILITY.md. ARGS=--only=damage for one part.
survive: .venv/installed
	$(BIN)/python -m tools.survive $(ARGS)

# The sanitizers' functions must be there before Python's; libstdc++ is named for
# theirs to find what throws. Python frees nothing at its end: no leaks are told.
sanitize: export ESTIMATORS_OPS_SANITIZE = 1
sanitize: export ESTIMATORS_OPS =
sanitize: export CXX := $(CXX)
sanitize: export ASAN_OPTIONS = detect_leaks=0
sanitize: .venv/installed
	$(BIN)/python -m estimators.ops.build
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) \
	  $$($(CXX) -print-file-name=libstdc++.so)" \
	  $(BIN)/python -m pytest -n 0 tests/estimators/ops \
	  --ignore=tests/estimators/ops/build_test.py

format: .venv/installed
	$(BIN)/ruff format $(CHECKED)
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/clang-format --style=google -i $(CPP)

clean:
	rm -rf .venv .pytest_cache .ruff_cache *.egg-info build \
	  estimators/ops/*.so estimators/ops/.build-*

# TensorFlow 2.21 has no wheels for other Pythons.
.venv/installed: setup.py
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed, and this one is" \
	    "'$(PYTHON)': $$("$(PYTHON)" --version 2>&1); install one," \
	    "or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@
