# Everything a newcomer needs. Each target makes .venv by itself and is quick the second time.

.DEFAULT_GOAL := help
.PHONY: help env run test check fmt lint bench chaos crashes orders simulate
MAKEFLAGS += --no-print-directory
IN := .venv/bin

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: ## make .venv as requirements.lock says
	@deploy/local/environment.sh

run: env ## start everything until Ctrl-C, pages shown; s=alerts: one more of a service beside it; ARGS=--fresh: forget the data
ifdef s
	@eval "$$($(IN)/tidegauge env)" && exec $(IN)/python -m services.$(s)
else
	@exec $(IN)/tidegauge up $(ARGS)
endif

test: lint ## everything that CI runs, against real servers
	@$(IN)/python -m deploy.local.servers.jars
ifdef ARGS
	@$(IN)/pytest -n 3 $(ARGS)
else
	@$(IN)/pytest -n 3 --cov --cov-report=
	@$(IN)/coverage report
	@$(IN)/coverage report --include='services/*/domain/*,services/*/*/domain/*,shared/model/*' --fail-under=98
endif

check: lint ## format, lint, types, imports, house and unit tests: under a minute
	@$(IN)/pytest -q tests/house tests/unit tests/properties

lint: env
	@$(IN)/ruff format --check --quiet .
	@$(IN)/ruff check --quiet .
	@$(IN)/mypy --no-error-summary
	@$(IN)/deptry --no-ansi -ee 'bench/' . 2> .venv/declared.log || { cat .venv/declared.log; exit 1; }
	@$(IN)/deptry --no-ansi --exclude none --ignore DEP002,DEP004 bench tests 2> .venv/declared.log || { cat .venv/declared.log; exit 1; }
	@$(IN)/lint-imports > .venv/imports.log || { cat .venv/imports.log; exit 1; }

fmt: env ## format, and repair what can be repaired without thought
	@$(IN)/ruff check --quiet --fix .
	@$(IN)/ruff format --quiet .

bench: env ## measure: one JSON line a figure; FIGURE=gateway_100 for one; BASE=commit: against that commit, in turn
	@$(IN)/python -m deploy.local.servers.jars
	@$(IN)/python -m bench $(if $(BASE),compare $(BASE)) $(FIGURE) $(ARGS)

chaos: env ## thirty runs of two minutes, three at a time, in which anything may be killed or frozen; TIDEGAUGE_SEED=7 for one of them
	@$(IN)/python -m deploy.local.servers.jars
	@TIDEGAUGE_CHAOS_RUNS=30 $(IN)/pytest -n 3 -p no:randomly tests/chaos $(ARGS)

crashes: env ## end and freeze a worker at every named point of fold and commit, at its 1st, 2nd and 10th passage
	@$(IN)/python -m deploy.local.servers.jars
	@TIDEGAUGE_CRASHES=all $(IN)/pytest -n 3 tests/contract/test_failpoints.py $(ARGS)

orders: env ## 200,000 points in 100 orders and batchings: the same rows to the last byte
	@TIDEGAUGE_ORDERS=100 $(IN)/pytest -n 2 tests/properties/test_order.py $(ARGS)

simulate: env ## the pump and the aggregator in 20,000 worlds that go wrong by seed; ARGS="--seed 17" for one
	@$(IN)/python -m tests.simulation $(ARGS)
