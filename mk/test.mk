# Tests. Each ends with a line "NAME: N passed, M failed" (see .ci/run).

UNIT_PROGRAMS := $(patsubst tests/unit/%.c,build/asan/tests/%,$(UNITS))
E2E_VARIANT   ?= asan

# All of them, whatever one says.
test:
	@failed=0; for suite in unit prop fuzz-short db-test e2e faults-short; do \
	    $(MAKE) $$suite || failed=1; done; exit $$failed

unit: $(UNIT_PROGRAMS)
	@tests/unit/run $(if $(ARGS),$(foreach a,$(ARGS),$(filter %/$(a)_test,$^)),$^)

db-test: $(AT_DB:%=build/asan/%)
	@db/tests/run $(ARGS)
# docs/schema.md; db-test says when it is out of date.
schema-docs:
	@PULSE_SCHEMA_DOCS=write db/tests/run schema_docs

e2e: build-$(E2E_VARIANT)
	@PULSE_BIN=build/$(E2E_VARIANT)/bin tests/e2e/run $(ARGS)

# faults is the long version; SCENARIO=name for some, SEED=N to repeat a run.
FAULTS = PULSE_BIN=build/$(E2E_VARIANT)/bin PULSE_SEED=$(SEED) \
    PULSE_SEEDS=$(SEEDS) tests/faults/run $(if $(SCENARIO),-k '$(SCENARIO)') \
    $(ARGS)
faults: SEEDS ?= 1
faults: build-$(E2E_VARIANT)
	@PULSE_FAULTS=long $(FAULTS)
faults-short: build-$(E2E_VARIANT)
	@$(FAULTS)

PROP_PROGRAMS := $(PROPS:%.c=build/asan/%)
prop: $(PROP_PROGRAMS)
	@PULSE_SEED=$(SEED) PULSE_COUNT=$(COUNT) tests/prop/run $(if $(ARGS),$(foreach \
	    a,$(ARGS),$(filter %/$(a)_prop,$^)),$^)

bench: build-release build/release/bench/limit_http
	@PULSE_BIN=build/release/bin tests/bench/run $(ARGS)

# The writer beside what PostgreSQL itself can take; docs/PERFORMANCE.md.
bench-writer: build-release $(BENCHES:%=build/release/bench/%)
	@ROUNDS=$(ROUNDS) ROWS=$(ROWS) SERIES=$(SERIES) \
	    PULSE_BIN=build/release/bin tests/bench/run_writer $(ARGS)

# The edge beside what answering alone costs; docs/PERFORMANCE.md.
bench-ingest: build-release $(BENCHES:%=build/release/bench/%) \
    build/release/bench/ingest_forget
	@ROUNDS=$(ROUNDS) DURATION=$(DURATION) \
	    PULSE_BIN=build/release/bin tests/bench/run_ingest $(ARGS)

# Memory of idle connections; docs/PERFORMANCE.md.
bench-idle: build/release/bench/http_null build/release/bench/idle_conns
	@tests/bench/run_idle $(COUNTS)

# JSON to record to Avro and back, libavro beside.
bench-codec: build/release/bench/codec
	@$< $(ROUNDS)

# What a sample takes compressed; the timescale edition.
bench-compression:
	@dir=$$(mktemp -d) && \
	    db/tests/pglite/run db/tests/pglite/compression_bench.mjs $$dir; \
	    code=$$?; rm -rf $$dir; exit $$code

# What rollups and back-fill cost the database.
bench-rollups:
	@tests/bench/run_rollups

SECONDS ?= 30
fuzz: $(FUZZERS:%=build/fuzz/bin/%)
	@tests/fuzz/run $(SECONDS) $^
fuzz-short: # what make test has of it
	@$(MAKE) fuzz SECONDS=3

.PHONY: test unit prop db-test schema-docs e2e faults faults-short bench \
    bench-writer bench-ingest bench-idle bench-codec bench-compression bench-rollups fuzz \
    fuzz-short
