# Build, test and run Earcon. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.NOTPARALLEL:

CARGO ?= cargo
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
FUZZ_SECONDS ?= 60
# Arguments of `make run`, as in `make run ARGS="--listen 127.0.0.1:9000"`.
ARGS ?=
# Number of rounds of `make loadtest`; the median is reported.
ROUNDS ?= 1

# The dashboard is built from the TypeScript client's sources too.
WEB_SOURCES := $(shell find web clients/typescript/src \( -name node_modules -o -name dist -o -name e2e \) -prune -o \
	-type f -not -name '*.tsbuildinfo' -print 2>/dev/null)
# Each file is written by its step, so that it serves as the stamp of the step.
WEB_PACKAGES := web/node_modules/.package-lock.json
WEB_BUILT := web/dist/index.html
CLIENT := clients/typescript
CLIENT_PACKAGES := $(CLIENT)/node_modules/.package-lock.json

.PHONY: run
run: web ## Build everything and start the demo of this machine (ARGS="…" are passed on)
	$(CARGO) build --release --locked
	exec $(TARGET_DIR)/release/earcon demo $(ARGS)

.PHONY: release
release: web ## Build the binary to ship: target/dist/earcon, stripped, and its line tables in earcon.debug
	scripts/release.sh

.PHONY: test
test: setup-test web-check web ## Run every test: Rust, clients, real agents, dashboard, and the dashboard in a browser
	@# run.sh starts a NATS server and a Cassandra node, which it downloads into a cache once.
	CARGO=$(CARGO) scripts/servers/run.sh scripts/rust-tests.sh
	@# Uses the binary that the tests above have built.
	scripts/agents/run.sh $(TARGET_DIR)/debug/earcon
	EARCON_BIN=$(TARGET_DIR)/debug/earcon scripts/clients.sh test
	cd web && EARCON_BIN=$(TARGET_DIR)/debug/earcon npm run e2e

.PHONY: check
check: web-check web ## Check formatting, lints, types, documentation and licences before a commit
	scripts/clients.sh check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --log-level warn check bans licenses sources; \
	else \
		echo "Licences, bans and sources were NOT checked: cargo-deny is not installed (cargo install cargo-deny --locked)"; \
	fi

.PHONY: bench
bench: web ## Measure: scoring, rendering, broadcasting, log append
	scripts/servers/run.sh $(CARGO) bench --locked --workspace

.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZ_SECONDS each (needs a nightly toolchain and cargo-fuzz)
	scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: loadtest
loadtest: web ## Measure side by side with peers, after building them (ROUNDS=3; about fifteen minutes)
	scripts/peers.sh
	$(CARGO) build --release --locked -p earcon -p earcon-loadtest
	@for scenario in websocket idle audio audio-ogg ingest-json ingest-influx ingest-prometheus latency churn; do \
		$(TARGET_DIR)/release/loadtest compare $$scenario --rounds $(ROUNDS) || exit 1; \
	done

.PHONY: setup
setup: ## Install the build requirements, or name those that are missing
	@scripts/setup.sh build

.PHONY: setup-test
setup-test: ## Install the requirements of build and tests, or name those that are missing
	@scripts/setup.sh test

.PHONY: web
web: $(WEB_BUILT) ## Build the dashboard if its sources have changed

.PHONY: web-check
web-check: $(WEB_PACKAGES) $(CLIENT_PACKAGES) ## Check types and run unit tests: the dashboard, the TypeScript client
	cd $(CLIENT) && npm run check
	cd web && npm run check

$(WEB_PACKAGES): web/package.json web/package-lock.json | setup
	cd web && npm ci --no-audit --no-fund
	touch $@

$(CLIENT_PACKAGES): $(CLIENT)/package.json $(CLIENT)/package-lock.json | setup
	cd $(CLIENT) && npm ci --no-audit --no-fund
	touch $@

$(WEB_BUILT): $(WEB_SOURCES) $(WEB_PACKAGES) | setup
	cd web && npm run build
	touch $@

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; \
	done
