#!/usr/bin/env bash
# Shows every node of the cluster. Usage: cluster/status.sh [--json]; exits 1 when one does not answer.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "$(scripts/python-env.sh)" cluster/cluster.py status "$@"
