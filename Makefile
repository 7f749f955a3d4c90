# What there is to do: `make help`. Each target installs what it needs, and can be run again at any time.

export PATH := $(HOME)/.cargo/bin:$(PATH)
CARGO ?= cargo
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help setup lint test demo bench differential fuzz clean cluster-up cluster-down cluster-status cluster-test cluster-image cluster-diagnose cluster-bench cluster-record cluster-kubeconfig

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 25

setup: ## tools that building and testing need (Debian, Ubuntu; Rust by rustup)
	@sh scripts/setup.sh build

lint: ## formatting, clippy, docs, licences, crate directions, purity, size budgets
	@sh scripts/setup.sh build lint
	$(CARGO) fmt --all --check
	$(PYTHON) -m unittest discover --quiet --start-directory scripts
	$(PYTHON) scripts/lint.py
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --lib --no-deps --quiet
	$(CARGO) deny --log-level error check bans licenses sources

test: ## everything; as root also what needs network namespaces, with the running kernel as judge
	@sh scripts/setup.sh build test
	@$(PYTHON) scripts/test.py

demo: ## breaks a cluster of network namespaces three ways, diagnoses, heals and proves each
	@sh scripts/setup.sh build test
	$(CARGO) run --quiet -p skoop-cli -- demo

bench: ## figures of the hot paths
	@sh scripts/setup.sh build test
	$(CARGO) bench --workspace --benches

differential: ## random nodes and packets for SECONDS (default 60) from SEED, or NODES of them, with the running kernel as judge (root)
	@sh scripts/setup.sh build test
	@$(if $(NODES),NODES=$(NODES),SECONDS=$(or $(SECONDS),60)) SEED=$(or $(SEED),0) KEEP=differential/regressions \
		$(CARGO) test --quiet -p skoop-lab --test differential packets_fare -- --include-ignored --nocapture

fuzz: ## every fuzz target for FUZZ_SECONDS (default 60) each
	@sh scripts/setup.sh build fuzz
	$(PYTHON) scripts/fuzz.py --seconds $(or $(FUZZ_SECONDS),60)

CLUSTER = cd tests/cluster && $(PYTHON) -m cluster

cluster-up: ## a real Kubernetes cluster of three nodes on this host (root, Go); PROXY=iptables or nftables: docs/cluster.md
	@sh scripts/setup.sh test cluster
	@$(CLUSTER) up $(if $(PROXY),--proxy $(PROXY))

cluster-status: ## what of it runs
	@$(CLUSTER) status

cluster-test: ## that it works as a cluster should, in the mode that kube-proxy has
	@$(CLUSTER) test

CLUSTER_PROGRAMS = $(abspath $(or $(CARGO_TARGET_DIR),target))/debug

cluster-image: ## skoop's image, on every node of it
	@sh scripts/setup.sh build
	$(CARGO) build --quiet -p skoop-cli -p skoop-exporter
	$(PYTHON) scripts/image.py --name skoop.test/skoop:1 --programs $(CLUSTER_PROGRAMS) --output target/skoop.test.oci.tar
	@$(CLUSTER) load-image ../../target/skoop.test.oci.tar

cluster-diagnose: cluster-image ## breaks it in known ways, proves each with real packets, diagnoses and heals
	@$(CLUSTER) diagnose $(CLUSTER_PROGRAMS)/skoop

cluster-bench: cluster-image ## how long a live diagnosis takes there
	@$(CLUSTER) bench $(CLUSTER_PROGRAMS)/skoop

cluster-record: ## its rules, for the tests of the lab's generators
	@$(CLUSTER) record ../../skoop-lab/tests/data

cluster-kubeconfig:
	@$(CLUSTER) kubeconfig

cluster-down: ## ends it, and removes all that it left
	@$(CLUSTER) down

clean: ## what was built
	$(CARGO) clean
