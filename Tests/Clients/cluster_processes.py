"""Several nodes on one etcd and one S3 store, each a process of its own, as `cluster/up.sh` and the tests start them."""

import contextlib
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from processes import Process, start_mock
from servers import Shared, free_port

TOKEN = "tga_only-for-clusters-on-one-machine"


# One for all: making one takes longer than the questions it asks.
STATUS = httpx.Client(limits=httpx.Limits(max_connections=64))


class Member:
    """One node of a cluster: it keeps its name, its ports and its state over restarts."""

    def __init__(self, cluster, name, region, listen=None):
        self.cluster, self.name, self.region = cluster, name, region
        self.directory = cluster.directory / name
        self.directory.mkdir(exist_ok=True)
        self.listen = f"127.0.0.1:{listen or free_port()}"
        self.peer = f"127.0.0.1:{free_port()}"
        self.process = None

    def start(self, seconds=60):
        seeds = [member.peer for member in self.cluster.members.values() if member is not self]
        providers = {"openai": f"{self.cluster.mock.url}/v1", **{
            slug: self.cluster.mock.url for slug in ("anthropic", "google-ai-studio", "workers-ai")}}
        self.process = Process(
            ["serve", "--listen", self.listen, "--peer-listen", self.peer, "--node-id", self.name,
             "--region", self.region, "--state", str(self.directory / "state"), "--join", ",".join(seeds[:3]),
             *(part for slug, url in providers.items() for part in ("--provider", f"{slug}={url}")),
             *self.cluster.shared.flags],
            self.directory / "node.log", {**self.cluster.shared.env, "TIDEGATE_ADMIN_TOKEN": TOKEN, **self.cluster.env},
            seconds)

    @property
    def url(self):
        return f"http://{self.listen}"

    @property
    def runs(self):
        return self.process is not None and self.process.child.poll() is None

    def kill(self):
        self.process.kill()

    def stop(self, seconds=60):
        return self.process.stop(seconds)

    @contextlib.contextmanager
    def frozen(self):
        self.process.child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.child.send_signal(signal.SIGCONT)

    def status(self, seconds=5):
        return STATUS.get(f"{self.url}/status", headers={"authorization": f"Bearer {TOKEN}"}, timeout=seconds).json()


class Cluster:
    """`regions`: names of nodes by region."""

    def __init__(self, directory, regions, etcd_members=1, first_port=None, env=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.env = env or {}
        self.shared = Shared(self.directory, etcd_members)
        self.mock = None
        self.members = {}
        try:
            self.mock = start_mock(self.directory)
            names = [(name, region) for region, nodes in regions.items() for name in nodes]
            for place, (name, region) in enumerate(names):
                self.members[name] = Member(self, name, region, first_port + place if first_port else None)
        except Exception:
            self.stop()
            raise

    def start(self):
        with ThreadPoolExecutor(len(self.members)) as pool:
            for started in [pool.submit(member.start) for member in self.members.values()]:
                started.result()

    def owners(self):
        """Node by slot, as the nodes that run and answer say it themselves."""
        found = {}
        for member in self.members.values():
            if not member.runs:
                continue
            with contextlib.suppress(httpx.HTTPError, json.JSONDecodeError):
                for slot in member.status(2)["slots"]:
                    found[slot["slot"]] = (member.name, slot["epoch"])
        return found

    def processes(self):
        """Name, id and executable of everything that runs."""
        servers = [*self.shared.members, self.shared.weed]
        found = [(Path(server.name).name, server.child.pid, Path(server.name).name) for server in servers]
        found.append(("mock", self.mock.pid, "tidegate"))
        return found + [(member.name, member.process.pid, "tidegate") for member in self.members.values()]

    def stop(self):
        for member in self.members.values():
            if member.runs:
                member.process.child.send_signal(signal.SIGCONT)
                member.kill()
        if self.mock:
            self.mock.stop()
        self.shared.stop()


def eventually(what, check, seconds=30, pause=0.1):
    """Returns the first answer of `check` that is true."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError):
            answer = check()
            if answer:
                return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)
