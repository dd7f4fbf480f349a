#!/usr/bin/env bash
# Stops the cluster that cluster/up.sh started.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "$(scripts/python-env.sh)" cluster/cluster.py down "$@"
