"""Figures of the storage engine on both pairs of engines, printed as one JSON object. scripts/bench-slots.sh"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from processes import binary  # noqa: E402
from servers import Shared  # noqa: E402


def measure(command, state, flags=(), env=None, seconds=900, **options):
    extra = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    result = subprocess.run(
        [binary(), "measure", command, "--state", str(state), *flags, *extra], capture_output=True, text=True,
        timeout=seconds, env={**{k: v for k, v in os.environ.items() if not k.startswith("TIDEGATE_")}, **(env or {})})
    if result.returncode != 0:
        raise RuntimeError(f"measure {command} failed:\n{result.stderr[-3000:]}")
    return json.loads(result.stdout)


def run(rows, tail, gateways):
    figures = {}
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-slots-") as root:
        root = Path(root)
        print("embedded engines: insert and take over", file=sys.stderr)
        figures["embedded"] = measure("insert", root / "embedded", rows=rows, tail=tail)
        (root / "servers").mkdir()
        servers = Shared(root / "servers")
        try:
            print("etcd and SeaweedFS: insert and take over", file=sys.stderr)
            figures["shared"] = measure("insert", root / "shared", servers.flags, servers.env, rows=rows, tail=tail)
        finally:
            servers.stop()
        print(f"memory with {gateways} gateways", file=sys.stderr)
        figures["memory"] = measure("gateways", root / "many", gateways=gateways, active=50)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--tail", type=int, default=50_000)
    parser.add_argument("--gateways", type=int, default=1_000)
    print(json.dumps(run(**vars(parser.parse_args())), indent=1))
