#!/usr/bin/env bash
# nginx proxy_pass and Tidegate on the same work, side by side; a table and bench.json. Usage: scripts/bench.sh [--soak] [--seconds N] [--rounds N]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh bench
python=$(scripts/python-env.sh)
if [ -z "${TIDEGATE_BIN:-}" ]; then
    swift build -c release --product tidegate >&2
    TIDEGATE_BIN="$(swift build -c release --show-bin-path)/tidegate"
fi
export TIDEGATE_BIN
mkdir -p .build
exec "$python" Tests/Benchmarks/proxy/bench.py --report .build/bench.json "$@"
