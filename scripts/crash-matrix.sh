#!/usr/bin/env bash
# SIGKILL at every named place, then a restart and a take-over: nothing lost, nothing doubled, and the audit holds. Needs a
# debug build, which has the places. Usage: scripts/crash-matrix.sh [--points a,b] [--ways same,rebuilt,takeover]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh test
python=$(scripts/python-env.sh)
if [ -z "${TIDEGATE_BIN:-}" ]; then
    swift build --product tidegate >&2
    TIDEGATE_BIN="$(swift build --show-bin-path)/tidegate"
fi
export TIDEGATE_BIN
exec "$python" Tests/Clients/crash_matrix.py "$@"
