#!/bin/sh
# Installs what tests/it/interop.rs needs: the npm packages of package-lock.json and the Python packages of
# requirements.txt, both beside this file. Needs node 20 or newer with npm, and python 3.10 or newer with venv. May be run
# again at any time; what is installed already stays.
set -eu
cd "$(dirname "$0")"

# Each copy is written last, so it says that the installation beside it is whole.
if ! cmp -s package-lock.json node_modules/.installed-from; then
    npm ci --no-audit --no-fund
    cp package-lock.json node_modules/.installed-from
fi

# A virtual environment that was moved, or made by an interpreter that is gone, does not run.
if ! .venv/bin/python -c '' 2>/dev/null; then
    python3 -m venv --clear .venv
fi
if ! cmp -s requirements.txt .venv/installed-from; then
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
    cp requirements.txt .venv/installed-from
fi
