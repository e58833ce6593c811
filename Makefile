# SPDX-License-Identifier: Apache-2.0
#
# cubelet. `make help` lists what there is to do.
#
# One Makefile for the whole tree. layers.mk says which folder may use which; sources are found by name:
# foo.c belongs to its folder's archive, foo_test.c is a unit test, foo_fuzz.c a fuzz target.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 10
CUBELET_CACHE ?= $(HOME)/.cache/cubelet
DEPS := $(CUBELET_CACHE)/deps
MULTIARCH = $(shell gcc -print-multiarch)
KUBELET ?= ours
export CUBELET_CACHE KUBELET

include layers.mk

# ---- sources ----

folders := $(filter-out gen pkg/test,$(patsubst needs.%,%,$(filter needs.%,$(.VARIABLES))))
protos := $(wildcard proto/*.proto proto/*/*.proto)
gen_c := $(protos:proto/%.proto=build/gen/%.pb-c.c)
gen_h := $(gen_c:.c=.h)
src_of = $(filter-out %_test.c %_fuzz.c %/main.c,$(wildcard $(1)/*.c))
tests := $(foreach f,$(folders) pkg/test,$(wildcard $(f)/*_test.c))
fuzzers := $(foreach f,$(folders),$(wildcard $(f)/*_fuzz.c))

# Folders and all that they need, each once, users before what they use.
closure = $(call uniq,$(foreach f,$(1),$(f) $(foreach n,$(needs.$(f)),$(call closure,$(n)))))
uniq = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))
all_libs = $(foreach f,$(1),$(libs.$(f)))

# ---- flags ----

warnings := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla \
	-Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings -Wdate-time -Wimplicit-fallthrough -Wno-unused-parameter
common := -std=c17 -D_GNU_SOURCE -I. -Ibuild/gen -isystem $(DEPS)/include -fno-common -fno-strict-aliasing \
	-ffunction-sections -fdata-sections -fstack-protector-strong -g
flags.opt := $(common) -O2 -D_FORTIFY_SOURCE=2
flags.san := $(common) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
flags.fuzz := $(flags.san) -fsanitize=fuzzer-no-link
cc.opt := $(CC)
cc.san := $(CC)
cc.fuzz := $(FUZZ_CC)
# Packed relocations: a tenth of the pages that the loader has to read, in every process of ours.
link.opt := -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,pack-relative-relocs -pie
link.san := -fsanitize=address,undefined
link.fuzz := -fsanitize=fuzzer,address,undefined

# ---- compiling: build/VARIANT/FOLDER/foo.o and build/VARIANT/FOLDER.a ----

build/gen/%.pb-c.c build/gen/%.pb-c.h: proto/%.proto
	@mkdir -p build/gen
	protoc-c -Iproto -I/usr/include --c_out=build/gen $<

define variant_rules
build/$(1)/gen/%.pb-c.o: build/gen/%.pb-c.c | $$(gen_h)
	@mkdir -p $$(@D)
	$$(cc.$(1)) $$(flags.$(1)) -w -Os -DNDEBUG -MMD -MP -c $$< -o $$@
build/$(1)/%.o: %.c | $$(gen_h)
	@mkdir -p $$(@D)
	$$(cc.$(1)) $$(flags.$(1)) $$(warnings) $$(cflags.$$(patsubst %/,%,$$(dir $$<))) -MMD -MP -c $$< -o $$@
build/$(1)/gen.a: $$(gen_c:build/gen/%.c=build/$(1)/gen/%.o)
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach v,opt san fuzz,$(eval $(call variant_rules,$(v))))

define archive_rules
build/$(1)/$(2).a: $$(patsubst %.c,build/$(1)/%.o,$$(call src_of,$(2)))
	@mkdir -p $$(@D)
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach v,opt san fuzz,$(foreach f,$(folders) pkg/test,$(eval $(call archive_rules,$(v),$(f)))))

archives = $(foreach f,$(2),build/$(1)/$(f).a)

# $(1) variant, $(2) output, $(3) main object, $(4) folders
define program_rule
$(2): $(3) $$(call archives,$(1),$$(call closure,$(4)) $(5))
	@mkdir -p $$(@D)
	$$(cc.$(1)) $$(link.$(1)) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$(filter-out $$<,$$^)) \
		$$(call all_libs,$$(call closure,$(4))) -Wl,--end-group
endef

test_folders = $(foreach f,$(patsubst %/,%,$(dir $(1))),$(f) $(tests.$(f)))
$(eval $(call program_rule,opt,build/kubelet,build/opt/kubelet/main.o,kubelet,))
$(foreach t,$(tests),$(eval $(call program_rule,san,$(t:%.c=build/unit/%),$(t:%.c=build/san/%.o),$(call test_folders,$(t)),pkg/test pkg/base)))
$(foreach t,$(fuzzers),$(eval $(call program_rule,fuzz,$(t:%.c=build/fuzzers/%),$(t:%.c=build/fuzz/%.o),$(patsubst %/,%,$(dir $(t))),)))

$(eval $(call program_rule,san,build/interop/roundtrip,build/san/e2e/interop/roundtrip.o,pkg/codec,))

-include $(shell find build -name '*.d' 2>/dev/null)
.SECONDARY:

# ---- what people call ----

.PHONY: print-layers all help deps unit lint layers fuzz interop e2e e2e-v2 test test-full bench images up up.run down env install clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

all: build/kubelet ## the programs, in build/

deps: $(DEPS)/lib/.done ## Debian packages that are missing, and the library that Debian does not have in our form
$(DEPS)/lib/.done: tools/deps.sh
	tools/install.sh
	tools/deps.sh $(DEPS)
$(gen_c) $(gen_h): | $(DEPS)/lib/.done
$(foreach v,opt san fuzz,$(patsubst %.c,build/$(v)/%.o,$(wildcard pkg/net/*.c))): | $(DEPS)/lib/.done
$(tests:%.c=build/unit/%) $(fuzzers:%.c=build/fuzzers/%) build/kubelet: | $(DEPS)/lib/.done

unit: $(tests:%.c=build/unit/%) ## unit tests under the address and undefined-behaviour sanitizers
	tools/unit.sh $^

fuzz: $(fuzzers:%.c=build/fuzzers/%) ## every fuzz target for FUZZ_SECONDS
	tools/fuzz.sh $(FUZZ_SECONDS) $^

lint: layers ## layers, banned functions, sizes, format, static checks
	tools/lint.sh

print-layers:
	@$(foreach f,$(folders) pkg/test,echo "needs $(f) $(strip $(needs.$(f)))"; echo "public $(f) $(public.$(f))"; echo "tests $(f) $(tests.$(f))";)
	@echo "common $(kubelet.pkg)"

layers: ## only the include rules of layers.mk
	tools/layers.sh

interop: ## our .proto files and codecs against the official Go modules
	e2e/interop/run.sh

e2e: all ## end-to-end cases on a stock cluster; CASE=name runs one, KUBELET=stock takes the stock kubelet
	e2e/run.sh $(CASE)

e2e-v2: all ## on a node with cgroup v2, in user-mode-linux: the stock kubelet first, then ours
	KUBELET=stock e2e/uml/run.sh $(CASE)
	KUBELET=ours e2e/uml/run.sh $(CASE)

test: ## everything that guards a commit; ends with one line "N passed, N failed, N skipped"
	tools/test.sh

test-full: ## the long suites too; FUZZ_SECONDS=10 makes two hours of three
	tools/test.sh full

bench: all ## stock kubelet and ours side by side
	e2e/bench/bench.sh

images: ## the test images, from Debian packages
	e2e/images/build.sh

# It ends with the exit code of the command in the pod. Without end-with, make says which one it was and ends with 2.
ifneq ($(filter up,$(MAKECMDGOALS)),)
-load build/make_exit.so
build/make_exit.so: tools/make_exit.c
	@mkdir -p build && $(CC) -O2 -shared -fPIC -o $@ $< 2>/dev/null || true
endif

up.run:
	@mkdir -p build; e2e/rig/rig.sh up; echo $$? >build/up.code
up: up.run ## a one-node cluster whose node is ours; ends in a shell inside the pod nginx
	@$(if $(filter-out 0,$(file <build/up.code)),$(end-with $(file <build/up.code)))exit $(file <build/up.code)

down: ## removes everything that `make up` made
	e2e/rig/rig.sh down

env: ## export lines for a shell: PATH, KUBECONFIG, CONTAINER_RUNTIME_ENDPOINT
	@e2e/rig/rig.sh env

install: all ## programs to $(DESTDIR)$(PREFIX)/bin
	install -D -m 0755 build/kubelet $(DESTDIR)$(or $(PREFIX),/usr/local)/bin/kubelet

clean:
	rm -rf build
