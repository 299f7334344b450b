# Sources made at build time, in build/gen. Every object waits for GEN_HEADERS;
# GEN_SOURCES join the library.

GEN_SOURCES := build/gen/schemas.c
GEN_HEADERS := build/gen/schemas.h
SCHEMAS     := $(sort $(wildcard schemas/*.avsc))

build/gen/schemas.c build/gen/schemas.h &: schemas/generate.py $(SCHEMAS)
	@mkdir -p build/gen
	@echo "  GEN   build/gen/schemas.c"
	$(Q)python3 schemas/generate.py build/gen $(SCHEMAS)
