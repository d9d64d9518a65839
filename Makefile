# make run        build a virtual environment, start the demo, serve until Ctrl-C (ARGS=--once: call and exit)
# make test       everything CI checks
# make soak       every fault shape, a live outage, kill -9 at 200 moments, crowds, half an hour of mixed load, and
#                 every outage drill with nine seeds (some 70 minutes)
# make drills     the outage drills alone: each way to fail for 4 virtual hours, each provider in turn, SEEDS=1 times
#                 (some 8 minutes)
# make bench      the budgets, beside nginx and HAProxy (needs gcc; installs the two where it is root)
# make format     format the sources
# make lock       pin the newest allowed versions of all dependencies, with hashes

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
SEEDS ?= 1

# each provider in turn, so many times, every time with another seed
DRILLS = seed=0; for turn in $$(seq $(1)); do for provider in openai anthropic google; do seed=$$((seed + 1)); \
	  $(BIN)/headgate drill outage --provider $$provider --mode all --rate 0.5 --seed $$seed $(ARGS) || failed=1; \
	done; done

.PHONY: run test soak drills bench format lock clean

run: .venv/installed
	@exec $(BIN)/headgate demo $(ARGS)

test: .venv/tested-with
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

# everything runs, whatever came before it found
soak: .venv/tested-with
	@failed=0; $(BIN)/headgate drill fault all || failed=1; \
	$(BIN)/headgate drill outage --provider openai --live --workers 2 || failed=1; \
	$(BIN)/python -m pytest tests/soak || failed=1; \
	$(call DRILLS,3); exit $$failed

drills: .venv/tested-with
	@failed=0; $(call DRILLS,$(SEEDS)); exit $$failed

bench: .venv/tested-with
	$(BIN)/python -m benchmarks.gateway $(ARGS)

format: .venv/tested-with
	$(BIN)/ruff check --fix src tests benchmarks scripts
	$(BIN)/ruff format src tests benchmarks scripts

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Headgate needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "python3 -m venv is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'

# versions and hashes are pinned: an install brings what was tested, or fails
.venv/installed: .venv/bin/pip pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

.venv/tested-with: .venv/installed
	$(BIN)/pip install --quiet --group test
	@touch $@

lock: .venv/bin/pip
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-options --no-header --strip-extras \
	  --allow-unsafe --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .headgate
