# Sources made at build time, in build/gen. Every object waits for GEN_HEADERS;
# GEN_SOURCES join the library.

GEN_SOURCES := build/gen/schemas.c
GEN_HEADERS := build/gen/schemas.h
SCHEMAS     := $(sort $(wildcard schemas/*.avsc))

build/gen/schemas.c build/gen/schemas.h &: schemas/generate.py $(SCHEMAS)
	@mkdir -p build/gen
	@echo "  GEN   build/gen/schemas.c"
	$(Q)python3 schemas/generate.py build/gen $(SCHEMAS)

# The commit that programs say they are from; written only when it changes, so
# that a build without changes does nothing. Unknown outside a clone.
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
GEN_HEADERS += build/gen/commit.h
build/gen/commit.h: FORCE
	@mkdir -p build/gen
	@echo '#define PULSE_COMMIT "$(COMMIT)"' >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
