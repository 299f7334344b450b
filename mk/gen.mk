# Sources made at build time, in build/gen. Every object waits for GEN_HEADERS;
# GEN_SOURCES join the library.

GEN_SOURCES := build/gen/schemas.c
GEN_HEADERS := build/gen/schemas.h
SCHEMAS     := $(sort $(wildcard schemas/*.avsc))

build/gen/schemas.c build/gen/schemas.h &: schemas/generate.py $(SCHEMAS)
	@mkdir -p build/gen
	@echo "  GEN   build/gen/schemas.c"
	$(Q)python3 schemas/generate.py build/gen $(SCHEMAS)

# Wire formats of others, in our own words: schemas/NAME.proto. protoc-c says
# each time that protoc will replace it; Debian 13 has it in no other package.
PROTOS      := $(patsubst schemas/%.proto,%,$(wildcard schemas/*.proto))
GEN_SOURCES += $(PROTOS:%=build/gen/%.pb-c.c)
GEN_HEADERS += $(PROTOS:%=build/gen/%.pb-c.h)

.SECONDARY: $(PROTOS:%=build/gen/%.pb-c.c) $(PROTOS:%=build/gen/%.pb-c.h)
build/gen/%.pb-c.c build/gen/%.pb-c.h: schemas/%.proto
	@mkdir -p build/gen
	@echo "  GEN   build/gen/$*.pb-c.c"
	$(Q)protoc-c --proto_path=schemas --c_out=build/gen $< \
	    2>build/gen/$*.log || { cat build/gen/$*.log; exit 1; }

# The commit that programs say they are from; written only when it changes, so
# that a build without changes does nothing. Unknown outside a clone.
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
GEN_HEADERS += build/gen/commit.h
build/gen/commit.h: FORCE
	@mkdir -p build/gen
	@echo '#define PULSE_COMMIT "$(COMMIT)"' >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
