# mailvet: `make demo` shows it, `make test` proves it. Everything is installed into $(VENV).
# Debian's own, which the packages below are for, and which is faster than many built by hand
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV ?= .venv
BIN := $(VENV)/bin
BUILD_PACKAGES := gcc libc6-dev libmilter-dev python3-dev python3-venv
DEMO_PACKAGES := postfix
TEST_PACKAGES := postfix postgresql util-linux opendkim spamassassin dovecot-sieve
BENCH_PACKAGES := opendmarc nsd unbound iproute2
ROOT := $(filter 0,$(shell id -u))
# of a target: all it needs, so that what is missing is said, or installed, once and first
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

# JOBS: files of tests at a time, each with a Postfix of its own where it needs one
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

# seconds for each target; FUZZ="header tags" for some of them
SECONDS ?= 60
fuzz: build
	-$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(FUZZ)

clean:
	rm -rf $(VENV) build *.egg-info milter/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
