# `make check`: each part is the target check-PART; mk/check runs them all and
# counts. Parts that look at one file at a time leave a stamp below build/check
# and look again only when the file or one of its headers changed.

C_FOLDERS := common services tools tests
C_SOURCES := $(shell find $(C_FOLDERS) -name '*.c' 2>/dev/null | sort)
C_FILES   := $(shell find $(C_FOLDERS) -name '*.[ch]' 2>/dev/null | sort)
# libFuzzer's entry point has no prototype, and clang builds it anyway.
PLAIN_C   := $(filter-out tests/fuzz/%,$(C_SOURCES))
# git may not be at hand: a worktree's repository lies outside the sandbox.
OURS      := find . \( -name .git -o -path ./build -o -path ./.state \) -prune -o
SCRIPTS    = $(shell $(OURS) -type f -exec awk \
    'FNR == 1 && /^\#!.*sh$$/ { print FILENAME } { nextfile }' {} +)
PYTHON     = $(shell $(OURS) -type f -exec awk \
    'FNR == 1 && (/^\#!.*python/ || FILENAME ~ /\.py$$/) { print FILENAME } \
    { nextfile }' {} +)

PARTS := gcc clang format analyzer tidy cppcheck shellcheck ruff layers \
         sizes banned docs
FLAGS := $(LANGUAGE) $(PACKAGE_CFLAGS)

check:
	@mk/check $(if $(ARGS),$(ARGS),$(PARTS))

check-gcc: build $(UNIT_PROGRAMS) $(PROP_PROGRAMS)

# stamps PART COMMAND: COMMAND sees the source as $$<.
define stamps
build/check/$(1)/%.ok: %.c build/check/$(1)/flags | $(GEN_HEADERS)
	@mkdir -p $$(@D)
	$(Q)$(2)
	@gcc $(FLAGS) -MM -MP -MT $$@ -MF $$(@:.ok=.d) $$<
	@touch $$@
build/check/$(1)/flags: .clang-tidy FORCE
	@mkdir -p $$(@D)
	@{ echo '$(2)'; cat .clang-tidy; } >$$@.new; \
	cmp -s $$@.new $$@ && rm $$@.new || mv $$@.new $$@
check-$(1): $(3:%.c=build/check/$(1)/%.ok)
-include $(shell find build/check/$(1) -name '*.d' 2>/dev/null)
endef
$(eval $(call stamps,clang,clang $(FLAGS) $(WARNINGS) \
    -fsyntax-only $$<,$(C_SOURCES)))
$(eval $(call stamps,analyzer,gcc $(FLAGS) $(WARNINGS) -O1 -fanalyzer \
    -c -o /dev/null $$<,$(PLAIN_C)))
$(eval $(call stamps,tidy,clang-tidy --quiet $$< -- $(FLAGS) \
    2>/dev/null,$(C_SOURCES)))

check-format:
	@clang-format --dry-run --Werror $(C_FILES) 2>&1 | \
	    sed -n "s/:.*//; /^[a-z].*[.][ch]$$/p" | uniq -c | \
	    awk "{ print \$$2 \": \" \$$1 \" places (make format)\" } \
	        END { exit NR > 0 }"
format:
	@clang-format -i $(C_FILES)

check-cppcheck: $(GEN_HEADERS)
	@mkdir -p build/check/cppcheck
	@cppcheck --quiet --std=c17 --error-exitcode=1 --inline-suppr -j2 \
	    --suppress='*:build/gen/*.pb-c.h' --suppress=varFuncNullUB \
	    --cppcheck-build-dir=build/check/cppcheck -I. \
	    --enable=warning,performance,portability \
	    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	    --suppress=unusedStructMember $(PLAIN_C)

check-shellcheck:
	@shellcheck -x -- $(SCRIPTS)

check-ruff:
	@ruff check --no-cache --quiet -- $(PYTHON)

check-layers:
	@mk/layers $(C_FILES)

check-sizes:
	@mk/sizes $(C_FILES)

check-banned:
	@mk/banned $(C_FILES)

.PHONY: check format $(PARTS:%=check-%)
