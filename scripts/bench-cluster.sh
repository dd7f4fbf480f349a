#!/usr/bin/env bash
# Figures of a cluster of real processes on this machine: fail-over, hand-off, changes of settings, an idle node. About six
# minutes. Usage: scripts/bench-cluster.sh [--parts kill,drain,settings,idle]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh test
python=$(scripts/python-env.sh)
if [ -z "${TIDEGATE_BIN:-}" ]; then
    swift build -c release --product tidegate >&2
    TIDEGATE_BIN="$(swift build -c release --show-bin-path)/tidegate"
fi
export TIDEGATE_BIN
exec "$python" Tests/Clients/bench_cluster.py "$@"
