# Paths in targets are relative on purpose: a clone may lie in a path with a space.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
CHECKED := shared/millrace infra workers operations tests bench

FAULTS_REPORT := .local/faults/report.json
SEEDS := 1 2 3
DATABASES := postgresql sqlite
SOAK_MINUTES := 240
PARTS := test test-long faults
BROKERS := installed newer

.PHONY: help up down check test test-long test-cluster cluster test-kubernetes faults faults-full broker-matrix bench bench-quick bench-ingress clean requirements

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

up: .venv/.run ## Bring the whole stack up on this machine and show what becomes of sample events
	@[ "$$MILLRACE_AWS" = off ] || "$(MAKE)" --silent .venv-localstack/.localstack || echo "going on without LocalStack"
	@"$(BIN)/millrace" up --samples

down: ## Stop the stack and all it runs; data stays
	@if [ -x "$(BIN)/millrace" ]; then "$(BIN)/millrace" down; else echo "nothing was ever started here"; fi

check: .venv/.dev ## Style, types, imports between the rooms, generated documents
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy" $(CHECKED)
	"$(BIN)/lint-imports"
	"$(BIN)/python" -m operations.docs --check

test: .venv/.dev .venv-localstack/.localstack ## Install what the tests need (as root) and run them
	@"$(BIN)/python" -m tests.servers_needed
	"$(BIN)/python" -m pytest -n 2 --dist loadfile -m "not long and not cluster and not kubernetes" $(PYTEST_ARGS)

test-long: .venv/.dev .venv-localstack/.localstack ## The tests that take many seconds each: relays killed, lines lost, rollouts, stores cut at each step
	@"$(BIN)/python" -m tests.servers_needed
	"$(BIN)/python" -m pytest -n 2 --dist loadfile -m "long and not kubernetes" $(PYTEST_ARGS)

test-cluster: .venv/.dev ## Three RabbitMQ nodes without a majority, under load; it wants a quiet machine
	@"$(BIN)/python" -m tests.servers_needed
	"$(BIN)/python" -m pytest -m cluster $(PYTEST_ARGS)

cluster: .venv/.dev ## Build a Kubernetes control plane and KEDA for the tests, once: needs Go; 10 to 13 minutes
	@"$(BIN)/python" -m tests.cluster

test-kubernetes: .venv/.dev ## The kubernetes stack on a real control plane with KEDA, which `make cluster` builds
	@"$(BIN)/python" -m tests.servers_needed
	"$(BIN)/python" -m pytest -m kubernetes $(PYTEST_ARGS)

faults: .venv/.dev ## Break a scratch stack in every way and count what was lost or doubled (10 minutes)
	@"$(BIN)/python" -m tests.servers_needed
	@"$(BIN)/millrace" faults --jobs 2 --report "$(FAULTS_REPORT)" $(FAULTS_ARGS)

faults-full: .venv/.dev ## Every fault with 10,000 events: each seed and database, a cluster, a soak; a day (SEEDS= SOAK_MINUTES=)
	@"$(BIN)/python" -m tests.servers_needed
	@red=0; for seed in $(SEEDS); do \
		for database in $(DATABASES); do \
			"$(BIN)/millrace" faults --full --events 10000 --seed $$seed --database $$database \
				--report "$(FAULTS_REPORT:.json=-$$database-$$seed.json)" $(FAULTS_ARGS) || red=1; \
		done; \
		"$(BIN)/millrace" faults --cluster --events 10000 --seed $$seed \
			--report "$(FAULTS_REPORT:.json=-cluster-$$seed.json)" $(FAULTS_ARGS) || red=1; \
	done; \
	"$(BIN)/python" -m operations.faults.soak --minutes $(SOAK_MINUTES) || red=1; \
	exit $$red

broker-matrix: .venv/.dev ## Tests and faults on the installed RabbitMQ and on a newer one (root); PARTS=test BROKERS=newer
	@for broker in $(BROKERS); do \
		server=""; \
		if [ "$$broker" = newer ]; then server="$$("$(BIN)/python" -m tests.newer_rabbitmq $(SUITE:%=--suite %))" || exit 1; fi; \
		for part in $(PARTS); do \
			echo "$$part on the $$broker RabbitMQ"; \
			MILLRACE_RABBITMQ_SERVER="$$server" "$(MAKE)" $$part FAULTS_REPORT=".local/faults/$$broker.json" || exit 1; \
		done; \
	done

bench: .venv/.dev .venv-bench/.bench ## Measure Millrace against its peers, along every axis; hours (BENCH_ARGS="latency --rounds 1")
	@"$(BIN)/python" -m tests.servers_needed
	@"$(BIN)/python" -m bench $(BENCH_ARGS)

bench-quick: .venv/.dev .venv-bench/.bench ## The main ratios, in less than four minutes
	@"$(BIN)/python" -m tests.servers_needed
	@"$(BIN)/python" -m bench --quick $(BENCH_ARGS)

bench-ingress: .venv/.dev .venv-localstack/.localstack ## SQS to RabbitMQ and to handlers, beside a plain boto3 loop
	@"$(BIN)/python" -m tests.servers_needed
	@"$(BIN)/python" -m bench.ingress $(BENCH_ARGS)

clean: down ## Stop the stack and delete its data, the environment and the caches
	rm -rf .local .venv .venv-bench .venv-localstack .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

requirements: .venv/.dev ## Resolve the pinned requirements anew from pyproject.toml
	sh requirements/compile.sh

.venv/.run: requirements/run.txt pyproject.toml shared/pyproject.toml requirements/install.sh
	@sh requirements/install.sh run

.venv/.dev: requirements/run.txt requirements/dev.txt pyproject.toml shared/pyproject.toml requirements/install.sh
	@sh requirements/install.sh dev

.venv-localstack/.localstack: localstack/requirements.txt requirements/install.sh
	@sh requirements/install.sh localstack

.venv-bench/.bench: requirements/bench.txt requirements/install.sh
	@sh requirements/install.sh bench
