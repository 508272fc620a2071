#!/bin/sh
# Installs what tests/it/interop.rs needs: the npm packages of package-lock.json and the Python packages of
# requirements.txt, both beside this file. Needs node >= 20 with npm and python3 with venv. May be run again at any time.
set -eu
cd "$(dirname "$0")"

npm ci --no-audit --no-fund

# A virtual environment that was moved or made by an interpreter that is gone does not run.
if ! .venv/bin/python -c '' 2>/dev/null; then
    python3 -m venv --clear .venv
fi
.venv/bin/python -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
