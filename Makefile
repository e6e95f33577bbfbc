# The one definition of every check. `.ci/run`, the pre-commit hook and people call this.
#
#   make demo       set up, then show the main job on an embedded repository
#   make test       set up, then every check; ends well within 20 minutes on 2 cores
#   make test-full  the same and the long crash, stress and soak runs
#   make bench      the table of docs/benchmarks.md on this machine

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What cannot live in one environment with the rest; docs/adr/0002-dependencies.md says why.
APART := $(VENV)/apart
GROUP := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["apart"])
WORKERS ?= 2
# The scripts of demo/, benchmarks/ and supply/ import what lies beside them.
unexport PYTHONSAFEPATH

.DEFAULT_GOAL := help
.PHONY: help demo test test-full lint types imports docs generated supply sbom audit sshd browser \
  unit full bench wheel clean

help:
	@sed -n '3,6s/^# *//p' $(MAKEFILE_LIST)

# Made anew when what is declared changes; no tool beyond python3 and its venv is needed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "gitsource needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --no-deps \
	  --constraint constraints.txt --target $(APART) \
	  $$($(BIN)/python -c '$(GROUP)')
	touch $@

demo: $(STAMP)
	@$(BIN)/python demo/run.py

test: $(STAMP) lint types imports generated docs supply unit

test-full: test full

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

generated: $(STAMP)
	$(BIN)/python proto/generate.py --check
	$(BIN)/python schemas/generate.py --check

# What an installation consists of, and what is wrong with it; no network is asked (supply/README.md).
supply: sbom audit

sbom: $(STAMP)
	$(BIN)/python supply/sbom.py dist/gitsource.cdx.json

audit: $(STAMP)
	$(BIN)/python supply/audit.py

docs: $(STAMP)
	$(BIN)/pytest tests/docs

# What no package index has. Where it cannot be had that is said, and no error here.
sshd: $(STAMP)
	@cd tests && $(abspath $(BIN))/python -m servers.get_sshd

browser: $(STAMP)
	@cd tests && $(abspath $(BIN))/python -m get_browser

unit: $(STAMP) sshd
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not full" --ignore tests/docs

full: $(STAMP) sshd browser
	$(BIN)/pytest -m "full or browser" --need-browser --timeout 5400

bench: $(STAMP)
	$(BIN)/python benchmarks/table.py

wheel: $(STAMP)
	$(BIN)/python -m build --outdir dist

clean:
	rm -rf $(VENV) dist build .demo benchmarks/.work
