#!/usr/bin/env bash
# The gates that need no engine: format, lint, types, drift, workflows. Each says its name; the first failure ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
export GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off CGO_ENABLED=0
export GOCACHE="$PWD/.imagemill/go/go-cache" GOPATH="$PWD/.imagemill/go/go-path"

gate() { printf '%-28s' "$1" >&2; shift; if out=$("$@" 2>&1); then echo ok >&2; else echo FAILED >&2; printf '%s\n' "$out"; exit 1; fi; }
formatted() { local files; files=$("$bin/go" run cmd/gofmt -l build/init tests/bench/init/load); [ -z "$files" ] || { echo "$files"; return 1; }; }

load_checked() { "$bin/go" -C tests/bench/init/load vet ./... && "$bin/go" -C tests/bench/init/load test ./...; }

gate "format (ruff)" "$bin/python" -m ruff format --no-cache --check .
gate "lint (ruff)" "$bin/python" -m ruff check --no-cache .
gate "types (mypy --strict)" "$bin/python" -m mypy
gate "format (gofmt)" formatted
gate "lint (go vet)" "$bin/go" -C build/init vet ./...
gate "init (go test)" "$bin/go" -C build/init test ./...
gate "bench (go vet, go test)" load_checked
gate "manifests" "$bin/python" -m imagemill validate
gate "schemas" "$bin/python" -m imagemill schema --check
gate "render" "$bin/python" -m imagemill render --check
gate "lock" "$bin/python" -m imagemill lock --check --offline
gate "README tags" "$bin/python" -m imagemill readme --check
gate "dockerfiles (hadolint)" "$bin/hadolint" --no-color tests/golden/*/Dockerfile
gate "workflows (actionlint)" "$bin/actionlint" .github/workflows/*.yml
gate "workflows (zizmor)" "$bin/zizmor" --offline --quiet .github
