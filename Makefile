# Needs Python 3.11 or newer with pip. Everything is installed into .venv and nowhere else.
# Another interpreter: make clean, then make test PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -qq

PAGES := $(addprefix examples/,note.py svm.py softmax.py two_layer_net.py one_image.py)

.DEFAULT_GOAL := help
.NOTPARALLEL:                 # two installs at once would trip over each other in .venv
.PHONY: help demo examples test check pictures bench clean

help:   ## this list
	@sed -n 's/^\([a-z]*\): .*## /make \1	/p' Makefile

demo: .venv/.run   ## a first look: one function as numbers, picture, code and words
	@$(BIN)/chainrule demo

examples: .venv/.examples   ## the note's circuits, and classifiers of handwritten digits
	@for page in $(PAGES); do echo; echo "== $$page"; $(BIN)/python $$page || exit 1; done

test: .venv/.dev   ## every test, on two processes; those of machine code by plain calls too
	$(BIN)/python -m pytest -n 2
	CHAINRULE_CALL=plain $(BIN)/python -m pytest -n 2 tests/api tests/backends \
	    --deselect tests/backends/llvm/test_random.py --deselect tests/backends/llvm/test_guards.py

check: .venv/.dev   ## lint (ruff) and types (mypy, strict)
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src

pictures: .venv/.run   ## the pictures of the documents, drawn anew
	$(BIN)/python scripts/pictures.py

bench: .venv/.bench   ## timings beside other libraries; BENCH="imports --quick" picks
	$(BIN)/python -m bench $(BENCH)

clean:   ## remove .venv, caches and build results
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each set of packages; an install is repeated only when its list changes.

.venv/.created:
	@command -v "$(PYTHON)" > /dev/null || \
	    { echo "$(PYTHON) is not on the path. Choose another: make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	    "chainrule needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	    ". Choose another: make PYTHON=python3.11")'
	@echo "creating .venv"
	@"$(PYTHON)" -m venv .venv
	@touch $@

.venv/.run: .venv/.created pyproject.toml
	@echo "installing chainrule and what it runs on"
	@$(INSTALL) -e .
	@touch $@

.venv/.examples: .venv/.created pyproject.toml
	@echo "installing chainrule and what its examples need"
	@$(INSTALL) -e '.[examples]'
	@touch .venv/.run $@

.venv/.dev: .venv/.created pyproject.toml
	@echo "installing chainrule and what its tests need"
	@$(INSTALL) -e '.[dev]'
	@touch .venv/.run .venv/.examples $@

.venv/.bench: .venv/.run bench/requirements.txt
	@echo "installing the libraries to compare with"
	@$(INSTALL) -r bench/requirements.txt
	@$(INSTALL) --no-deps pytensor
	@touch $@
