# `make docs`: the documents that the programs know best. `make check` fails
# where one is out of date.

CONFIGURATION := docs/configuration.md
build/docs/configuration.md: $(SERVICES:%=build/release/bin/pulse-%)
	@mkdir -p $(@D)
	@{ echo '# Configuration'; echo; \
	   echo 'Settings are environment variables. `pulse-SERVICE -n` checks'; \
	   echo 'them and exits; a bad value is one clear line and exit 2.'; \
	   echo 'Secrets may be given as `NAME_FILE`, a file that holds the'; \
	   echo 'value. Made by `make docs` from the programs themselves.'; \
	   for program in $(sort $^); do echo; $$program --conf-markdown; done; \
	 } >$@

docs: build/docs/configuration.md
	@cp $< $(CONFIGURATION)
check-docs: build/docs/configuration.md
	@diff -u $(CONFIGURATION) $< || \
	    { echo '$(CONFIGURATION) is out of date: make docs'; exit 1; }
.PHONY: docs check-docs
