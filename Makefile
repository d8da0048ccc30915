# make run    set up everything and start the lab with its dashboard
# make test   set up everything and pass all tests
# make bench  measure (AREA="record api" for some); writes BENCHMARKS.md and benchmarks.json
# make parity  the same probes at genuine servers and at our decoys; writes PARITY.md and parity.json
# make fuzz   every fuzz target for FUZZ_SECONDS (default 30) each
SHELL := /bin/bash
export CARGO_TERM_COLOR ?= auto
TARGET := $(or $(CARGO_TARGET_DIR),target)
DATA ?=
FUZZ_SECONDS ?= 30

.PHONY: run build web test bench parity fuzz lint setup setup-test clean

run: build
	@exec $(TARGET)/release/decnet up $(if $(DATA),--data-dir $(DATA))

build: setup web
	cargo build --release --locked -p decnet -p decoys --bin decnet --bin decoy

web: web/dist/index.html

web/dist/index.html: web/package-lock.json $(shell find web/src web/index.html web/vite.config.ts -type f 2>/dev/null)
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run build
	@touch $@

test: setup-test web
	./scripts/test

bench: setup-test build
	./scripts/bench $(AREA)

parity: setup-test web
	./scripts/parity $(SERVICE)

fuzz:
	./scripts/fuzz $(FUZZ_SECONDS)

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

setup:
	@./scripts/setup run

setup-test:
	@./scripts/setup test

clean:
	rm -rf $(TARGET) web/dist web/node_modules
