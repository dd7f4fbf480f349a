"""SIGKILL under load, restart, repeat: no captured row is lost, none is doubled.

Load: several connections, each request with its own event id (`k-ROUND-NUMBER-…`), a tenth streamed. At a random moment
(seeded) the node dies. An answer that arrived complete was captured, so it must have exactly one row. A request that
the kill cut has at most one. Run alone: scripts/kill-test.sh --rounds 20
"""

import argparse
import asyncio
import collections
import json
import os
import random
import sys
import tempfile
import time

import httpx

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from management import Management  # noqa: E402
from processes import admin_token, start_mock, start_node  # noqa: E402
from servers import Shared, free_port  # noqa: E402


class Load:
    """Keep-alive connections that ask one after the other until told to stop, or until the node is gone."""

    def __init__(self, port, round_number, seed, connections, rate):
        self.port, self.round, self.connections = port, round_number, connections
        self.seed, self.pause = seed, connections / rate
        self.complete, self.cut, self.stopping = [], [], False

    async def run(self):
        await asyncio.gather(*(self.worker(n) for n in range(self.connections)))

    async def worker(self, number):
        dice = random.Random(f"{self.seed}-{self.round}-{number}")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return
        count = 0
        try:
            while not self.stopping:
                count += 1
                word = f"k-{self.round}-{number}-{count}"
                self.cut.append(word)       # until its answer is whole
                status = await self.ask(reader, writer, word, dice.random() < 0.1)
                self.cut.remove(word)
                if status != 200:
                    raise RuntimeError(f"{word}: status {status}")
                self.complete.append(word)
                await asyncio.sleep(dice.random() * 2 * self.pause)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def ask(reader, writer, word, streamed):
        question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"nonce:{word}"}]}
        if streamed:
            question |= {"stream": True, "stream_options": {"include_usage": True}}
        body = json.dumps(question).encode()
        writer.write(
            (f"POST /v1/default/default/openai/chat/completions HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer sk-mock\r\n"
             f"Content-Type: application/json\r\ncf-aig-event-id: {word}\r\nContent-Length: {len(body)}\r\n\r\n"
             ).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
        if headers.get("transfer-encoding") == "chunked":
            while True:
                size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
                await reader.readexactly(size + 2)
                if size == 0:
                    break
        else:
            await reader.readexactly(int(headers["content-length"]))
        return int(head.split(" ", 2)[1])


async def load_and_kill(node, load, after_seconds):
    running = asyncio.create_task(load.run())
    await asyncio.sleep(after_seconds)
    os.kill(node.pid, 9)
    load.stopping = True
    await running
    node.kill()     # reaps it


def settle(management, expected, seconds):
    """Waits until every expected row can be read and, a second later, none came on top (a row delivered twice may be
    late). Returns (all rows, seconds until they were there)."""
    start, last, since = time.monotonic(), None, 0.0
    while True:
        try:
            rows = management.all()
        except httpx.HTTPError:
            rows = []
        now = time.monotonic()
        if len(rows) != last:
            last, since = len(rows), now
        settled = expected <= {row["event_id"] for row in rows} and management.live_rows() == len(rows)
        if settled and now - since >= 1 or now - start > seconds:
            return rows, since - start
        time.sleep(0.1)


def run(rounds, seed, connections, rate, within, shared=False):
    dice = random.Random(seed)
    complete, cut, slowest, ready = set(), set(), 0.0, []
    with tempfile.TemporaryDirectory(prefix="tidegate-kill-") as directory:
        servers = Shared(directory) if shared else None
        # A node killed on shared engines is waited for: ten seconds of its lease.
        where = {"flags": servers.flags, "env": servers.env, "seconds": 40} if servers else {}
        mock = start_mock(directory, "--latency", "5ms", "--jitter", "20ms", "--chunk-interval", "2ms")
        node, port = None, free_port()
        try:
            for number in range(rounds):
                node = start_node(directory, mock.url, listen=f"127.0.0.1:{port}", **where)
                ready.append(node.ready_seconds)
                load = Load(port, number, seed, connections, rate)
                asyncio.run(load_and_kill(node, load, dice.uniform(0.3, 2.0)))
                if not load.complete:
                    raise RuntimeError(f"round {number}: no answer arrived; the node's log:\n{node.tail()}")
                complete.update(load.complete)
                cut.update(load.cut)
                print(f"round {number + 1}/{rounds}: {len(load.complete)} answered, {len(load.cut)} cut", file=sys.stderr)
            node = start_node(directory, mock.url, listen=f"127.0.0.1:{port}", **where)
            management = Management(node.url, admin_token(directory))
            rows, slowest = settle(management, complete, within)
            live = management.live_rows()
        finally:
            if node:
                node.stop() if node.child.poll() is None else None
            mock.stop()
            if servers:
                servers.stop()
    counts = collections.Counter(row["event_id"] for row in rows)
    # A stream that the kill cut after its first byte was announced: its row says that it never ended.
    aborted = {row["event_id"] for row in rows if row["status_code"] != 200 or not row["success"]}
    missing = sorted(complete - set(counts))
    doubled = sorted(word for word, count in counts.items() if count > 1)
    stray = sorted(set(counts) - complete - cut)
    wrong = sorted(aborted & complete)
    return {
        "pass": not (missing or doubled or stray or wrong) and live == len(rows), "rounds": rounds, "seed": seed,
        "answered": len(complete), "cut": len(cut), "cutWithRow": len(cut & set(counts)), "aborted": len(aborted),
        "rows": len(rows), "usageLive": live, "missing": missing, "doubled": doubled, "stray": stray, "wrong": wrong,
        "settledAfterSeconds": round(slowest, 2), "readySecondsMax": round(max(ready), 3)}


def test_short_kill_test():
    report = run(rounds=3, seed=20261124, connections=8, rate=200, within=30)
    assert report["pass"], json.dumps(report, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rate", type=float, default=500, help="requests per second, about")
    parser.add_argument("--within", type=float, default=60, help="seconds after the last start until all rows are there")
    parser.add_argument("--shared", action="store_true", help="on etcd and S3 instead of the embedded engines")
    report = run(**vars(parser.parse_args()))
    print(json.dumps(report, indent=1))
    sys.exit(0 if report["pass"] else 1)
