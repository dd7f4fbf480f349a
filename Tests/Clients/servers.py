"""etcd and SeaweedFS as processes of their own, for tests of a node that keeps its rows in them."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

CREDENTIALS = {"TIDEGATE_S3_ACCESS_KEY": "tidegate", "TIDEGATE_S3_SECRET_KEY": "only-for-tests-here"}


def free_port():
    """Free a moment ago, and so was the one 10000 above it; below those that connections are given."""
    while True:
        port = random.randrange(11_000, 22_000)
        try:
            for candidate in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", candidate))
            return port
        except OSError:
            continue


class Server:
    """One child; ready when its URL answers, with whatever status."""

    def __init__(self, command, log, url, waits=True):
        self.log, self.url, self.name = Path(log), url, command[0]
        with open(self.log, "ab") as sink:
            self.child = subprocess.Popen(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL)
        if waits:
            self.wait()

    def wait(self, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            try:
                httpx.get(self.url, timeout=1)
                return
            except httpx.HTTPError:
                if time.monotonic() > deadline or self.child.poll() is not None:
                    self.stop()
                    raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-2000:]}")
                time.sleep(0.05)

    def stop(self):
        self.child.kill()
        self.child.wait()

    @contextlib.contextmanager
    def frozen(self):
        """There, and silent."""
        self.child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.child.send_signal(signal.SIGCONT)


class Shared:
    """etcd, SeaweedFS, and the flags and variables that lead a node to them."""

    def __init__(self, directory, members=1):
        directory = Path(directory)
        self.members = self._etcd(directory, members)
        try:
            self.weed, s3 = self._weed(directory)
        except Exception:
            for member in self.members:
                member.stop()
            raise
        endpoints = ",".join(member.url.removesuffix("/health") for member in self.members)
        self.flags = ("--coordination", f"etcd:{endpoints}", "--store", f"s3:{s3}/rows")
        self.env = CREDENTIALS

    @property
    def etcd(self):
        """The only member, or the first."""
        return self.members[0]

    @staticmethod
    def _etcd(directory, count):
        etcd = shutil.which("etcd") or sys.exit("etcd is not installed: make deps")
        ports = [(free_port(), free_port()) for _ in range(count)]
        names = [f"e{number}" for number in range(1, count + 1)]
        cluster = ",".join(f"{name}=http://127.0.0.1:{peer}" for name, (_, peer) in zip(names, ports))
        members = [
            Server(
                [etcd, "--name", name, "--data-dir", str(directory / "etcd" / name),
                 "--listen-client-urls", f"http://127.0.0.1:{client}",
                 "--advertise-client-urls", f"http://127.0.0.1:{client}",
                 "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                 "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster", cluster,
                 "--quota-backend-bytes", str(8 << 30), "--auto-compaction-mode", "periodic",
                 "--auto-compaction-retention", "5m"],
                directory / f"etcd-{name}.log", f"http://127.0.0.1:{client}/health", waits=False)
            for name, (client, peer) in zip(names, ports)]
        try:
            for member in members:   # none of several answers before most are there
                member.wait()
        except Exception:
            for member in members:
                member.stop()
            raise
        return members

    @staticmethod
    def _weed(directory):
        identity = {"name": "t", "actions": ["Admin", "Read", "Write", "List"], "credentials": [
            {"accessKey": CREDENTIALS["TIDEGATE_S3_ACCESS_KEY"], "secretKey": CREDENTIALS["TIDEGATE_S3_SECRET_KEY"]}]}
        (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (directory / "weed").mkdir()
        # Each door has a second one for gRPC, 10000 above it.
        s3, master, volume, filer = (free_port() for _ in range(4))
        weed = os.environ.get("TIDEGATE_WEED") or str(Path(sys.executable).parent / "weed")
        server = Server(
            [weed, "-logtostderr=true", "server", f"-dir={directory / 'weed'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
             "-s3", f"-s3.config={directory / 's3.json'}", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0",
             f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
             "-master.volumeSizeLimitMB=64", "-volume.max=50"], directory / "weed.log", f"http://127.0.0.1:{s3}")
        # Acknowledged is synced: without the rule a put may lie in a page cache (protocol A8).
        subprocess.run(
            [weed, "shell", f"-master=127.0.0.1:{master}", f"-filer=127.0.0.1:{filer}"], check=True, timeout=60,
            input="fs.configure -locationPrefix=/buckets/ -fsync -apply\ns3.bucket.create -name rows\n", text=True,
            stdout=subprocess.DEVNULL)
        return server, f"http://127.0.0.1:{s3}"

    def stop(self):
        self.weed.stop()
        for member in self.members:
            member.stop()
