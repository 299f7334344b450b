# Builds by folder: adding a file needs no change here.
#   common/*.c common/pulse/*.c common/pulse/*/*.c -> build/VARIANT/libpulse.a
#   services/X/*.c              -> build/VARIANT/bin/pulse-X
#   tools/pulse*/*.c            -> build/VARIANT/bin/pulse*
#   tests/unit/[X/]NOUN_test.c  -> build/VARIANT/tests/[X/]NOUN_test
#   tests/prop/[X/]NOUN_prop.c  -> build/VARIANT/tests/prop/[X/]NOUN_prop
#   tests/db/NOUN.c             -> build/asan/tests/db/NOUN
#   tests/fuzz/NOUN_fuzz.c      -> build/fuzz/bin/NOUN_fuzz
#   tests/bench/NOUN.c          -> build/release/bench/NOUN (BENCHES)

ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
Q := $(if $(V),,@)

PACKAGES := rdkafka libpq libcurl libmicrohttpd yyjson libxxhash \
            libcrypto gnutls libprotobuf-c zlib libzstd snappy
PACKAGE_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
ORACLE_LIBS    := $(shell pkg-config --libs avro-c)
PACKAGE_LIBS   := $(shell pkg-config --libs $(PACKAGES)) -lm -pthread

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wswitch-enum \
            -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Werror
LANGUAGE := -std=gnu17 -D_GNU_SOURCE -I. -pthread

CC_release     := gcc
CFLAGS_release := -O2 -g -fPIE -fstack-protector-strong \
                  -fstack-clash-protection \
                  -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(shell uname -m),x86_64)
CFLAGS_release += -fcf-protection=full
endif
SANITIZE        := -fsanitize=address,undefined -fno-sanitize-recover=undefined
CC_asan         := gcc
CFLAGS_asan     := -O1 -g -fno-omit-frame-pointer -DPULSE_ASAN $(SANITIZE)
LDFLAGS_asan    := $(SANITIZE)
CC_fuzz         := clang
CFLAGS_fuzz     := $(CFLAGS_asan) -fsanitize=fuzzer-no-link
LDFLAGS_fuzz    := $(SANITIZE) -fsanitize=fuzzer

include mk/gen.mk

LIBRARY  := $(wildcard common/*.c common/pulse/*.c \
            common/pulse/*/*.c) $(GEN_SOURCES)
SERVICES := $(patsubst services/%/main.c,%,$(wildcard services/*/main.c))
TOOLS    := $(patsubst tools/%/main.c,%,$(wildcard tools/pulse*/main.c))
UNITS    := $(wildcard tests/unit/*_test.c tests/unit/*/*_test.c)
PROPS    := $(wildcard tests/prop/*_prop.c tests/prop/*/*_prop.c)
AT_DB    := $(patsubst %.c,%,$(wildcard tests/db/*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*_fuzz.c))

# objects VARIANT SOURCES
objects = $(patsubst %.c,build/$(1)/obj/%.o,$(2))
# The folder that tests/unit/X is about.
room = $(firstword $(wildcard services/$(1) tools/$(1)))
# What links into tests/unit/X/NOUN_test beside itself: helpers of the tests
# and the room's own objects.
unit_parts = $(filter-out %_test.c,$(wildcard $(dir $(1))*.c tests/unit/*.c)) \
    $(if $(filter-out tests/unit/,$(dir $(1))),$(filter-out %/main.c,$(wildcard \
    $(call room,$(patsubst tests/unit/%/,%,$(dir $(1))))/*.c)))

# libavro, which only tests have: what our own codec must agree with.
ORACLE := $(addprefix tests/unit/,record_oracle.c avro_codec.c avro_walk.c)

# tests/prop/X is linked with the room's objects too, and with a PostgreSQL
# that fails (tests/prop/X/faulty_pg.c) between them and common/pg.
prop_parts = $(filter-out %_prop.c,$(wildcard $(dir $(1))*.c)) \
    $(if $(filter-out tests/prop/,$(dir $(1))),$(filter-out %/main.c,$(wildcard \
    $(call room,$(patsubst tests/prop/%/,%,$(dir $(1))))/*.c)))
FAULTY := pg_begin pg_commit pg_script pg_do pg_run pgcopy_begin pgcopy_row \
    pgcopy_end kafka_topic_describe kafka_log_ranges
prop_flags = $(if $(wildcard $(dir $(1))faulty_pg.c),$(FAULTY:%=-Wl,--wrap=%))

# program VARIANT OUTPUT SOURCES EXTRA_LIBS
define program
build/$(1)/$(2): $(call objects,$(1),$(sort $(3))) build/$(1)/libpulse.a
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	$(Q)$(CC_$(1)) $(LDFLAGS_$(1)) -o $$@ $$^ $(4) $(PACKAGE_LIBS)
endef

define variant
build/$(1)/obj/%.o: %.c build/$(1)/flags | $(GEN_HEADERS)
	@mkdir -p $$(@D)
	@echo "  CC    $$@"
	$(Q)ccache $(CC_$(1)) $(LANGUAGE) $(WARNINGS) $(CFLAGS_$(1)) \
	    $(PACKAGE_CFLAGS) -MMD -MP -c -o $$@ $$<

# Not ours to tidy.
build/$(1)/obj/build/gen/%.pb-c.o: WARNINGS := -w

# Its time changes when the compiler or its flags do.
build/$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$(CC_$(1)) $(LANGUAGE) $(WARNINGS) $(CFLAGS_$(1))' \
	    '$(LDFLAGS_$(1)) $(PACKAGE_LIBS)' >$$@.new; \
	cmp -s $$@.new $$@ && rm $$@.new || mv $$@.new $$@

build/$(1)/libpulse.a: $(call objects,$(1),$(LIBRARY))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcsD $$@ $$^

$(foreach s,$(SERVICES),$(eval \
    $(call program,$(1),bin/pulse-$(s),$(wildcard services/$(s)/*.c))))
$(foreach t,$(TOOLS),$(eval \
    $(call program,$(1),bin/$(t),$(wildcard tools/$(t)/*.c))))
build-$(1): $(SERVICES:%=build/$(1)/bin/pulse-%) $(TOOLS:%=build/$(1)/bin/%) \
    build/$(1)/libpulse.a
-include $(shell find build/$(1)/obj -name '*.d' 2>/dev/null)
endef
$(foreach v,release asan fuzz,$(eval $(call variant,$(v))))

$(foreach u,$(UNITS),$(eval $(call program,asan,$(patsubst \
    tests/unit/%.c,tests/%,$(u)),$(u) $(call unit_parts,$(u)),-lcmocka \
    $(ORACLE_LIBS))))
$(foreach p,$(PROPS),$(eval $(call program,asan,$(p:%.c=%),$(p) \
    $(call prop_parts,$(p)) $(ORACLE),-lcmocka $(ORACLE_LIBS) \
    $(call prop_flags,$(p)))))
$(foreach d,$(AT_DB),$(eval $(call program,asan,$(d),$(d).c)))
$(foreach f,$(FUZZERS),$(eval \
    $(call program,fuzz,bin/$(f),tests/fuzz/$(f).c $(ORACLE),$(ORACLE_LIBS))))

# Of make bench-writer and bench-ingest: programs, and what they share.
BENCHES := fill_topic limit_copy peer_insert load limit_http \
    http_null idle_conns
BENCH_PARTS := $(addprefix tests/bench/,client.c tap.c series_book.c post.c) \
    tools/pulse-sim/tally.c
$(foreach b,$(BENCHES),$(eval \
    $(call program,release,bench/$(b),tests/bench/$(b).c $(BENCH_PARTS))))
$(eval $(call program,release,bench/codec,tests/bench/codec.c \
    tests/bench/client.c $(ORACLE),$(ORACLE_LIBS)))
# pulse-ingest that answers before Kafka does, to see what waiting costs.
$(eval $(call program,release,bench/ingest_forget,tests/bench/forget_pending.c \
    $(filter-out %/pending.c,$(wildcard services/ingest/*.c))))

build: build-release build-asan
clean:
	rm -rf build
FORCE:
.PHONY: build build-release build-asan clean FORCE
