#!/usr/bin/env bash
# Starts a cluster on loopback and keeps it until Ctrl-C. Usage: cluster/up.sh [TOPOLOGY] [--directory DIR]; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${TIDEGATE_BIN:-}" ]; then
    scripts/deps.sh test
    swift build -c release --product tidegate
    TIDEGATE_BIN="$(swift build -c release --show-bin-path)/tidegate"
    export TIDEGATE_BIN
fi
exec "$(scripts/python-env.sh)" cluster/cluster.py up "$@"
