# mailvet: `make demo` shows it, `make test` proves it. Everything is installed into $(VENV).
# Debian's own, which the packages below are for, and which is faster than many built by hand
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV ?= .venv
BIN := $(VENV)/bin
BUILD_PACKAGES := gcc libc6-dev libmilter-dev python3-dev python3-venv
DEMO_PACKAGES := postfix
TEST_PACKAGES := postfix postgresql util-linux opendkim dovecot-sieve
BENCH_PACKAGES := opendmarc nsd unbound iproute2

.PHONY: build demo test lint run bench conformance fuzz clean
build: $(VENV)/.built

$(VENV)/.built: pyproject.toml requirements-build.txt requirements-dev.txt Makefile scripts/debian-packages.sh
	scripts/debian-packages.sh $(BUILD_PACKAGES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-build.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

demo: build
	scripts/debian-packages.sh $(DEMO_PACKAGES)
	$(BIN)/python scripts/demo.py

test: build
	scripts/debian-packages.sh $(TEST_PACKAGES)
	$(BIN)/python -m pytest $(TESTS)

lint: build
	$(BIN)/ruff check milter tests bench scripts
	$(BIN)/mypy

run: build
	$(BIN)/mailvet serve

bench: build
	scripts/debian-packages.sh $(TEST_PACKAGES) $(BENCH_PACKAGES)
	$(BIN)/python -m bench.run

conformance: build
	scripts/debian-packages.sh $(TEST_PACKAGES)
	$(BIN)/python scripts/conformance.py

# seconds for each target; FUZZ="header tags" for some of them
SECONDS ?= 60
fuzz: build
	-$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS) $(FUZZ)

clean:
	rm -rf $(VENV) build *.egg-info milter/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
