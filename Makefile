# Every target makes what it needs in .venv; on a machine with only python3 nothing else has to be installed first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
OUT ?= reports
JOURNEY ?= data/sample/journey.yml
SEEDS ?= 20
FUZZ ?= 5000
# One more than there are processors, for now and then a test waits for a process or a browser that it has started.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

# A comma in an argument of call would end it, hence the names.
EXTRAS_TEST := [test,lab]
EXTRAS_BENCH := [test,bench]
EXTRAS_ENGINES := [test,engines]

# uv where it is there, else pip; versions come from requirements.lock either way. Both compile what they install; our own modules are compiled
# beside it, so that no process has to, also where PYTHONDONTWRITEBYTECODE is set.
define install
	@test -x $(BIN)/python || (command -v uv >/dev/null && uv venv --quiet --python '>=3.11' .venv) || $(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.$(1)' --constraints requirements.lock; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(1)' --constraint requirements.lock; fi
	@$(BIN)/python -m compileall -q cjlib
	@touch $@
endef

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/report: pyproject.toml requirements.lock
	$(call install,)
.venv/test: pyproject.toml requirements.lock
	$(call install,$(EXTRAS_TEST))
.venv/engines: pyproject.toml requirements.lock
	$(call install,$(EXTRAS_ENGINES))
.venv/bench: pyproject.toml requirements.lock
	$(call install,$(EXTRAS_BENCH))
.venv/docs: pyproject.toml requirements.lock
	$(call install,[docs])
.venv/lab: pyproject.toml requirements.lock
	$(call install,[lab])

report: .venv/report ## run the notebooks on the sample business (or JOURNEY=file) and write HTML to reports/
	@$(BIN)/cj run --journey $(JOURNEY) --out $(OUT)

lab: .venv/lab ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

test: .venv/test ## prove that the numbers are right
	@bash scripts/browser.sh
	@bash scripts/postgres.sh
	@$(BIN)/python -m compileall -q cjlib
	@OMP_NUM_THREADS=1 CJ_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-engines: .venv/engines ## ask everything of PostgreSQL, ClickHouse and Spark too (installs them: 1.4 GB, some minutes)
	@bash scripts/postgres.sh
	@bash scripts/java.sh
	@OMP_NUM_THREADS=1 CJ_TEST_ENGINES=all $(BIN)/python -m pytest -n auto --dist loadfile tests/engines

test-other-system: .venv/test ## run all tests as on Windows, simulated: what it lacks is taken away (takes long)
	@bash tests/other_system/run.sh

nulls: .venv/test ## count how often sentences are wrong where nothing happens, and write docs/how_often_wrong.md (takes an hour)
	@OMP_NUM_THREADS=1 $(BIN)/python tests/null/harness.py --seeds $(SEEDS)

fuzz: .venv/test ## make up files until one loses a row (takes long)
	@OMP_NUM_THREADS=1 CJ_FUZZ_EXAMPLES=$(FUZZ) $(BIN)/python -m pytest -q --timeout=0 tests/sources/test_no_row_is_lost.py

check: .venv/test ## lint, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: .venv/docs ## build the documentation into build/docs/, links checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

notebooks: .venv/test ## run the notebooks and store their numbers, without figures
	@CJLIB_MODE=report $(BIN)/python scripts/store_outputs.py

sample: .venv/report ## make data/sample again, byte for byte
	$(BIN)/cj sample --out data/sample --seed 0

bench: .venv/bench ## time the analyses beside other tools (installs them; takes long)
	$(BIN)/python -m tests.benchmarks

lock: ## pin the newest versions that fit together
	uv pip compile pyproject.toml --extra lab --extra test --extra engines --extra bench --extra docs --extra poster --universal --python-version 3.11 \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

clean: ## remove the environment, caches and reports
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find reports -mindepth 1 ! -name .gitkeep -delete

.PHONY: help report lab test test-engines test-other-system nulls fuzz check docs notebooks sample bench lock clean
