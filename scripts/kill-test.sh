#!/usr/bin/env bash
# SIGKILL under load, again and again: no captured row may be lost or doubled. Usage: scripts/kill-test.sh --rounds 20 [--seed N] [--shared]
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(scripts/python-env.sh)
if [ -z "${TIDEGATE_BIN:-}" ]; then
    scripts/deps.sh build
    swift build -c release --product tidegate >&2
    TIDEGATE_BIN="$(swift build -c release --show-bin-path)/tidegate"
fi
export TIDEGATE_BIN
exec "$python" Tests/Clients/kill_test.py "$@"
