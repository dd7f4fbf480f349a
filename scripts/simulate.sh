#!/usr/bin/env bash
# Runs the simulator optimised. Usage: scripts/simulate.sh, with any of
#   SEEDS=100000 FROM=0 JOBS=2     that many seeds from FROM on; stops at the first violation
#   SEED=17                        one seed, with the last LINES (default 60) of its events
#   MUTANT=incfence SCENARIO=lost_object COVERAGE=1
set -euo pipefail
cd "$(dirname "$0")/.."
arguments=()
[ -n "${SEED:-}" ] && arguments+=(--seed "$SEED" --lines "${LINES:-60}")
[ -n "${MUTANT:-}" ] && arguments+=(--mutant "$MUTANT")
[ -n "${SCENARIO:-}" ] && arguments+=(--scenario "$SCENARIO")
[ -n "${COVERAGE:-}" ] && arguments+=(--coverage)
swift build -c release --product simulate >&2
exec "$(swift build -c release --show-bin-path)/simulate" \
    --seeds "${SEEDS:-10000}" --from "${FROM:-0}" --jobs "${JOBS:-$(nproc)}" "${arguments[@]}"
