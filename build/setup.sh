#!/usr/bin/env bash
# Sets up, inside the checkout, what a group of work needs: `build/setup.sh images` or `build/setup.sh dev`.
# Nothing is installed system-wide. Package hashes are in requirements/, the index is pip's own.
set -euo pipefail
cd "$(dirname "$0")/.."
group=$1
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; say "  $2"; exit 1; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  die "imagemill needs Python 3.11 or newer, $("$python" --version 2>&1 || echo 'and there is no python3') is here" \
      "install it (Debian: apt-get install python3 python3-venv) or set PYTHON=/path/to/python3"

if [ ! -x .venv/bin/python ]; then
  say "setting up .venv"
  "$python" -m venv .venv 2>/dev/null || {
    rm -rf .venv
    die "python's venv module does not work here" "install it (Debian: apt-get install python3-venv)"
  }
fi
say "installing the pinned packages of requirements/$group.txt"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
  --require-hashes --only-binary :all: -r "requirements/$group.txt" 2> >(grep -v '^WARNING: Location' >&2) ||
  die "pip could not install requirements/$group.txt" "see its message above; it uses pip's own configuration"
if [ "$group" = images ]; then
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
fi
