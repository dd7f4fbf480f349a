#!/usr/bin/env bash
# The storage engine by itself, on LMDB + directory and on etcd + SeaweedFS: rows a second into one object, CPU a row beside
# the plain SQLite loop, take-over of a slot, memory with many gateways. Usage: scripts/bench-slots.sh [--rows N] [--tail N]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh test
python=$(scripts/python-env.sh)
if [ -z "${TIDEGATE_BIN:-}" ]; then
    swift build -c release --product tidegate >&2
    TIDEGATE_BIN="$(swift build -c release --show-bin-path)/tidegate"
fi
export TIDEGATE_BIN
exec "$python" Tests/Clients/bench_slots.py "$@"
