# s3-orchestrator: "make help" lists what can be done here.
#
# Everything is built out of tree in $(BUILD). A module is a folder of common/;
# all modules together are one archive, and a program is that archive plus the
# files of its own folder. New files are found by themselves.

VERSION   := 0.1.0
PREFIX    ?= /usr
DESTDIR   ?=
BUILD     ?= build
CC        ?= cc
PYTHON    ?= /usr/bin/python3

# V=1 shows the commands.
Q := $(if $(V),,@)

# Lowest layer first: an include may only point to the left ("make lint").
LAYERS    := base rt net s3proto config db observe store backend placement object ctl
MODULES   ?= $(LAYERS)
PROGRAMS  := proxyd workerd adminctl
PKGS      := libevent_core libevent_pthreads libpq libcurl libssl libcrypto jansson yaml-0.1 expat

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough
ifdef CI
WARN    += -Werror
endif
HARDEN  := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
OPT     := -O2 -g -D_FORTIFY_SOURCE=2
LDHARD  := -pie -Wl,-z,relro -Wl,-z,now -Wl,--as-needed
# SANITIZE=1 builds with ASan and UBSan, into a build folder of its own.
ifdef SANITIZE
override BUILD := $(BUILD)/san
HARDEN  := -fPIE
OPT     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CPPFLAGS += -DS3O_STOP_POINTS
# gold, where it is there, links the sixty programs in a third of the time.
LDHARD  := -pie -fsanitize=address,undefined $(if $(shell command -v ld.gold),-fuse-ld=gold)
SAN_OBJ := $(BUILD)/obj/t/sanitizer/leak_roots.o
endif

CPPFLAGS += -I. -Icommon -I$(BUILD)/gen -D_GNU_SOURCE -DS3O_VERSION='"$(VERSION)"'
CFLAGS   ?= $(OPT)
ALL_CFLAGS = -std=gnu17 $(WARN) $(HARDEN) $(CFLAGS) $(PKG_CFLAGS) -pthread -MMD -MP
LDLIBS    = $(PKG_LIBS) -pthread -lm

COMMON_SRC := $(foreach m,$(MODULES),$(wildcard common/$(m)/*.c))
COMMON_OBJ := $(COMMON_SRC:%.c=$(BUILD)/obj/%.o)
LIB        := $(BUILD)/libs3o.a
UNIT_SRC   := $(wildcard t/unit/test_*.c)
UNIT_BIN   := $(UNIT_SRC:t/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRC   := $(wildcard t/fuzz/fuzz_*.c)
FUZZ_BIN   := $(FUZZ_SRC:t/fuzz/%.c=$(BUILD)/fuzz/%)

.PHONY: all help check unit system lint print-layers format bench fuzz run install man clean
.DELETE_ON_ERROR:
.SECONDARY:

# Tests have their databases migrated by a tool.
all: $(PROGRAMS:%=$(BUILD)/%) $(if $(SANITIZE),$(BUILD)/tools/migrate)

help:
	@echo 'make            build proxyd, workerd and adminctl into $(BUILD)/'
	@echo 'make run        install what is needed, build and start a complete system (Ctrl-C stops it)'
	@echo 'make check      install what the tests need, build with sanitizers, run all tests'
	@echo 'make unit       only the unit tests        make unit T=base_str   only one'
	@echo 'make system     only the system tests      make system T=test_put.py'
	@echo 'make lint       layering, formatting, static analysis, man pages'
	@echo 'make format     rewrite the C files in the project style'
	@echo 'make bench      speed, beside nginx on the same machine'
	@echo 'make fuzz       run every fuzz target      FUZZ_SECONDS=600'
	@echo 'make man        the manual page of the configuration, into $(BUILD)/man'
	@echo 'make install    DESTDIR= PREFIX=/usr'
	@echo 'make clean'

# --- programs ------------------------------------------------------------

define PROGRAM
$(1)_SRC := $$(wildcard $(1)/*.c $(1)/*/*.c)
$$(BUILD)/$(1): $$($(1)_SRC:%.c=$$(BUILD)/obj/%.o) $$(SAN_OBJ) $$(LIB)
	@echo '  LD  $$@'
	$$(Q)$$(CC) $$(LDHARD) -o $$@ $$($(1)_SRC:%.c=$$(BUILD)/obj/%.o) $$(SAN_OBJ) $$(LIB) $$(LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM,$(p))))

$(LIB): $(COMMON_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^

# The coroutine switch uses longjmp between stacks, which the fortified
# longjmp takes for an overflow.
$(BUILD)/obj/common/rt/task.o: ALL_CFLAGS += -U_FORTIFY_SOURCE

# It works before the sanitizers do.
$(BUILD)/obj/t/sanitizer/%.o: ALL_CFLAGS += -fno-sanitize=all

$(BUILD)/obj/%.o: %.c | generated
	@mkdir -p $(@D)
	@echo '  CC  $<'
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# --- generated sources ---------------------------------------------------

SQL_SRC := $(sort $(wildcard sql/migrations/*.sql sql/functions/*.sql sql/queries/*.sql))

.PHONY: generated
generated: $(BUILD)/gen/db_gen.h

$(BUILD)/gen/db_gen.h: sql/generate.py $(SQL_SRC)
	@mkdir -p $(@D)
	$(PYTHON) sql/generate.py $(BUILD)/gen

# --- tests ---------------------------------------------------------------

$(BUILD)/unit/%: $(BUILD)/obj/t/unit/%.o $(SAN_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDHARD) -o $@ $< $(SAN_OBJ) $(LIB) $(LDLIBS) $(shell pkg-config --libs check)

# The outer make must not look at packages that are not there yet: what needs
# them runs in an inner one.
INNER = $(MAKE) --no-print-directory -j$(shell nproc)
SAN   = $(INNER) SANITIZE=1

run:
	@packaging/deps run
	@$(INNER) all
	@packaging/quickstart $(BUILD)

check:
	@packaging/deps test
	@$(SAN) all unit-programs
	@$(INNER) all
	@$(SAN) lint
	@S3O_SHIPPED_BUILD=$(abspath $(BUILD)) t/run-all $(BUILD)/san

unit:
	@$(SAN) unit-programs T='$(T)'
	@t/run-unit $(if $(T),$(BUILD)/san/unit/test_$(T),$(UNIT_SRC:t/unit/%.c=$(BUILD)/san/unit/%))

system:
	@$(SAN) all
	@t/run-system $(BUILD)/san $(T)

.PHONY: unit-programs
unit-programs: $(if $(T),$(BUILD)/unit/test_$(T),$(UNIT_BIN))

lint: man
	@t/lint $(SETTINGS_PAGE)

print-layers:
	@echo $(LAYERS)

format:
	clang-format -i $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')

# Parsers need no loop and no sockets: only their sources are instrumented.
FUZZ_FLAGS := -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_LIB   := $(wildcard common/base/*.c common/s3proto/*.c common/config/*.c) \
              $(addprefix common/net/,http1.c http1_chunked.c http_status.c uri.c)

$(BUILD)/obj-fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) $(CPPFLAGS) $(PKG_CFLAGS) -c -o $@ $<

$(FUZZ_BIN): $(BUILD)/fuzz/%: $(BUILD)/obj-fuzz/t/fuzz/%.o $(FUZZ_LIB:%.c=$(BUILD)/obj-fuzz/%.o)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -o $@ $^ $(LDLIBS)

FUZZ_SECONDS ?= 600
fuzz: $(FUZZ_BIN)
	@for f in $^; do mkdir -p $(BUILD)/corpus/$${f##*/} && \
		echo "== $${f##*/}" && \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
			-artifact_prefix=$(BUILD)/corpus/ $(BUILD)/corpus/$${f##*/} 2>$(BUILD)/corpus/log || \
		{ tail -n 40 $(BUILD)/corpus/log; exit 1; }; \
		grep -E 'number_of_executed_units|new_units_added' $(BUILD)/corpus/log; done

bench:
	@packaging/deps test
	@$(INNER) all
	@t/bench/run $(BUILD)

# The settings part of the page comes from the table that the parser reads.
SETTINGS_PAGE := $(BUILD)/man/s3-orchestrator.yaml.5

man: $(SETTINGS_PAGE)

$(BUILD)/tools/%: $(BUILD)/obj/t/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDHARD) -o $@ $< $(LIB) $(LDLIBS)

$(SETTINGS_PAGE): man/s3-orchestrator.yaml.5.in $(BUILD)/tools/gen_settings_man
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/gen_settings_man <$< >$@

# init_script(name, variable of its options, what starts before it, description)
define init_script
	sed -e 's|@NAME@|$(1)|' -e 's|__OPTIONS__|$(2)|' -e 's| *@AFTER@|$(3)|' -e 's|@DESCRIPTION@|$(4)|' \
		-e 's|@SBIN@|$(PREFIX)/sbin|' packaging/init/daemon.in >"$(DESTDIR)/etc/init.d/$(1)"
	chmod 755 "$(DESTDIR)/etc/init.d/$(1)"
endef

install: all man
	install -d "$(DESTDIR)/etc/init.d" "$(DESTDIR)$(PREFIX)/sbin" "$(DESTDIR)$(PREFIX)/share/man/man5" \
		"$(DESTDIR)$(PREFIX)/share/man/man7" "$(DESTDIR)$(PREFIX)/share/man/man8" \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
		"$(DESTDIR)$(PREFIX)/share/doc/s3-orchestrator/examples" \
		"$(DESTDIR)$(PREFIX)/share/s3-orchestrator/prometheus"
	install -m 755 $(PROGRAMS:%=$(BUILD)/%) "$(DESTDIR)$(PREFIX)/sbin"
	install -m 644 $(wildcard man/*.7) "$(DESTDIR)$(PREFIX)/share/man/man7"
	install -m 644 $(wildcard man/*.8) "$(DESTDIR)$(PREFIX)/share/man/man8"
	install -m 644 $(SETTINGS_PAGE) "$(DESTDIR)$(PREFIX)/share/man/man5"
	install -m 644 etc/adminctl.bash \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/adminctl"
	install -m 644 README.md CHANGELOG.md LICENSE "$(DESTDIR)$(PREFIX)/share/doc/s3-orchestrator"
	$(call init_script,proxyd,PROXYD_OPTS,,S3 front end of s3-orchestrator)
	$(call init_script,workerd,WORKERD_OPTS, proxyd,background jobs of s3-orchestrator)
	install -m 644 etc/alerts.yml "$(DESTDIR)$(PREFIX)/share/s3-orchestrator/prometheus"
	install -m 644 etc/*.yaml "$(DESTDIR)$(PREFIX)/share/doc/s3-orchestrator/examples"

clean:
	rm -rf $(BUILD)
