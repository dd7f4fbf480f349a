"""Figures of a cluster of real processes: fail-over, hand-off, settings, an idle node. Prints one JSON object."""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time

import httpx

from cluster_processes import TOKEN, Cluster, eventually
from management import Management, nonce

SLOTS_A_REGION = 16


def say(text):
    print(text, file=sys.stderr, flush=True)


def settled(cluster):
    slots = SLOTS_A_REGION * len({member.region for member in cluster.members.values()})
    return eventually("every slot is owned", lambda: len(owners := cluster.owners()) == slots and owners, 60, 0.05)


def reowned_times(cluster, before, name, began, limit=30):
    """Seconds after `began` at which each slot of `name` was served by somebody else."""
    lost = {slot: epoch for slot, (node, epoch) in before.items() if node == name}
    times, deadline = {}, time.monotonic() + limit
    while len(times) < len(lost) and time.monotonic() < deadline:
        now = cluster.owners()
        for slot, epoch in lost.items():
            if slot not in times and slot in now and now[slot][0] != name and now[slot][1] > epoch:
                times[slot] = time.monotonic() - began
        time.sleep(0.02)
    if len(times) < len(lost):
        sys.exit(f"{len(lost) - len(times)} slots of {name} were not owned again within {limit} s")
    return sorted(times.values())


def kill(cluster, names):
    """SIGKILL of an owner."""
    all_times = []
    for name in names:
        before = settled(cluster)
        began = time.monotonic()
        cluster.members[name].kill()
        times = reowned_times(cluster, before, name, began)
        all_times += times
        say(f"SIGKILL {name}: {len(times)} slots, first {times[0]:.1f} s, last {times[-1]:.1f} s")
        cluster.members[name].start()
        time.sleep(8)   # votes against the next one count again, and gossip has forgotten this one's death
    return {"slots": len(all_times), "p50Seconds": round(statistics.median(all_times), 2),
            "maxSeconds": round(max(all_times), 2)}


class Caller(threading.Thread):
    """Calls through the given nodes without a pause; counts what fails."""

    def __init__(self, members, gateway):
        super().__init__()
        self.members, self.gateway, self.ends = members, gateway, threading.Event()
        self.answered, self.failed = 0, []

    def run(self):
        with httpx.Client(timeout=30) as http:
            number = 0
            while not self.ends.is_set():
                member = self.members[number % len(self.members)]
                number += 1
                try:
                    answer = http.post(
                        f"{member.url}/v1/default/{self.gateway}/openai/chat/completions",
                        headers={"authorization": "Bearer sk-mock"},
                        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": nonce()}]})
                    if answer.status_code == 200:
                        self.answered += 1
                    else:
                        self.failed.append(answer.status_code)
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))

    def stop(self):
        self.ends.set()
        self.join()


def drain(cluster, names):
    """SIGTERM of an owner, while calls go through the others."""
    results = []
    for name in names:
        before = settled(cluster)
        member = cluster.members[name]
        caller = Caller([other for other in cluster.members.values() if other.name != name], "default")
        caller.start()
        gaps, seen, stops = {}, {}, threading.Event()

        def watch():
            while not stops.is_set():
                now, at = cluster.owners(), time.monotonic()
                for slot, (node, _) in before.items():
                    if node == name and slot in now:
                        if now[slot][0] != name and slot not in gaps:
                            gaps[slot] = at - seen.get(slot, at)
                        seen[slot] = at
                time.sleep(0.01)

        watcher = threading.Thread(target=watch)
        watcher.start()
        time.sleep(0.5)
        began = time.monotonic()
        code = member.stop()
        took = time.monotonic() - began
        time.sleep(1)
        stops.set()
        watcher.join()
        caller.stop()
        if code != 0 or caller.failed:
            sys.exit(f"SIGTERM {name}: exit code {code}, failed calls {caller.failed[:5]}")
        results.append((took, max(gaps.values()), len(gaps), caller.answered))
        say(f"SIGTERM {name}: {len(gaps)} slots, longest unserved {max(gaps.values()):.2f} s, ended after {took:.1f} s, "
            f"{caller.answered} calls through the others, 0 failed")
        member.start()
    return {"slots": sum(r[2] for r in results), "longestUnservedSeconds": round(max(r[1] for r in results), 2),
            "longestStopSeconds": round(max(r[0] for r in results), 2), "calls": sum(r[3] for r in results), "failed": 0}


def settings(cluster, rounds):
    """From the answer to a change until every node does as it says."""
    members = list(cluster.members.values())
    management = Management(members[0].url, TOKEN)
    management.call("POST", "/accounts/default/ai-gateway/gateways", json={
        "id": "settings", "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
        "rate_limiting_interval": 0, "rate_limiting_limit": 0})
    times = []
    with httpx.Client(timeout=10) as http:
        def refuses(member):
            return http.post(
                f"{member.url}/v1/default/settings/openai/chat/completions", headers={"authorization": "Bearer sk-mock"},
                json={"model": "gpt-4o-mini", "messages": []}).status_code == 401

        for member in members:
            refuses(member)
        for number in range(rounds):
            wanted = number % 2 == 0
            management.call("PUT", "/accounts/default/ai-gateway/gateways/settings", json={
                "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
                "rate_limiting_interval": 0, "rate_limiting_limit": 0, "authentication": wanted})
            began, left = time.monotonic(), list(members)
            while left:
                left = [member for member in left if refuses(member) != wanted]
                if time.monotonic() - began > 10:
                    sys.exit(f"{[m.name for m in left]} did not apply a change within 10 s")
            times.append((time.monotonic() - began) * 1_000)
    times.sort()
    return {"changes": rounds, "nodes": len(members), "p50Ms": round(statistics.median(times)),
            "p99Ms": round(times[min(len(times) - 1, int(len(times) * 0.99))])}


def idle(cluster, seconds):
    """CPU and memory of nodes that nobody calls."""
    def times(pid):
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def resident(pid):
        return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1]) / 1_024

    time.sleep(10)
    pids = [member.process.pid for member in cluster.members.values()]
    before = [times(pid) for pid in pids]
    time.sleep(seconds)
    shares = [(times(pid) - was) / seconds * 100 for pid, was in zip(pids, before)]
    memory = [resident(pid) for pid in pids]
    return {"nodes": len(pids), "seconds": seconds, "cpuPercentMean": round(statistics.mean(shares), 2),
            "cpuPercentMax": round(max(shares), 2), "rssMiBMax": round(max(memory), 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default="kill,drain,settings,idle")
    parser.add_argument("--rounds", type=int, default=100, help="changes of settings")
    parser.add_argument("--idle-seconds", type=int, default=30)
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    report = {}
    six = {"r1": ["n1", "n2"], "r2": ["n3", "n4"], "r3": ["n5", "n6"]}
    nine = {"r1": ["n1", "n2", "n3"], "r2": ["n4", "n5", "n6"], "r3": ["n7", "n8", "n9"]}
    for regions, wanted in ((six, {"kill", "drain", "settings"}), (nine, {"idle"})):
        if not wanted & set(parts):
            continue
        with tempfile.TemporaryDirectory(prefix="tidegate-bench-cluster-") as root:
            cluster = Cluster(root, regions, etcd_members=3)
            try:
                cluster.start()
                settled(cluster)
                if "settings" in parts and regions is six:
                    report["settings"] = settings(cluster, arguments.rounds)
                    say(f"settings: {report['settings']}")
                if "drain" in parts and regions is six:
                    report["drain"] = drain(cluster, ["n1", "n4"])
                if "kill" in parts and regions is six:
                    report["kill"] = kill(cluster, ["n2", "n3", "n6"])
                if regions is nine:
                    report["idle"] = idle(cluster, arguments.idle_seconds)
                    say(f"idle: {report['idle']}")
            finally:
                cluster.stop()
    print(json.dumps(report))


main()
