# Everything a newcomer runs. Needs a Python from 3.11 to 3.13 and git; `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test verify bench scorecard lint format lock lock-upgrade environments clean

CARDFRAUD := .venv/bin/cardfraud
export PYTHON

# What the user may set, and what it becomes on the command line.
DATA_OPTION := $(if $(DATA),--data '$(DATA)')
KEEP_OPTION := $(if $(KEEP),--keep)
REPLAY_OPTION := $(if $(REPLAY_DAYS),--replay-days '$(REPLAY_DAYS)')
TEST_START ?= 2018-08-08
TEST_DAYS ?= 7
EARLIER_WEEKS ?= $(if $(filter 7,$(TEST_DAYS)),3,0)
SCORECARD_JSON ?= build/scorecard.json

help: ## list the targets
	@echo "cardfraud: make <target> [VARIABLE=value]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv .venv-serving ## raw transactions in, a served decision out; DATA=folder, KEEP=1, REPLAY_DAYS=7
	$(CARDFRAUD) demo $(DATA_OPTION) $(KEEP_OPTION) $(REPLAY_OPTION)

test: .venv .venv-serving $(if $(TESTS),,.venv-deep) ## run the tests against real servers; TESTS=path runs a part of them
	@.venv/bin/python -m cardfraud_pipelines.local
	.venv/bin/python -m pytest $(TESTS)

verify: .venv .venv-serving ## regenerate generated files, check style, types and layers; fails on any drift
	.ci/verify

bench: .venv .venv-serving ## measure the budgets; DATA=folder uses that input
	$(CARDFRAUD) bench $(DATA_OPTION)

scorecard: .venv ## the handbook's protocol on DATA=folder, beside the book's figures; TEST_START, TEST_DAYS, EARLIER_WEEKS
	@test -n '$(DATA)' || { echo "make scorecard needs DATA=<folder in the handbook's schema>" >&2; exit 2; }
	@mkdir -p $(dir $(SCORECARD_JSON))
	$(CARDFRAUD) scorecard --data '$(DATA)' --test-start $(TEST_START) --test-days $(TEST_DAYS) \
	  --earlier-weeks $(EARLIER_WEEKS) \
	  --json $(SCORECARD_JSON)

lint: .venv ## style, types and layers, without regenerating anything
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports

format: .venv ## let ruff format and mend what it can
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

lock: ## bring the locks in step with pyproject.toml, keeping pinned versions where they still fit
	.ci/lock

lock-upgrade: ## the same, with the newest versions that resolve together
	.ci/lock --upgrade

environments: .venv .venv-serving ## set up .venv and .venv-serving (other targets do it by themselves)

clean: ## remove what was built; environments and caches of the user stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find components pipelines inference tests -name __pycache__ -prune -exec rm -rf {} +

# The script decides whether there is anything to do, so these always ask it.
.PHONY: .venv .venv-serving .venv-deep
.venv:
	@.ci/environment development
.venv-serving: .venv
	@.ci/environment serving
# Six gigabytes, for the network's part of the tests; a part of them does without, and says so.
.venv-deep: .venv
	@.ci/environment deep
