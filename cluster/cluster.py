"""Starts a cluster of a topology file on loopback: nodes, etcd, SeaweedFS and a mock provider, each a process of its own.

Called by up.sh, down.sh and status.sh. What runs stands in DIRECTORY/cluster.json; only that is ever stopped.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import httpx
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Tests" / "Clients"))

from cluster_processes import TOKEN, Cluster, eventually  # noqa: E402  (the tests start clusters the same way)


def topology(path):
    try:
        found = yaml.safe_load(Path(path).read_text())
        regions = {str(region): [str(name) for name in names] for region, names in found["regions"].items()}
        members, port = int(found.get("etcdMembers", 1)), found.get("firstPort")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        sys.exit(f"{path} is no topology: {error!r}. It has 'regions: {{r1: [n1, n2], …}}', 'etcdMembers' and 'firstPort'.")
    names = [name for nodes in regions.values() for name in nodes]
    if not names or len(names) != len(set(names)) or members not in (1, 3, 5):
        sys.exit(f"{path}: every node needs a name of its own, and etcd 1, 3 or 5 members.")
    return regions, members, port


def alive(pid, command):
    """Whether the process is there and still the one that was started."""
    try:
        return command in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[0]
    except OSError:
        return False


def running(directory):
    file = Path(directory) / "cluster.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    return found if any(alive(p["pid"], p["command"]) for p in found["processes"]) else None


def up(arguments):
    if running(arguments.directory):
        sys.exit(f"A cluster runs in {arguments.directory} already: cluster/down.sh stops it.")
    regions, members, port = topology(arguments.topology)
    print(f"starting etcd ({members}), SeaweedFS, a mock provider and {sum(map(len, regions.values()))} nodes …", flush=True)
    cluster = Cluster(arguments.directory, regions, etcd_members=members, first_port=port)
    ends = []
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))
    signal.signal(signal.SIGINT, lambda *_: ends.append(True))
    try:
        cluster.start()
        slots = 16 * len(regions)
        eventually("every slot is owned", lambda: len(cluster.owners()) == slots, 60)
        processes = [{"name": name, "pid": pid, "command": command} for name, pid, command in cluster.processes()]
        (cluster.directory / "cluster.json").write_text(json.dumps({
            "supervisor": os.getpid(), "token": TOKEN, "mock": cluster.mock.url, "processes": processes,
            "nodes": [{"name": m.name, "region": m.region, "url": m.url, "pid": m.process.pid,
                       "log": str(m.directory / "node.log")} for m in cluster.members.values()]}, indent=1))
        show(cluster)
        while not ends:
            time.sleep(0.2)
        print("stopping: draining the nodes …", flush=True)
        for member in cluster.members.values():
            if member.runs:
                member.process.child.send_signal(signal.SIGTERM)
        for member in cluster.members.values():
            if member.process:
                member.stop()
    finally:
        (cluster.directory / "cluster.json").unlink(missing_ok=True)
        cluster.stop()


def show(cluster):
    first = next(iter(cluster.members.values()))
    print("\nnode  region  url                     log")
    for member in cluster.members.values():
        print(f"{member.name:5} {member.region:7} {member.url:23} {member.directory / 'node.log'}")
    print(f"""
mock provider  {cluster.mock.url}
administrator  {TOKEN}

curl {first.url}/v1/default/default/openai/chat/completions -H 'Authorization: Bearer sk-mock' \\
  -H 'Content-Type: application/json' -d '{{"model":"gpt-4o-mini","messages":[{{"role":"user","content":"hi"}}]}}'

cluster/status.sh shows who owns what; kill -9 a node and look again. Ctrl-C, or cluster/down.sh, stops all of it.
""", flush=True)


def down(arguments):
    found = running(arguments.directory)
    if not found:
        print(f"no cluster runs in {arguments.directory}")
        return
    if alive(found["supervisor"], "python"):
        os.kill(found["supervisor"], signal.SIGTERM)
        deadline = time.monotonic() + 90
        while alive(found["supervisor"], "python") and time.monotonic() < deadline:
            time.sleep(0.2)
    for process in found["processes"]:
        if alive(process["pid"], process["command"]):
            os.kill(process["pid"], signal.SIGKILL)
    (Path(arguments.directory) / "cluster.json").unlink(missing_ok=True)
    print("stopped")


def status(arguments):
    found = running(arguments.directory)
    if not found:
        sys.exit(f"no cluster runs in {arguments.directory}: cluster/up.sh starts one")
    answers, isWell = [], True
    for node in found["nodes"]:
        try:
            answer = httpx.get(f"{node['url']}/status", headers={"authorization": f"Bearer {found['token']}"}, timeout=2).json()
        except (httpx.HTTPError, ValueError) as error:
            answer, isWell = {"node": node["name"], "error": repr(error)}, False
        answers.append((node, answer))
    if arguments.json:
        print(json.dumps([answer for _, answer in answers]))
    else:
        print("node  region  state     slots  pending  members alive  url")
        for node, answer in answers:
            if "error" in answer:
                print(f"{node['name']:5} {node['region']:7} no answer ({answer['error'][:50]})")
                continue
            there = sum(member["state"] == "alive" for member in answer["members"])
            print(f"{node['name']:5} {node['region']:7} {answer['state']:9} {len(answer['slots']):5} "
                  f"{answer['outbox']['pending']:8} {there:7} of {len(answer['members']):<4} {node['url']}")
    sys.exit(0 if isWell else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, body in (("up", up), ("down", down), ("status", status)):
        command = commands.add_parser(name)
        command.set_defaults(body=body)
        command.add_argument("--directory", default=".build/cluster-state", help="state and logs (default: %(default)s)")
        if name == "up":
            command.add_argument("topology", nargs="?", default="cluster/three-regions.yaml")
        if name == "status":
            command.add_argument("--json", action="store_true", help="the nodes' /status, as one JSON array")
    arguments = parser.parse_args()
    arguments.body(arguments)


main()
