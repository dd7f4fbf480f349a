#!/usr/bin/env bash
# Builds and runs every test: swift test, then the client tests. What failed is named again at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh test
python=$(scripts/python-env.sh)
swift build --build-tests
swift_failed=0
# A few tests at a time: hundreds at once on two cores make every deadline a matter of luck. And a limit: a test that hangs
# must not hold everybody up for as long as CI waits.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${TIDEGATE_TEST_WIDTH:-6}
swift_log=$(mktemp)
trap 'rm -f "$swift_log"' EXIT
timeout --kill-after=10 900 swift test --parallel --skip-build 2>&1 | tee "$swift_log" || swift_failed=$?
TIDEGATE_BIN="$(swift build --show-bin-path)/tidegate"
export TIDEGATE_BIN
clients_failed=0
"$python" -m pytest Tests/Clients -q -p no:cacheprovider || clients_failed=$?
# What failed stands last: whoever reads only the end of a long output must see it.
if [ "$swift_failed" -ne 0 ]; then
  echo "swift test failed (exit code $swift_failed):" >&2
  grep -E -A 4 "recorded an issue|^✘|Fatal error|error: Exited" "$swift_log" | cut -c1-400 | tail -n 60 >&2 || true
fi
[ "$swift_failed" -eq 0 ] && [ "$clients_failed" -eq 0 ]
