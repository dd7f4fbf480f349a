# Everything a person or CI does here. `make help` lists it.
SHELL := /usr/bin/env bash
.DEFAULT_GOAL := help
.PHONY: help run test bench simulate drill cluster lint clean deps

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## one node with a mock provider, a first request through it, until Ctrl-C
	@cluster/run.sh

test: ## everything: unit, integration, real SDKs, a short kill test
	@scripts/test.sh

bench: ## nginx proxy_pass and Tidegate on the same work; BENCH_ARGS=--soak for the long one
	@scripts/bench.sh $(BENCH_ARGS)

simulate: ## the protocol under faults: SEEDS=100000, or SEED=17 to see one; MUTANT=, SCENARIO=
	@scripts/simulate.sh

drill: ## faults in a running cluster (comes with its own issue)
	@echo "make drill: the drill driver is not part of this version; it comes with its own issue." >&2; exit 2

cluster: ## three regions of two nodes on loopback, with a real etcd and S3 store, until Ctrl-C; TOPOLOGY=FILE
	@cluster/up.sh $(TOPOLOGY)

lint: ## format, shellcheck and the repository's own checks
	@scripts/lint.sh

deps: ## install what building and testing need: Debian packages, and SDKs and SeaweedFS from PyPI
	@scripts/deps.sh test
	@scripts/python-env.sh >/dev/null

clean: ## remove what was built
	rm -rf .build .build-python
