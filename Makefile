# Everything a newcomer needs. Each target makes .venv by itself and is quick the second time.

.DEFAULT_GOAL := help
.PHONY: help client env run test check fmt lint bench chaos clients crashes orders simulate totals flips counted answers sdks
MAKEFLAGS += --no-print-directory
IN := .venv/bin
# Bytecode is kept, whatever the machine says: a gateway that compiles its modules takes 1.5 s of CPU more to start.
export PYTHONDONTWRITEBYTECODE :=

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: ## make .venv as requirements.lock says
	@deploy/local/environment.sh

run: env ## start everything until Ctrl-C, pages shown; s=alerts: one more of a service beside it; ARGS=--fresh: forget the data
ifdef s
	@eval "$$($(IN)/tidegauge env)" && exec $(IN)/python -m services.$(s)
else
	@$(IN)/python -m web.build --optional
	@exec $(IN)/tidegauge up $(ARGS)
endif

test: lint ## everything that CI runs, against real servers
	@$(IN)/python -m deploy.local.servers.jars
	@$(IN)/python -m tests.support.processes.faketime
	@$(IN)/python -m tests.e2e.clients.packages
	@$(IN)/python -m tests.support.packages
	@$(IN)/python -m web.build
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
	@$(IN)/deptry --no-ansi -ee 'bench/|docs/|hatch_build.py' . 2> .venv/declared.log || { cat .venv/declared.log; exit 1; }
	@$(IN)/deptry --no-ansi --exclude none --ignore DEP002,DEP004 bench tests 2> .venv/declared.log || { cat .venv/declared.log; exit 1; }
	@$(IN)/lint-imports > .venv/imports.log || { cat .venv/imports.log; exit 1; }

fmt: env ## format, and repair what can be repaired without thought
	@$(IN)/ruff check --quiet --fix .
	@$(IN)/ruff format --quiet .

client: env ## build the browser client: clients/browser/dist, only when its sources have changed
	@$(IN)/python -m clients.browser.build

.PHONY: ui
ui: env ## build the page: services/gateway/ui, only when its sources have changed
	@$(IN)/python -m web.build

bench: env ## measure: one JSON line a figure; FIGURE=gateway_100 for one; BASE=commit: against that commit, in turn
	@$(IN)/python -m deploy.local.servers.jars
	@$(IN)/python -m bench $(if $(BASE),compare $(BASE)) $(FIGURE) $(ARGS)

chaos: env ## thirty runs of two minutes, three at a time, in which anything may be killed or frozen; TIDEGAUGE_SEED=7 for one of them
	@$(IN)/python -m deploy.local.servers.jars
	@$(IN)/python -m tests.support.processes.faketime
	@TIDEGAUGE_CHAOS_RUNS=30 TIDEGAUGE_CHAOS_S=120 $(IN)/pytest -n 3 -p no:randomly tests/chaos $(ARGS)

clients: env ## agents and a store of objects built by Go, each against the running system through faults: some minutes to build, once, and five to run
	@$(IN)/python -m deploy.local.servers.jars
	@$(IN)/python -m tests.e2e.agents.programs
	@TIDEGAUGE_CLIENTS=all $(IN)/pytest -n 2 tests/e2e/agents tests/integration/deploy/test_archive_objects.py $(ARGS)

crashes: env ## end and freeze a worker at every named point of fold and commit, at its 1st, 2nd and 10th passage
	@$(IN)/python -m deploy.local.servers.jars
	@TIDEGAUGE_CRASHES=all $(IN)/pytest -n 3 tests/contract/test_failpoints.py tests/contract/test_poisoned_record.py $(ARGS)

orders: env ## 200,000 points in 100 orders and batchings: the same rows to the last byte
	@TIDEGAUGE_ORDERS=100 $(IN)/pytest -n 2 tests/properties/test_order.py $(ARGS)

totals: env ## 100,000 streams of running totals against an oracle that knows who wrote them
	@TIDEGAUGE_TOTALS=100000 $(IN)/pytest -n 2 tests/properties/test_running_totals.py $(ARGS)

.PHONY: kills
kills: env ## kill an application that has a client with a spool fifty times, while gateway and Kafka come and go; a page offline for a minute
	@$(IN)/python -m deploy.local.servers.jars
	@TIDEGAUGE_KILLS=50 TIDEGAUGE_OFFLINE_S=60 $(IN)/pytest -s \
		tests/e2e/clients/test_python_spool.py tests/e2e/clients/test_pages.py $(ARGS)

flips: env ## change bodies of every protocol at random: 5,000 of each by its decoder, ten minutes over HTTP; and schemathesis at length
	@$(IN)/python -m deploy.local.servers.jars
	@TIDEGAUGE_FLIPS=5000 TIDEGAUGE_WILD_S=600 TIDEGAUGE_SCHEMATHESIS=100 $(IN)/pytest -n 2 --timeout 1800 \
		tests/properties/gateway/test_any_protocol.py tests/e2e/test_wild_bodies.py tests/e2e/test_openapi.py $(ARGS)

counted: env ## generated bodies of each protocol: 100,000 items the whole way in one process, 1,000 bodies over HTTP; what is accepted counts
	@$(IN)/python -m deploy.local.servers.jars
	@TIDEGAUGE_COUNTED=100000 TIDEGAUGE_GENERATED=1000 $(IN)/pytest -n 2 --timeout 3000 \
		tests/properties/gateway/test_accepted_is_counted.py tests/e2e/test_generated_bodies.py $(ARGS)

answers: env ## each client as it is shipped, answered with each status, against docs/clients/statuses.md; ARGS=write writes it
	@$(IN)/python -m tests.e2e.clients.packages
	@TIDEGAUGE_ANSWERS=$(or $(ARGS),all) $(IN)/pytest -p no:xdist tests/e2e/clients/answers

sdks: env ## SDKs as they are shipped, all at once, through ten seconds without Kafka and a restart of the gateway
	@$(IN)/python -m deploy.local.servers.jars
	@$(IN)/python -m tests.e2e.clients.packages
	@TIDEGAUGE_SDKS=1 $(IN)/pytest -p no:xdist -p no:randomly tests/e2e/clients/test_through_faults.py $(ARGS)

.PHONY: page
page: env ## journeys, bad input and honesty of the page in Chromium, by keyboard and by touch: some ten minutes
	@$(IN)/python -m deploy.local.servers.jars
	@$(IN)/python -m tests.support.packages
	@$(IN)/python -m web.build
	@TIDEGAUGE_PAGE=all $(IN)/pytest -p no:randomly tests/e2e/page $(ARGS)

.PHONY: keys
keys: env ## a million keys that nobody has, from fifteen addresses: what they cost the database
	@$(IN)/python -m deploy.local.servers.jars
	@TIDEGAUGE_KEYS=1000000 $(IN)/pytest -s --timeout 1800 tests/integration/gateway/test_random_keys.py $(ARGS)

.PHONY: stale
stale: env ## 10,000 orders of commit, publication, rollback, load, restart and loss around the cache: no read is stale
	@TIDEGAUGE_STALE=10000 $(IN)/pytest -q -n auto -p no:randomly tests/simulation/stale $(ARGS)

simulate: env ## the pump and the aggregator in 20,000 worlds that go wrong by seed; ARGS="--seed 17" for one
	@$(IN)/python -m tests.simulation $(ARGS)
