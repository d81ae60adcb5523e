# Thin on purpose: everything it calls also works by hand.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test bench guests build lint

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: guests ## start a server, deploy the examples, call them, show results and logs
	@scripts/demo

test: guests ## formatting, lints, every test
	@scripts/test

bench: ## figures against baselines in the same run (takes a while)
	@scripts/bench

build: ## the server and command line, target/debug/org-ai
	@scripts/build

guests: build ## every example component, target/guests/*.wasm
	@scripts/build-guests

lint: ## what `make test` checks before it tests
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
