#!/usr/bin/env bash
# Makes the Python environment of the client tests in .build-python and prints its interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=Tests/Clients/requirements.txt
if ! cmp -s "$wanted" .build-python/installed.txt; then
    rm -rf .build-python
    python3 -m venv .build-python >&2
    .build-python/bin/python -m pip install --quiet --disable-pip-version-check -r "$wanted" >&2
    cp "$wanted" .build-python/installed.txt
fi
echo "$PWD/.build-python/bin/python"
