"""Bodies far longer than a row: kept whole, never in memory whole, and there again after a SIGKILL, on both pairs of engines."""

import contextlib
import hashlib
import http.server
import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pytest

from management import Management, nonce
from processes import admin_token, binary, start_node
from servers import Shared

MIB = 1 << 20
BLOCK = 1 << 16


def blocks(seed, size):
    """`size` bytes that no two seeds share, a block at a time."""
    for start in range(0, size, BLOCK):
        block = hashlib.shake_128(f"{seed}-{start}".encode()).digest(BLOCK)
        yield block[:size - start]


def digest(parts):
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()


class Provider(http.server.BaseHTTPRequestHandler):
    """Reads a request of any length and answers with as many bytes as it asks for, in chunks."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        with contextlib.suppress(OSError):      # the node is killed while it answers
            self.answer()

    def answer(self):
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            left = int(self.headers.get("content-length", 0))
            while left:
                left -= len(self.rfile.read(min(left, BLOCK)))
        self.send_response(200)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for block in blocks(self.headers["x-seed"], int(self.headers["x-size"])):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")


class Memory:
    """The peak of a process's resident memory while the block runs, in MiB above where it began."""

    def __init__(self, pid):
        self.path, self.grown = Path(f"/proc/{pid}/status"), 0
        self.stopping = threading.Event()

    def resident(self):
        with contextlib.suppress(OSError):
            for line in self.path.read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        return 0

    def watch(self):
        while not self.stopping.wait(0.005):
            self.grown = max(self.grown, self.resident() - self.start)

    def __enter__(self):
        self.start = self.resident()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


class Place:
    """A provider, and a node that can be started again in the same directory."""

    def __init__(self, root, engine, env=None):
        self.env = env or {}
        self.home = Path(root) / "home"
        self.home.mkdir()
        self.shared = Shared(root) if engine == "shared" else None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.node = None
        self.start()

    def start(self):
        flags, env = (self.shared.flags, {**self.shared.env, **self.env}) if self.shared else ((), self.env)
        provider = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.node = start_node(self.home, provider, flags=flags, env=env, seconds=40)
        self.management = Management(self.node.url, admin_token(self.home))

    def call(self, seed, request, response):
        """Returns the row's id once the whole answer was there, and right."""
        headers = {"authorization": "Bearer k", "x-seed": seed, "x-size": str(response)}
        with httpx.stream(
                "POST", f"{self.node.url}/v1/default/default/openai/files", headers=headers, timeout=60,
                content=blocks(seed + "-request", request)) as answer:
            assert answer.status_code == 200
            assert digest(answer.iter_raw()) == digest(blocks(seed, response))
            return answer.headers["cf-aig-log-id"]

    def check(self, log_id, seed, request, response, seconds=60):
        row = self.management.row(log_id, seconds=seconds)
        assert (row["request_size"], row["response_size"]) == (request, response)
        assert not row["request_head_complete"] and row["request_head"] and row["response_head"]
        for part, name, size in (("request", seed + "-request", request), ("response", seed, response)):
            with self.management.http.stream("GET", f"{self.management.logs_path}/{log_id}/{part}") as body:
                assert body.status_code == 200 and int(body.headers["content-length"]) == size
                assert digest(body.iter_raw()) == digest(blocks(name, size))

    def check_request(self, log_id, seed, size):
        with self.management.http.stream("GET", f"{self.management.logs_path}/{log_id}/request") as body:
            assert body.status_code == 200
            assert digest(body.iter_raw()) == digest(blocks(seed + "-request", size))

    def files(self):
        folder = next(self.home.rglob("outbox/bodies"))
        return sorted(path.name for path in folder.iterdir())

    def close(self):
        if self.node and self.node.child.poll() is None:
            self.node.kill()
        self.server.shutdown()
        self.server.server_close()
        if self.shared:
            self.shared.stop()


@pytest.fixture(params=["file", "shared"])
def place(request):
    with tempfile.TemporaryDirectory(prefix="tidegate-bodies-") as root:
        place = Place(root, request.param)
        try:
            yield place
        finally:
            place.close()


def test_they_pass_through_a_little_memory_and_come_back_whole(place):
    place.check(place.call("warm", 2 * MIB, 2 * MIB), "warm", 2 * MIB, 2 * MIB)
    seed = nonce()
    with Memory(place.node.pid) as memory:
        log_id = place.call(seed, 30 * MIB, 40 * MIB)
        place.check(log_id, seed, 30 * MIB, 40 * MIB)
    print(f"memory grew by {memory.grown:.1f} MiB")
    assert memory.grown < 40
    deadline = time.monotonic() + 10
    while place.files():
        assert time.monotonic() < deadline, "files of delivered bodies stay"
        time.sleep(0.05)
    assert place.node.stop() == 0


def test_what_is_longer_than_what_is_kept_is_cut_and_said_to_be(place):
    log_id = place.call("long", 10 * MIB, 70 * MIB)
    row = place.management.row(log_id, seconds=60)
    assert row["response_size"] == 70 * MIB
    with place.management.http.stream("GET", f"{place.management.logs_path}/{log_id}/response") as body:
        assert digest(body.iter_raw()) == digest(blocks("long", 64 * MIB))
    assert place.node.stop() == 0


@pytest.mark.parametrize(("place", "delay"), [("file", 0), ("file", 0.03), ("file", 0.15), ("shared", 0)], indirect=["place"])
def test_a_kill_in_the_middle_of_their_way_loses_nothing(place, delay):
    """The store stands still, or the node dies so soon that its disk is still busy."""
    seed = nonce()
    small = place.call("before", 1_000, 1_000)
    with place.shared.weed.frozen() if place.shared else contextlib.nullcontext():
        log_id = place.call(seed, 30 * MIB, 40 * MIB)
        behind = place.call("behind", 1_000, 1_000)
        time.sleep(delay)
        place.node.kill()
    place.start()
    place.check(log_id, seed, 30 * MIB, 40 * MIB)
    for other in (small, behind):
        place.management.row(other, seconds=30)
    assert sorted(row["id"] for row in place.management.all()) == sorted([small, log_id, behind])
    deadline = time.monotonic() + 10
    while place.files():
        assert time.monotonic() < deadline, "files of delivered bodies stay"
        time.sleep(0.05)
    assert place.node.stop() == 0


def test_a_kill_in_the_middle_of_a_call_leaves_no_file(place):
    """Its row says that the call never ended."""
    with httpx.stream(
            "POST", f"{place.node.url}/v1/default/default/openai/files", timeout=60,
            headers={"authorization": "Bearer k", "x-seed": "cut", "x-size": str(64 * MIB)}) as answer:
        log_id = answer.headers["cf-aig-log-id"]
        parts, received = answer.iter_raw(), 0      # an iterator that goes away would close the connection
        while received < 4 * MIB:
            received += len(next(parts))
        assert place.files()
        place.node.kill()
    place.start()
    row = place.management.row(log_id, seconds=30)
    assert row["outcome"] == "aborted"
    assert place.files() == []
    assert place.node.stop() == 0


def test_bodies_that_no_row_names_leave_the_store():
    """Those of deleted rows, and of rows that were lost on their way; not those of rows that may yet come."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bodies-") as root:
        place = Place(root, "file", {"TIDEGATE_OBJECTS_SNAPSHOT_OBJECTS": "2"})
        try:
            kept, gone = (place.call(word, MIB, 1_000) for word in ("kept", "gone"))
            for log_id in (kept, gone):
                place.management.row(log_id, seconds=30)
            folder = next(place.home.glob("state/store/1/body/*/*"))
            bodies = sorted(path.name for path in folder.iterdir())
            assert len(bodies) == 2, bodies
            lost, coming = folder / "0.response", folder / "1000000.request"
            foreign = folder.parent / ("f" * 32) / "0.request"
            foreign.parent.mkdir()
            for path in (lost, coming, foreign):
                path.write_bytes(b"x" * 1_000)
            place.management.call("DELETE", place.management.logs_path, params={
                "filters": json.dumps([{"key": "id", "operator": "eq", "value": [gone]}])})
            deadline = time.monotonic() + 30
            while lost.exists() or sum(path.name in bodies for path in folder.iterdir()) > 1:
                assert time.monotonic() < deadline, sorted(path.name for path in folder.iterdir())
                place.management.row(place.call(nonce(), 1_000, 1_000), seconds=30)
            assert coming.exists() and foreign.exists()
            place.check_request(kept, "kept", MIB)
            assert place.node.stop() == 0
            report = json.loads(subprocess.run(
                [binary(), "audit", "--json", "--state", str(place.home / "state")], capture_output=True, text=True,
                timeout=60).stdout)
            assert report["holds"], report
            assert any("bodies that no row names: 1" in note and "never delivered" in note for note in report["notes"])
        finally:
            place.close()
