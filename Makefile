# mailvet: `make demo` shows it, `make test` proves it. Everything is installed into $(VENV).
# Debian's Python by default: the packages below are for it, and it is faster than many that were built by hand
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV ?= .venv
BIN := $(VENV)/bin
BUILD_PACKAGES := gcc libc6-dev libmilter-dev python3-dev python3-venv
DEMO_PACKAGES := postfix
TEST_PACKAGES := postfix postgresql util-linux opendkim spamassassin dovecot-sieve
BENCH_PACKAGES := opendmarc nsd unbound iproute2
ROOT := $(filter 0,$(shell id -u))
# All Debian packages that a target needs, so that missing ones are named, or installed, before anything else runs
PACKAGES = $(BUILD_PACKAGES)
demo: PACKAGES = $(BUILD_PACKAGES) $(if $(ROOT),$(DEMO_PACKAGES))
test conformance: PACKAGES = $(BUILD_PACKAGES) $(TEST_PACKAGES)
bench: PACKAGES = $(BUILD_PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES)

.NOTPARALLEL:
.PHONY: build packages who demo test lint run bench conformance fuzz clean
build: packages $(VENV)/.built

packages:
	@scripts/debian-packages.sh $(PACKAGES)

who:
	@$(if $(ROOT),:,echo "Not root: $(NOT_ROOT)")
demo: NOT_ROOT = a stand-in plays Postfix, whose master starts only as root. With the real one: sudo make demo
test: NOT_ROOT = tests with a real Postfix are skipped, since its master starts only as root. All tests: sudo make test
bench: NOT_ROOT = the benchmark needs Postfix and network namespaces. Say: sudo make bench

$(VENV)/.built: pyproject.toml requirements-build.txt requirements-dev.txt Makefile scripts/debian-packages.sh
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-build.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

demo: who build
	$(BIN)/python -m scripts.demo

# JOBS: test files that run at a time; each has a Postfix of its own where it needs one
JOBS ?= 2
test: who build
	scripts/npm-reader.sh $(VENV)/readers
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TESTS)

PYTHON_CODE := milter tests lab bench scripts
lint: build
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/mypy
	$(BIN)/python -m scripts.audit

run: build
	$(BIN)/mailvet serve

bench: who build
	$(BIN)/python -m bench.run

conformance: build
	$(BIN)/python scripts/conformance.py

# SECONDS for each fuzz target; FUZZ="header tags" runs these two alone
SECONDS ?= 60
fuzz: build
	-$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(FUZZ)

clean:
	rm -rf $(VENV) build *.egg-info milter/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
