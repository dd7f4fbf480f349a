"""Six nodes in three regions on a real etcd and a real S3 store: owners are killed, frozen and drained under load, and every
captured row is there exactly once."""

import random
import tempfile
import threading
import time

import httpx
import pytest

from cluster_processes import TOKEN, Cluster, eventually
from management import Management, nonce

REGIONS = {"r1": ["n1", "n2"], "r2": ["n3", "n4"], "r3": ["n5", "n6"]}
SLOTS = 16 * len(REGIONS)


@pytest.fixture(scope="module")
def cluster():
    with tempfile.TemporaryDirectory(prefix="tidegate-cluster-") as root:
        cluster = Cluster(root, REGIONS)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


HTTP = httpx.Client(limits=httpx.Limits(max_connections=64, max_keepalive_connections=0))


def chat(member, gateway, word, seconds=10):
    return HTTP.post(
        f"{member.url}/v1/default/{gateway}/openai/chat/completions", headers={"authorization": "Bearer sk-mock"},
        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"nonce:{word}"}]}, timeout=seconds)


def make_gateway(member, name, **settings):
    return Management(member.url, TOKEN).call(
        "POST", "/accounts/default/ai-gateway/gateways", json={
            "id": name, "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
            "rate_limiting_interval": 0, "rate_limiting_limit": 0, **settings})


def all_owned(cluster):
    owners = cluster.owners()
    return owners if len(owners) == SLOTS else None


def words_of(member, gateway):
    """Log ids, from any node, however often they are there."""
    return [row["id"] for row in Management(member.url, TOKEN, gateway=gateway).all()]


def test_every_slot_is_served_once_and_any_node_answers_for_it(cluster):
    eventually("all slots are owned", lambda: all_owned(cluster), 30)
    served = [slot["slot"] for member in cluster.members.values() for slot in member.status()["slots"]]
    assert len(served) == len(set(served)) == SLOTS
    gateway = "anywhere"
    make_gateway(cluster.members["n1"], gateway)
    ids = []
    for member in cluster.members.values():   # at once: the others have never heard of the gateway
        answer = chat(member, gateway, nonce())
        assert answer.status_code == 200, answer.text
        ids.append(answer.headers["cf-aig-log-id"])
    for member in cluster.members.values():
        eventually("all rows from every node", lambda: set(words_of(member, gateway)) == set(ids), 10)
    management = Management(cluster.members["n6"].url, TOKEN, gateway=gateway)
    management.call("PATCH", f"{management.logs_path}/{ids[0]}", json={"score": 77})
    assert management.call("GET", f"{management.logs_path}/{ids[0]}")["result"]["score"] == 77


class Load:
    """Calls through random nodes that run, until told to stop; remembers what was answered, and what was asked."""

    def __init__(self, cluster, gateways, seed):
        self.cluster, self.gateways, self.random = cluster, gateways, random.Random(seed)
        self.answered, self.failures = {}, []
        self.lock, self.ends = threading.Lock(), threading.Event()
        self.unusable = set()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(4)]

    def run(self, number):
        while not self.ends.is_set():
            with self.lock:
                usable = [m for m in self.cluster.members.values() if m.runs and m.name not in self.unusable]
                member, gateway = self.random.choice(usable), self.random.choice(self.gateways)
            try:
                answer = chat(member, gateway, nonce(), 30)
                with self.lock:
                    if answer.status_code == 200:
                        self.answered[answer.headers["cf-aig-log-id"]] = gateway
                    else:
                        self.failures.append((member.name, answer.status_code, answer.text))
            except httpx.HTTPError as error:
                if member.runs and member.name not in self.unusable:
                    self.failures.append((member.name, repr(error)))
            time.sleep(0.002)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()


def reowned(cluster, before, name):
    """Every slot of `name` has another owner, under a later epoch."""
    now = cluster.owners()
    lost = [slot for slot, (node, _) in before.items() if node == name]
    return all(slot in now and now[slot][0] != name and now[slot][1] > before[slot][1] for slot in lost)


def test_owners_die_freeze_and_leave_under_load(cluster):
    gateways = [f"busy{n}" for n in range(4)]
    for gateway in gateways:
        make_gateway(cluster.members["n2"], gateway)
    eventually("all slots are owned", lambda: all_owned(cluster), 30)
    with Load(cluster, gateways, seed=4) as load:
        time.sleep(3)
        before = cluster.owners()
        victim = cluster.members["n1"]
        load.unusable.add("n1")
        time.sleep(0.1)
        killed = time.monotonic()
        victim.kill()
        eventually("a killed node's slots are owned again", lambda: reowned(cluster, before, "n1"), 20)
        print(f"killed: re-owned after {time.monotonic() - killed:.1f} s")
        victim.start()
        load.unusable.discard("n1")

        before = cluster.owners()
        victim = cluster.members["n3"]
        load.unusable.add("n3")
        with victim.frozen():
            stopped = time.monotonic()
            eventually("a frozen node's slots are owned again", lambda: reowned(cluster, before, "n3"), 20)
            print(f"frozen: re-owned after {time.monotonic() - stopped:.1f} s")
            time.sleep(max(0, 20 - (time.monotonic() - stopped)))
        load.unusable.discard("n3")

        before = cluster.owners()
        victim = cluster.members["n5"]
        load.unusable.add("n5")
        time.sleep(0.1)
        assert victim.stop() == 0
        assert eventually("a drained node's slots are owned again", lambda: reowned(cluster, before, "n5"), 5)
        victim.start()
        load.unusable.discard("n5")
        eventually("2 000 rows", lambda: len(load.answered) >= 2_000, 60)
    assert not load.failures, load.failures[:5]
    for gateway in gateways:
        expected = sorted(log_id for log_id, of in load.answered.items() if of == gateway)
        found = eventually(
            f"all rows of {gateway}",
            lambda: (rows := words_of(cluster.members["n6"], gateway)) and len(rows) >= len(expected) and rows, 30)
        assert sorted(found) == expected
    usage = Management(cluster.members["n4"].url, TOKEN).call("GET", "/accounts/default/usage")["result"]
    live = {entry["id"]: entry["live"] for entry in usage["perGateway"]}
    for gateway in gateways:
        assert live[gateway] == sum(of == gateway for of in load.answered.values())


def test_a_cap_holds_over_owners_in_different_regions_and_none_of_it_is_stranded(cluster):
    cap = 150
    first = Management(cluster.members["n1"].url, TOKEN, account="capped")
    first.call("POST", "/accounts", json={
        "id": "capped", "name": "Capped", "plan": "unlimited", "entitlements": {"rowsPerAccount": cap}})
    for member, gateway in (("n1", "east"), ("n3", "west"), ("n5", "south")):   # at home in three regions
        Management(cluster.members[member].url, TOKEN).call("POST", "/accounts/capped/ai-gateway/gateways", json={
            "id": gateway, "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
            "log_management": 10_000, "log_management_strategy": "STOP_INSERTING",
            "rate_limiting_interval": 0, "rate_limiting_limit": 0})
    members = list(cluster.members.values())
    for number in range(cap + 60):
        member, gateway = members[number % 6], ("east", "west", "south")[number % 7 % 3]
        answer = HTTP.post(
            f"{member.url}/v1/capped/{gateway}/openai/chat/completions", headers={"authorization": "Bearer sk-mock"},
            json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}, timeout=10)
        assert answer.status_code == 200, answer.text

    def delivered():
        return all(member.status()["outbox"]["pending"] == 0 for member in members)

    eventually("every row is committed or refused", delivered, 60)
    usage = first.usage()
    assert usage["rows"] == {"live": cap, "cap": cap}, usage
    assert sum(entry["allowance"] for entry in usage["perGateway"]) == cap
    for entry in usage["perGateway"]:
        rows = Management(members[1].url, TOKEN, account="capped", gateway=entry["id"]).all()
        assert len(rows) == entry["live"]


def test_what_is_deleted_or_revoked_is_refused_everywhere_within_a_second(cluster):
    members = list(cluster.members.values())
    make_gateway(members[0], "brief", authentication=True)
    management = Management(members[3].url, TOKEN)
    secret = management.call("POST", "/accounts/default/tokens", json={
        "name": "app", "permissions": ["run"], "gateways": ["brief"]})["result"]

    def answers(member, token):
        return HTTP.post(
            f"{member.url}/v1/default/brief/openai/chat/completions", timeout=10,
            headers={"authorization": "Bearer sk-mock", "cf-aig-authorization": f"Bearer {token}"},
            json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}).status_code

    for member in members:
        assert answers(member, secret["secret"]) == 200
    management.call("DELETE", f"/accounts/default/tokens/{secret['id']}")
    eventually("the token is refused", lambda: all(answers(m, secret["secret"]) == 401 for m in members), 1, 0.02)
    for member in members:    # its rows are on their way to the owner: the end comes behind them or instead of them
        assert answers(member, "wrong") == 401
    Management(members[5].url, TOKEN).call("DELETE", "/accounts/default/ai-gateway/gateways/brief")
    eventually("the gateway is refused", lambda: all(answers(m, "any") in (400, 404) for m in members), 1, 0.02)
    make_gateway(members[4], "brief")
    assert words_of(members[2], "brief") == []
