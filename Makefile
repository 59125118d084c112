# Two commands do the work: `make demo` shows the desk, `make test` tests it. `make help` lists the rest.
# Needed: make and Python 3.11 to 3.13, nothing else. Everything goes into .venv; delete it to start over.

SHELL := /bin/sh
.DEFAULT_GOAL := install
.PHONY: install dev demo test lint check bench soak ci lock clean distclean help

PYTHON ?=
ARGS ?=
PY := .venv/bin/python
PYTEST := PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

install: .venv/.project-installed  ## prepare .venv: dependencies from the lock, then this project (what `make` alone does)

dev: install .venv/.dev-installed  ## install, and the tools that `make check` and `make ci` use

demo: install  ## the main job with no account, key or server: open the page it prints (ARGS="--days 10 --seed 7")
	@.venv/bin/wsb demo $(ARGS)

test: install  ## the tests; what this machine cannot run is skipped with its reason (ARGS="-k wheel")
	@$(PYTEST) $(ARGS)

lint: dev
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

check: lint  ## format, lint, types and the import rule
	@$(PY) -m pytest -q tests/test_architecture.py

bench: install  ## every benchmark: its figure, and the ratio to a floor or a peer measured in the same run
	@for file in bench/[a-z]*.py; do \
		name=$$(basename "$$file" .py); \
		echo "== $$name"; \
		$(PY) -m "bench.$$name" || exit 1; \
	done

soak: install  ## the tests that take many minutes
	@$(PY) -m pytest -m soak --timeout 7200 $(ARGS)

ci: dev  ## format, lint, types, then every test with nothing skipped: the browser and PostgreSQL too
	@.ci/packages
	@$(MAKE) --no-print-directory lint
	@WSB_CI=1 $(PYTEST)

clean:  ## remove caches and build output
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove .venv
	@rm -rf .venv

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))

CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11)

.venv/bin/python:
	@for python in $(CANDIDATES); do \
		if "$$python" -c '$(SUITABLE)' 2>/dev/null; then \
			echo "Creating .venv with $$("$$python" --version)"; \
			exec "$$python" -m venv .venv; \
		fi; \
	done; \
	echo "Python 3.11, 3.12 or 3.13 with its venv module is needed, and none of these is one: $(CANDIDATES)." >&2; \
	echo "Install one (on Debian: python3 and python3-venv) or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

.venv/.uv-tried: requirements-uv.lock | .venv/bin/python
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
		|| echo "uv cannot be had here; pip will do its work, more slowly"
	@touch $@

# uv keeps a cache in the home directory: without a writable one it does without.
define install-lock
	@echo "Installing $(1)"
	@[ -d "$$HOME" ] && [ -w "$$HOME" ] || export UV_NO_CACHE=1; \
	{ [ -x .venv/bin/uv ] && .venv/bin/uv pip install --quiet --python $(PY) --compile-bytecode --require-hashes -r $(1); } \
		|| $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@touch $@
endef

.venv/.lock-installed: requirements.lock .venv/.uv-tried
	$(call install-lock,requirements.lock)

.venv/.dev-installed: requirements-dev.lock .venv/.uv-tried
	$(call install-lock,requirements-dev.lock)

.venv/.project-installed: pyproject.toml .venv/.lock-installed
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q alerts bot engine strategies
	@touch $@

COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links

# Wheels only: nothing is built on the user's machine. Plain pip must find this rule in the lock itself.
WHEELS := --only-binary :all:

# $(call compile,FILE,WHAT,WHEELS RULE): uv reads the versions that FILE names and keeps them unless told to upgrade.
define compile
	@$(COMPILE) $(ARGS) $(2) $(3) --output-file $(1)
	@{ echo '# Written by `make lock` from pyproject.toml: exact versions with hashes, for Python 3.11 to 3.13.'; \
		printf '%s %s\n' $(3); echo; cat $(1); } > $(1).new && mv $(1).new $(1)
endef

lock: .venv/.uv-tried  ## write the locks again after a change of pyproject.toml (ARGS=--upgrade for newer versions)
	$(call compile,requirements.lock,pyproject.toml --group build --extra demo --extra postgres --extra providers --extra test,$(WHEELS))
	$(call compile,requirements-dev.lock,pyproject.toml --group build --all-extras --constraint requirements.lock,$(WHEELS))
	$(call compile,requirements-uv.lock,--group uv,$(WHEELS))
