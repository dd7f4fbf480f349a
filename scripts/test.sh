#!/usr/bin/env bash
# Builds and runs every test. The last line is pytest's own summary; swift test's stands above it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh test
python=$(scripts/python-env.sh)
swift build --build-tests
swift_failed=0
# A few tests at a time: hundreds at once on two cores make every deadline a matter of luck. And a limit: a test that hangs
# must not hold everybody up for as long as CI waits.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${TIDEGATE_TEST_WIDTH:-6}
timeout --kill-after=10 900 swift test --parallel --skip-build || swift_failed=$?
TIDEGATE_BIN="$(swift build --show-bin-path)/tidegate"
export TIDEGATE_BIN
if [ "$swift_failed" -ne 0 ]; then echo "swift test failed (its summary is above)" >&2; fi
clients_failed=0
"$python" -m pytest Tests/Clients -q -p no:cacheprovider || clients_failed=$?
[ "$swift_failed" -eq 0 ] && [ "$clients_failed" -eq 0 ]
