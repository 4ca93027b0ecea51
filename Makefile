# imagemill: `make` lists what there is. The two that matter: `make images` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
MILL := $(PY) -m imagemill
SET ?= default
ENGINE ?= embedded
IMAGES ?=
ARGS ?=
BENCH ?= plan nothing engines architectures compression phases memory cold conform push verify init/bench

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 22
	@echo '  variables: IMAGES="python3.13 …"  SET=default|all  ENGINE=embedded|docker|buildah  ARGS="…"; of releases: docs/releasing.md'

.PHONY: images
images: .venv/images.stamp ## build the images into dist/ (IMAGES, SET, ENGINE)
	@$(MILL) build --set $(SET) --engine $(ENGINE) $(ARGS) $(IMAGES)

.PHONY: test
test: .venv/dev.stamp ## install what running images needs, build the images, run every test and conformance
	@bash tests/engines.sh
	@$(MAKE) images ARGS=
	@$(PY) -m pytest $(ARGS)
	@$(MILL) conform --report json=dist/conformance.json --report junit=dist/conformance.xml --report html=dist/conformance.html

.PHONY: unit
unit: .venv/dev.stamp ## run the tests that need no engine and no network
	@$(PY) -m pytest -m 'not engine and not network' $(ARGS)

.PHONY: check
check: .venv/dev.stamp ## format, lint, types, goldens, schemas, workflows, unit tests
	@bash tests/check.sh
	@$(PY) -m pytest -q -m 'not engine and not network'

.PHONY: format
format: .venv/dev.stamp ## format the sources
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .
	@.venv/bin/go fmt -C build/init ./... && .venv/bin/go fmt -C tests/bench/init/load ./...

.PHONY: render
render: .venv/images.stamp ## write the committed render, the schemas and the tables of the README
	@$(MILL) render && $(MILL) schema && $(MILL) readme

.PHONY: conform
conform: .venv/images.stamp ## judge the built images (IMAGES)
	@$(MILL) conform $(ARGS) $(IMAGES)

.PHONY: bench
bench: .venv/dev.stamp ## measure, as ratios in one run (BENCH="plan engines …"; all takes an hour on two cores)
	@for part in $(BENCH); do $(PY) tests/bench/$$part.py $(ARGS) || exit 1; done

.PHONY: soak
soak: .venv/dev.stamp ## have 64 clients call the init for 10 minutes, and judge every answer (ARGS=--minutes=1)
	@$(PY) tests/bench/init/soak.py --requests 10000
	@$(PY) tests/bench/init/soak.py $(ARGS)

.PHONY: source
source: .venv/dev.stamp ## compile CPython and Ruby from source for both architectures and try their images (ARGS="-k ruby"; hours)
	@bash tests/engines.sh
	@$(PY) -m pytest -m source --durations=0 $(ARGS) tests/source

.PHONY: lock
lock: .venv/dev.stamp ## resolve again what images and the factory are made of
	@$(MILL) lock --update
	@for group in images dev; do .venv/bin/uv pip compile -q --upgrade pyproject.toml --universal --python-version 3.11 \
	  --no-python-downloads --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" --group images \
	  $$([ $$group = dev ] && echo --group dev -c requirements/images.txt) -o requirements/$$group.txt; done

include build/release.mk

.PHONY: clean
clean: ## remove dist and finished layers (keeps downloads)
	rm -rf dist .imagemill/layers .imagemill/scratch .imagemill/python .imagemill/go

.PHONY: distclean
distclean: clean ## remove everything that was made or downloaded in the checkout
	rm -rf .imagemill .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: setup
setup: .venv/images.stamp ## what `make images` needs, inside the checkout

.venv/images.stamp: requirements/images.txt build/setup.sh pyproject.toml
	@bash build/setup.sh images
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/images.stamp
	@bash build/setup.sh dev
	@touch $@
