# Outside the sandbox: every target is the same target inside.

TARGETS := test unit db-test e2e check bench fuzz build clean format docs
LIVE    := up down status logs
# What was given on the command line (V=1, ARGS=..., -j4) goes along.
GIVEN = $(filter -j%,$(MFLAGS)) $(MAKEOVERRIDES)

$(TARGETS):
	@./sandbox make $@ $(GIVEN)
.PHONY: $(TARGETS)
