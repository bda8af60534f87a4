# SPDX-License-Identifier: MIT
# Thin over meson: each target makes its build folder once and lets ninja do the rest.
#
#   make            the program build/leat, the libraries build/libleat.so and build/libleat.a
#   make run        install what is missing, build, and show leat at work on this machine's documentation
#   make check      install what is missing, build with warnings as errors, run all tests
#   make asan tsan  the tests under AddressSanitizer + UBSan; those of runtime and engine under ThreadSanitizer
#   make hostile    the runtime's tests and the examples in a build where what is rare happens all the time
#   make fuzz       look for inputs that break what reads them, for TIME=60 seconds; FUZZ="name …" chooses (needs clang)
#   make prove      everything that looks harder than check does, for some hours; PARTS="name …" chooses (tests/prove)
#   make bench      leat next to Go and pthreads
#   make install    DESTDIR= and prefix= as usual
#   make format     clang-format over all C
#
# CC=clang builds with clang. TESTS="name …" runs only tests whose name contains one of the names.

prefix ?= /usr/local
DESTDIR ?=
TESTS ?=
TESTFLAGS ?=
PARTS ?=
TIME ?= 60
FUZZ ?=
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
hostile_environment = LEAT_TEST_SCALE=$${LEAT_TEST_SCALE:-0.05} LEAT_TEST_TIMEOUT=$${LEAT_TEST_TIMEOUT:-300}
asan_options = -Db_sanitize=address$(comma)undefined -Db_lundef=false -Dbuildtype=debugoptimized -Db_ndebug=false
tsan_options = -Db_sanitize=thread -Db_lundef=false -Dbuildtype=debugoptimized -Db_ndebug=false
tsan_environment = TSAN_OPTIONS=exitcode=66:second_deadlock_stack=1

.PHONY: all packages run check asan tsan hostile hostile-short hostile-asan hostile-tsan fuzz prove bench install format clean

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
	$(call configure,build-asan,-Dwerror=true $(asan_options))
	@$(NINJA) -C build-asan
	@$(asan_environment) tests/run build-asan $(TESTFLAGS) $(TESTS)

tsan:
	@tools/install-packages build check
	$(call configure,build-tsan,-Dwerror=true $(tsan_options))
	@$(NINJA) -C build-tsan
	@$(tsan_environment) setarch -R tests/run build-tsan --kind c $(TESTFLAGS) $(or $(TESTS),test-run)

hostile:
	@tools/install-packages build check
	$(call configure,build-hostile,-Dwerror=true -Dhostile=true)
	@$(NINJA) -C build-hostile
	@$(hostile_environment) tests/run build-hostile $(TESTFLAGS) $(or $(TESTS),test-run examples.bats)

# Only the runtime's tests, which are built in a few seconds.
hostile-short:
	@tools/install-packages build check
	$(call configure,build-hostile,-Dwerror=true -Dhostile=true)
	@$(NINJA) -C build-hostile runtime-tests
	@$(hostile_environment) tests/run build-hostile --kind c --limit 400 $(TESTFLAGS) $(or $(TESTS),test-runtime)

hostile-asan:
	@tools/install-packages build check
	$(call configure,build-hostile-asan,-Dwerror=true -Dhostile=true $(asan_options))
	@$(NINJA) -C build-hostile-asan runtime-tests
	@$(asan_environment) $(hostile_environment) tests/run build-hostile-asan --kind c --limit 400 $(TESTFLAGS) $(or $(TESTS),test-runtime)

hostile-tsan:
	@tools/install-packages build check
	$(call configure,build-hostile-tsan,-Dwerror=true -Dhostile=true $(tsan_options))
	@$(NINJA) -C build-hostile-tsan runtime-tests
	@$(tsan_environment) $(hostile_environment) setarch -R tests/run build-hostile-tsan --kind c --limit 400 $(TESTFLAGS) $(or $(TESTS),test-runtime)

fuzz: export CC = clang
fuzz:
	@tools/install-packages build check fuzz
	$(call configure,build-fuzz,$(asan_options) -Dfuzz=true)
	@$(NINJA) -C build-fuzz fuzz-targets
	@tests/fuzz/run build-fuzz --time $(TIME) $(FUZZ)

prove:
	@tests/prove $(PARTS)

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
