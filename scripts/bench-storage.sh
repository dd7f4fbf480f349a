#!/usr/bin/env bash
# Measures one gateway's object with many rows: hot, sealed, from the store (issue 3 §5). Everything lies in a folder that goes.
# Usage: scripts/bench-storage.sh [ROWS, default 10000000] [BODY-BYTES, default 0] [--full-text]
set -euo pipefail
cd "$(dirname "$0")/.."
swift build -c release --product tidegate
folder=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT
.build/release/tidegate bench-storage --folder "$folder/run" --rows "${1:-10000000}" --body-bytes "${2:-0}" "${@:3}"
