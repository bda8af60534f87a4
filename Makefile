# SPDX-License-Identifier: MIT
# Thin over meson: each target makes its build folder once and lets ninja do the rest.
#
#   make            the program build/leat, the libraries build/libleat.so and build/libleat.a
#   make run        install what is missing, build, and show leat at work on this machine's documentation
#   make check      install what is missing, build with warnings as errors, run all tests
#   make asan tsan  the tests under AddressSanitizer + UBSan; those of runtime and engine under ThreadSanitizer
#   make bench      leat next to Go and pthreads
#   make install    DESTDIR= and prefix= as usual
#   make format     clang-format over all C
#
# CC=clang builds with clang. TESTS="name …" runs only tests whose name contains one of the names.

prefix ?= /usr/local
DESTDIR ?=
TESTS ?=
TESTFLAGS ?=
MESON = meson
NINJA = ninja

ifneq ($(origin CC),default)
export CC
endif

# $(call configure,FOLDER,OPTIONS): set FOLDER up, again from nothing when another compiler or other options are asked for.
configure = @wanted='$(CC) $(2)'; \
	if [ "$$(cat $(1)/.made-with 2>/dev/null)" != "$$wanted" ]; then \
		rm -rf $(1) && $(MESON) setup $(1) $(2) >$(1).log 2>&1 || { cat $(1).log; rm -f $(1).log; exit 1; }; \
		rm -f $(1).log; printf '%s\n' "$$wanted" >$(1)/.made-with; \
	fi

asan_environment = ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=0:allocator_may_return_null=1 \
	UBSAN_OPTIONS=print_stacktrace=1 LEAT_CFLAGS=-fsanitize=address,undefined
tsan_environment = TSAN_OPTIONS=exitcode=66:second_deadlock_stack=1

.PHONY: all packages run check asan tsan bench install format clean

all:
	@tools/install-packages build
	$(call configure,build,-Dtests=false)
	@$(NINJA) -C build

run: all
	@tools/demo build

check:
	@tools/install-packages build check
	$(call configure,build-check,-Dwerror=true)
	@$(NINJA) -C build-check all benchmarks
	@tests/run build-check $(TESTFLAGS) $(TESTS)

asan:
	@tools/install-packages build check
	$(call configure,build-asan,-Dwerror=true -Db_sanitize=address$(comma)undefined -Db_lundef=false -Dbuildtype=debugoptimized -Db_ndebug=false)
	@$(NINJA) -C build-asan
	@$(asan_environment) tests/run build-asan --limit 400 $(TESTFLAGS) $(TESTS)

tsan:
	@tools/install-packages build check
	$(call configure,build-tsan,-Dwerror=true -Db_sanitize=thread -Db_lundef=false -Dbuildtype=debugoptimized -Db_ndebug=false)
	@$(NINJA) -C build-tsan
	@$(tsan_environment) setarch -R tests/run build-tsan --kind c --limit 400 $(TESTFLAGS) $(or $(TESTS),test-run)

bench: all
	@tools/install-packages bench || echo "leat: without Go its columns stay empty"
	@bench/run --build build $(BENCH)

install: all
	@$(MESON) configure build -Dprefix=$(prefix)
	@DESTDIR="$(DESTDIR)" $(MESON) install -C build

format:
	@tools/install-packages develop
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build build-*

comma = ,
