# make up: the whole ledger on this machine. make test: everything that must hold. Tools it fetches go to .cache.

.PHONY: up build test test-cluster bench fmt lint deny needs nats-server python witness schemathesis go promtool asyncapi browser clean
.DEFAULT_GOAL := build

# `make up ARGS="--http 127.0.0.1:8080"`
up: build nats-server
	@target/release/jindo up $(ARGS)

build: needs
	cargo build --release --locked

test: needs lint deny nats-server python witness schemathesis go promtool asyncapi browser
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --locked --no-fail-fast && cargo test --locked --doc; \
	else \
		cargo test --locked --no-fail-fast; \
	fi

# Three servers as one cluster, killed, hung and cut off; replicas; second projectors. `make test` runs these, too.
test-cluster: needs nats-server
	cargo test --locked --test jindo cluster_ -- --nocapture

lint: needs
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

# Licences, bans and sources always; advisories where their database can be had, and said where not.
deny: needs
	@sh deploy/setup.sh cargo-deny
	@PATH="$$PATH:$(CURDIR)/.cache"; export PATH; \
	cargo-deny --locked check --hide-inclusion-graph licenses bans sources || exit 1; \
	if cargo-deny fetch db >/dev/null 2>&1; then \
		cargo-deny --locked check --disable-fetch advisories; \
	else \
		echo "deny: advisories NOT CHECKED: their database cannot be fetched from this machine"; \
	fi

# One bench after the other, then the table, deploy/BENCHMARKS.md and its charts. A bench that fails is said there and fails the whole.
# `make bench BENCHES="audit"` runs some, JINDO_BENCH_EVENTS=100000 scales down, JINDO_BENCH_BUILD=1 times a cold build too.
BENCHES ?= machine publish peers ledger reach follow audit stages build
ROWS := $(CURDIR)/target/bench/rows.jsonl

bench: needs nats-server
	@mkdir -p target/bench && rm -f $(ROWS)
	cargo bench --locked --no-run $(foreach bench,$(BENCHES) report,--bench $(bench))
	@failed=""; for bench in $(BENCHES); do \
		echo "== $$bench"; \
		JINDO_BENCH_ROWS=$(ROWS) cargo bench --locked --quiet --bench $$bench || failed="$$failed $$bench"; \
	done; \
	JINDO_BENCH_ROWS=$(ROWS) JINDO_BENCHES="$(BENCHES)" cargo bench --locked --quiet --bench report || exit 1; \
	[ -z "$$failed" ] || { echo "bench: failed:$$failed"; exit 1; }

fmt:
	cargo fmt

needs nats-server python witness schemathesis go promtool asyncapi browser:
	@sh deploy/setup.sh $@

clean:
	cargo clean
	rm -rf .cache
