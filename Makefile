# Kuntur. `make` alone prints this menu. Every target sets up what it needs in .venv from the lock file.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
UV := uv==0.13.9
PAGES := docs/features.md docs/errors.md docs/metrics.md docs/settings.md docs/data.md docs/security-roles.md
GENERATED := kuntur/api kuntur/journal/v1 $(PAGES)
# Tests that start Ray: mostly waiting for it, so beside the others, but one after the other themselves.
ON_RAY := tests/e2e tests/integration/trainer tests/integration/cluster
# Tests that build an image, two minutes of compiling: a target of their own.
ON_IMAGES := tests/integration/images
# Tests that start servers: mostly starts, so beside the others too.
ON_SERVERS := tests/integration/server tests/contract
# Tests that take as long as all others together: a target of their own.
ON_ENDURANCE := tests/endurance
# Tests that start Ray, workers or servers.
STARTING := tests/integration tests/e2e tests/unit/server tests/unit/clients
PYTEST := $(BIN)/python -m pytest
BUSY ?= 2
TIMES ?= 5
MINUTES ?= 30
ONLY ?=
AT_ONCE ?= 1
# The contract as last released, as one image of buf: what callers have, so what must go on working.
RELEASED := protos/released/contract.binpb
PROTOS := $(shell cd protos && find kuntur -name '*.proto' | sort)

help: ## This menu
	@echo 'Kuntur: fraud scoring of bank transactions'; echo
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(READY) ## The whole loop: data, training, serving, streaming, outcomes, retraining, hot reload, evidence (below 10 min)
	$(BIN)/python -m demo

test: $(READY) ## All tests but those of images and endurance
	@mkdir -p build; status=0; echo 'Tests on Ray and on servers run beside the others and are shown behind them.'; \
	$(PYTEST) $(ON_RAY) > build/tests-on-ray.log 2>&1 & on_ray=$$!; \
	$(PYTEST) $(ON_SERVERS) > build/tests-on-servers.log 2>&1 & on_servers=$$!; \
	$(PYTEST) $(addprefix --ignore=,$(ON_RAY) $(ON_SERVERS) $(ON_IMAGES) $(ON_ENDURANCE)) | tee build/tests.log || status=$$?; \
	wait $$on_servers || status=$$?; cat build/tests-on-servers.log; \
	wait $$on_ray || status=$$?; cat build/tests-on-ray.log; exit $$status

test-busy: $(READY) ## All tests beside busy processes (options: BUSY=3)
	@busy=; trap 'kill $$busy' EXIT; \
	for _ in $$(seq $(BUSY)); do $(BIN)/python -c 'while True: pass' & busy+=" $$!"; done; $(MAKE) test

test-repeat: $(READY) ## Tests that start Ray, workers or servers, again and again beside busy processes (options: BUSY=3 TIMES=20)
	@busy=; failed=0; trap 'kill $$busy' EXIT; \
	for _ in $$(seq $(BUSY)); do $(BIN)/python -c 'while True: pass' & busy+=" $$!"; done; \
	for run in $$(seq $(TIMES)); do echo "Run $$run of $(TIMES)"; \
	  $(PYTEST) $(STARTING) --ignore=$(ON_IMAGES) || failed=$$((failed + 1)); done; \
	echo "$$failed of $(TIMES) runs failed"; test $$failed = 0

fuzz: $(READY) ## Fuzz the readers of what strangers may have written, 30 min each (options: MINUTES=5 ONLY=wire,token; downloads atheris)
	@$(BIN)/uv pip install --quiet --no-deps --require-hashes --python $(BIN)/python --target build/fuzzing/atheris -r locks/fuzz.txt
	nice $(BIN)/python -m tests.fuzzing --minutes $(MINUTES) --at-once $(AT_ONCE) --only '$(ONLY)'

coverage: $(READY) ## All tests, and which lines and branches they run (build/coverage/index.html)
	@rm -rf build/coverage; mkdir -p build/coverage; status=0; \
	COVERAGE_RCFILE='$(CURDIR)/pyproject.toml' $(MAKE) test PYTEST='$(BIN)/coverage run -m pytest' || status=$$?; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage html --quiet; $(BIN)/coverage report --skip-covered; exit $$status

test-images: $(READY) ## Build the server's image with buildah, start it, score; as root, two minutes
	$(PYTEST) $(ON_IMAGES)

endurance: $(READY) ## Long tests: kills, losses of power, flipped bits, rebuilds, memory (hours; options: KILLS=20 LOSSES=1000 FLIPS=10000)
	$(PYTEST) --hypothesis-profile=thorough tests/property $(ON_ENDURANCE)
	$(BIN)/python -m tests.support.results

test-grpcio: $(READY) ## The server on the oldest and newest grpcio, within and beyond what is tested (downloads them)
	$(BIN)/python -m tests.support.grpcio.versions

check: generated static test test-images ## All that CI asks: generated code fresh, style, types, boundaries, protos, tests

images: ## Build the images of server and trainer with docker, podman or buildah (options: docker/build.sh)
	docker/build.sh server trainer

serve: $(READY) ## Serve the live model of ./registry (options: ARGS="--config server.toml")
	$(BIN)/kuntur-server serve $(ARGS)

train: $(READY) ## Train and publish (options: ARGS="data.parquet --mapping kuntur")
	$(BIN)/kuntur-trainer train $(ARGS)

bench: $(READY) ## Measure the server against a bare echo and against ONNX Runtime alone
	$(BIN)/python -m bench $(ARGS)

bench-all: $(READY) ## All measurements, the plot and the tables of docs/performance.md (below 25 min)
	$(BIN)/python -m bench.all

setup: $(READY) ## Only set up .venv

static: $(READY) contract ## Style, types, boundaries, protos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

contract: $(READY) build/googleapis/google/rpc/status.proto ## Only the protos: style, and nothing broken since the last release
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code protos
	$(BIN)/buf build --output build/contract.binpb
	$(BIN)/buf breaking build/contract.binpb --against $(RELEASED)

release-protos: $(READY) build/googleapis/google/rpc/status.proto ## Record the protos as released: from then on they are not broken
	$(BIN)/buf build --exclude-source-info --output $(RELEASED)

stubs: $(READY) ## Generate the stubs from protos/
	include=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	$(BIN)/python -m grpc_tools.protoc -Iprotos -I$$include --python_out=. --pyi_out=. $(PROTOS); \
	$(BIN)/python -m grpc_tools.protoc -Iprotos -I$$include --grpc_python_out=. $(filter %_service.proto,$(PROTOS))

generate: stubs ## Generate the stubs, the pages of features, errors, metrics, settings and roles, and the tables of docs/data.md
	$(BIN)/python -m kuntur.features.document > docs/features.md
	$(BIN)/python -m kuntur.fields.document docs/data.md
	$(BIN)/python -m tests.support.error_page > docs/errors.md
	$(BIN)/python -m server.telemetry.document > docs/metrics.md
	$(BIN)/python -m server.settings.document > docs/settings.md
	$(BIN)/python -m server.access.document > docs/security-roles.md

generated: generate
	@test -z "$$(git status --porcelain $(GENERATED))" || { git status --short $(GENERATED); \
	  echo 'What is generated is not up to date: run make generate and commit it.' >&2; exit 1; }

format: $(READY) ## Format code and protos
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/buf format --write protos

lock: $(READY) ## Choose the newest versions of all dependencies and lock them
	$(BIN)/uv pip compile --upgrade $(LOCKED) --extra dev pyproject.toml -o locks/dev.txt
	for part in server client "trainer --extra postgres --extra tracking"; do \
	  $(BIN)/uv pip compile $(LOCKED) --constraint locks/dev.txt --extra $$part pyproject.toml -o locks/$${part%% *}.txt; \
	done
	$(BIN)/uv pip compile --upgrade $(LOCKED) --group fuzz -o locks/fuzz.txt

LOCKED := --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-annotate --no-header

clean: ## Remove what was made, .venv included
	rm -rf .venv build kuntur/__compiled__ demo-run bench/work .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# A marker made last, so that a set-up that was cut off is done again.
$(READY): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Kuntur needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
	  echo 'Python cannot make virtual environments here; on Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Setting up .venv from locks/dev.txt (once, about a minute) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(UV)'
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes locks/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

build/googleapis/google/rpc/status.proto: $(READY)
	mkdir -p $(@D)
	cp "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/google/rpc/status.proto" $@

.PHONY: help demo test test-busy test-repeat test-images test-grpcio endurance fuzz coverage check images serve train bench bench-all setup static contract release-protos stubs generate generated format lock clean
