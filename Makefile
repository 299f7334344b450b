# Pulse: `make help` lists the targets. Outside the sandbox every target
# re-enters itself inside it, so nothing depends on what this machine has.

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

define HELP
make up        start the whole pipeline on this machine, with a small fleet
make status    services, lag, rows per second, incidents; the curl to try
make logs      follow the logs; ARGS=writer for one service
make pulse     the operator's command on it; ARGS='tail pulse.metrics -n 3'
make down      stop it and keep the data; PURGE=1 removes the data too

make test      unit, prop, db-test, e2e, and short versions of fuzz and faults
make unit      C tests of the modules (ASan + UBSan); ARGS=name for one
make prop      random input against a model; COUNT=100 for more, SEED=7
make db-test   pgTAP tests of the database
make e2e       real binaries, Kafka and PostgreSQL; ARGS='-k ledger' for some
make faults    servers and programs that die, hang and lie, for minutes;
               SCENARIO=commit for some, SEED=42 to repeat, SEEDS=3 for more
make check     compilers, analysers, linters, layers, sizes
make bench     figures beside a limit program; not a test
make bench-writer  the writer beside pre-encoded COPY; ROUNDS=5 ROWS=1000000
make bench-ingest  the edge beside answering to nothing; ROUNDS=5 DURATION=4
make bench-idle  memory of idle connections, beside nginx; COUNTS='1000 10000'
make bench-compression  bytes a sample takes compressed, by the shape of values
make bench-rollups  CPU of rollups and back-fill per million rows
make fuzz      each fuzz target for SECONDS=30

make build     release and ASan+UBSan variants, in build/release, build/asan
make docs      docs/configuration.md from the programs
make schema-docs  docs/schema.md from the database's comments
make format    lay the C sources out by .clang-format
make clean     remove build/
endef
export HELP

help:
	@printf '%s\n' "$$HELP"
.PHONY: help

ifneq ($(PULSE_SANDBOX),1)
include mk/outside.mk
else
include mk/build.mk
include mk/test.mk
include mk/check.mk
include mk/docs.mk
endif
