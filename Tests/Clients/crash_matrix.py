"""A debug build dies by SIGKILL at a named place; what follows must lose nothing and double nothing.

For each place: load until the node dies there, start again (on the same state, with its databases thrown away, or as
another process with another disk on the same etcd and S3), and compare rows with answers. Then the auditor walks both
stores. Run alone: scripts/crash-matrix.sh [--points a,b] [--ways same,rebuilt,takeover]
"""

import argparse
import asyncio
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kill_test import Load, settle  # noqa: E402
from management import Management  # noqa: E402
from processes import admin_token, binary, start_mock, start_node  # noqa: E402
from servers import Shared, free_port  # noqa: E402

# Place → which time it is reached. Later times, so that there is something to lose by then.
POINTS = {
    "beforeIntent": 5, "afterIntent": 5, "afterCompletion": 40, "beforePut": 6, "afterPut": 6, "afterCommit": 6,
    "duringApply": 6, "afterApply": 6, "whilePinned": 2, "beforeManifest": 2, "beforePublish": 2, "afterPublish": 2,
    "duringCollect": 3, "afterSegmentPut": 2, "beforeSealApply": 2, "duringSealApply": 2, "afterCompactionPut": 1,
    "duringCompactionApply": 1, "beforeGarbageDelete": 2, "afterGarbageDelete": 1, "beforeBodyPut": 3, "afterBodyPut": 3,
}
# Reached at a start over a log that is there already.
AT_START = {"afterClaim": 3, "duringReplay": 1}
OFTEN = {"TIDEGATE_OBJECTS_SNAPSHOT_OBJECTS": "3", "TIDEGATE_OBJECTS_SEGMENT_ROWS": "40"}
LONG_BODIES = ("beforeBodyPut", "afterBodyPut")
LONG = 300 << 10    # beyond what a row carries itself


class LongLoad(Load):
    """A third of the requests have a body that gets an object of its own."""

    @staticmethod
    async def ask(reader, writer, word, streamed):
        if int(word.rsplit("-", 1)[1]) % 3:
            return await Load.ask(reader, writer, word, streamed)
        body = json.dumps({"model": "gpt-4o-mini", "messages": [
            {"role": "user", "content": f"nonce:{word}"}], "user": "x" * LONG}).encode()
        writer.write(
            (f"POST /v1/default/default/openai/chat/completions HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer sk-mock\r\n"
             f"Content-Type: application/json\r\ncf-aig-event-id: {word}\r\nContent-Length: {len(body)}\r\n\r\n"
             ).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next(line for line in head.split("\r\n") if line.lower().startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
        return int(head.split(" ", 2)[1])


class Deleter(threading.Thread):
    """Deletes rows while the load runs: a third of those that are sealed by now, and a few hot ones."""

    HOT = 80    # about so many of the newest are not sealed

    def __init__(self, node, home):
        super().__init__(daemon=True)
        self.url, self.token = node.url, admin_token(home)
        self.seen, self.tried, self.deleted, self.stopping = set(), set(), set(), threading.Event()

    def run(self):
        management = Management(self.url, self.token)
        page = 0
        while not self.stopping.wait(0.1):
            try:
                found = management.page(page=page + 1, per_page=50, order_by="created_at", order_by_direction="asc")
                rows, old = found["result"], found["result_info"]["total_count"] - self.HOT - 50 * page
                page = (page + 1) % 8 if old > 50 else 0
                words = [row["event_id"] for n, row in enumerate(rows)
                         if row["event_id"] not in self.seen and (n < old or n % 16 == 0)]
                self.seen.update(words)
                words = words[::3]
                if not words:
                    continue
                self.tried.update(words)
                management.call("DELETE", management.logs_path, params={
                    "filters": json.dumps([{"key": "event_id", "operator": "eq", "value": words}])})
                self.deleted.update(words)
            except (httpx.HTTPError, AssertionError):
                continue    # it died, or is about to: whether these are deleted nobody knows


async def load_until_dead(node, load, seconds):
    running = asyncio.create_task(load.run())
    deadline = time.monotonic() + seconds
    while node.child.poll() is None and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    load.stopping = True
    await running
    return node.child.poll() is not None


def audit(flags, env):
    result = subprocess.run(
        [binary(), "audit", "--json", *flags], capture_output=True, text=True, timeout=120,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("TIDEGATE_")}, **env})
    try:
        return json.loads(result.stdout)
    except json.JSONDecodeError:
        return {"holds": False, "error": result.stderr[-2000:]}


def crash(point, way, servers=None, seed=1):
    """One cell of the matrix."""
    with tempfile.TemporaryDirectory(prefix="tidegate-crash-") as directory:
        home = Path(directory) / "first"
        home.mkdir()
        where = {"flags": servers.flags if servers else ()}
        env = {**(servers.env if servers else {}), **OFTEN}
        mock = start_mock(directory, "--latency", "2ms", "--jitter", "4ms")
        node = None
        try:
            complete, cut, tried, deleted = set(), set(), set(), set()
            port = free_port()

            def start(fault=None, seconds=40):
                faulty = {"TIDEGATE_FAULT": fault} if fault else {}
                return start_node(home, mock.url, listen=f"127.0.0.1:{port}", env={**env, **faulty}, seconds=seconds, **where)

            def drive(seconds):
                # Seals come first: rows must not come faster than they are sealed, for segments to be rewritten.
                rate = 300
                if "Compaction" in point or "Garbage" in point:
                    rate = 25 if way == "takeover" else 60
                load = (LongLoad if point in LONG_BODIES else Load)(port, len(complete), seed, connections=6, rate=rate)
                deleter = Deleter(node, home)
                deleter.start()
                died = asyncio.run(load_until_dead(node, load, seconds))
                deleter.stopping.set()
                deleter.join()
                tried.update(deleter.tried)
                deleted.update(deleter.deleted)
                complete.update(load.complete)
                cut.update(load.cut)
                return died

            if point in AT_START:
                node = start()
                drive(1.5)
                node.kill()
                if way == "rebuilt":
                    shutil.rmtree(home / "state" / "objects")
                try:
                    node = start(f"{point}:{AT_START[point]}")
                    died = False
                    node.kill()
                except RuntimeError:
                    died = True
            else:
                node = start(f"{point}:{POINTS[point]}")
                died = drive(50)
                node.kill()
            if way == "rebuilt":
                shutil.rmtree(home / "state" / "objects", ignore_errors=True)
            if way == "takeover":
                # Another machine. What was captured and not committed is on the first one's disk: only it can bring it.
                outbox = home / "state" / "outbox"
                home = Path(directory) / "second"
                (home / "state").mkdir(parents=True)
                shutil.copytree(outbox, home / "state" / "outbox")
            node = start()
            management = Management(node.url, admin_token(home))
            rows, _ = settle(management, complete - tried, 40)
            live = management.live_rows()
            short = [row["event_id"] for row in rows if point in LONG_BODIES and row["event_id"] in complete
                     and not int(row["event_id"].rsplit("-", 1)[1]) % 3
                     and len(management.body(row["id"], "request")) < LONG]
            stores = servers.flags if servers else ("--state", str(home / "state"))
            running = audit(stores, env)
            code = node.stop()
            stopped = audit(stores, env)
        finally:
            if node and node.child.poll() is None:
                node.kill()
            mock.stop()
    counts = collections.Counter(row["event_id"] for row in rows)
    report = {
        "point": point, "way": way, "died": died, "answered": len(complete), "rows": len(rows), "live": live, "exit": code,
        "deleted": len(deleted), "missing": sorted(complete - tried - set(counts)), "short": short,
        "returned": sorted(deleted & set(counts)), "doubled": sorted(w for w, n in counts.items() if n > 1),
        "stray": sorted(set(counts) - complete - cut),
        "audits": [True if a["holds"] else [a.get("error"), *(c for c in a.get("checks", ()) if c["violations"])]
                   for a in (running, stopped)]}
    report["pass"] = (
        died and not any(report[name] for name in ("missing", "doubled", "stray", "returned", "short"))
        and live == len(rows) and code == 0 and report["audits"] == [True, True] and (point in ("beforeIntent", "afterIntent") or bool(complete)))
    return report


def run(points, ways):
    reports = []
    for way in ways:
        directory = tempfile.TemporaryDirectory(prefix="tidegate-crash-servers-") if way == "takeover" else None
        for point in points:
            if (point, way) == ("duringReplay", "same"):
                continue    # databases that are there are not replayed
            servers = None
            if directory:
                place = Path(directory.name) / point
                place.mkdir()
                servers = Shared(place)
            try:
                report = crash(point, way, servers)
            finally:
                if servers:
                    servers.stop()
            reports.append(report)
            print(f"{point:22} {way:9} {'ok' if report['pass'] else json.dumps(report)}", file=sys.stderr)
        if directory:
            directory.cleanup()
    return reports


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", default=",".join([*POINTS, *AT_START]))
    parser.add_argument("--ways", default="same,rebuilt,takeover")
    arguments = parser.parse_args()
    reports = run(arguments.points.split(","), arguments.ways.split(","))
    print(json.dumps({"cells": len(reports), "pass": all(r["pass"] for r in reports)}))
    sys.exit(0 if all(r["pass"] for r in reports) else 1)
