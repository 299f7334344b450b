# Outside the sandbox: every target is the same target inside.

TARGETS := test unit prop db-test e2e faults faults-short check bench \
    bench-writer bench-ingest bench-codec bench-compression bench-rollups \
    fuzz build clean format docs
# What was given on the command line (V=1, ARGS=..., -j4) goes along.
GIVEN = $(filter -j%,$(MFLAGS)) $(MAKEOVERRIDES)

$(TARGETS):
	@./sandbox make $@ $(GIVEN)
.PHONY: $(TARGETS)

up:
	@deploy/local/up
down:
	@PURGE=$(PURGE) deploy/local/down
status:
	@./sandbox --status pulse || { echo "Pulse is not up: make up"; exit 1; }
	@./sandbox --join pulse deploy/local/stack status
logs:
	@tail -n 50 -F $(if $(ARGS),$(ARGS:%=.state/logs/%.log),.state/logs/*.log)
pulse:
	@./sandbox --status pulse || { echo "Pulse is not up: make up"; exit 1; }
	@./sandbox --join pulse deploy/local/stack pulse $(ARGS)
.PHONY: up down status logs pulse
