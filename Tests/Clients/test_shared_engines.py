"""A node whose authority is etcd and whose bytes lie in S3: losing the machine loses no committed row."""

import json
import re
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from cluster_processes import eventually
from management import Management, nonce
from processes import REPOSITORY, admin_token, start_mock, start_node
from servers import Shared


def chat(node, word):
    answer = httpx.post(
        f"{node.url}/v1/default/default/openai/chat/completions", headers={"authorization": "Bearer sk-mock"},
        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"nonce:{word}"}]})
    assert answer.status_code == 200, answer.text
    return answer.headers["cf-aig-log-id"]


def status(node, directory):
    return httpx.get(f"{node.url}/status", headers={"authorization": f"Bearer {admin_token(directory)}"}).json()


def test_a_lost_machine_loses_no_committed_row():
    with tempfile.TemporaryDirectory(prefix="tidegate-shared-") as root:
        first_home, second_home = Path(root) / "first", Path(root) / "second"
        first_home.mkdir(), second_home.mkdir()
        shared, mock = Shared(root), start_mock(root)
        node = None
        try:
            node = start_node(first_home, mock.url, flags=shared.flags, env=shared.env)
            words = {chat(node, word): word for word in (nonce() for _ in range(40))}
            management = Management(node.url, admin_token(first_home))
            rated = next(iter(words))
            management.row(rated)
            management.call("PATCH", f"{management.logs_path}/{rated}", json={"feedback": 1})
            for log_id in words:
                management.row(log_id)
            found = status(node, first_home)
            assert (found["coordination"]["kind"], found["store"]["kind"]) == ("etcd", "s3")
            assert found["outbox"]["pending"] == 0 and found["store"]["reachable"] and found["outbox"]["writable"]

            _, page = (REPOSITORY / "Docs/operations/metrics.md").read_text().split("## On etcd and S3")
            shown = set(re.findall(r"^(tidegate_\w+)", httpx.get(f"{node.url}/metrics").text, re.MULTILINE))
            etcd = {name for name in shown if name.startswith("tidegate_etcd_")}
            assert etcd == set(re.findall(r"`(tidegate_etcd_\w+)", page))

            node.kill()                                    # and its disk with it: nothing of `first` is used again
            node = start_node(
                second_home, mock.url, flags=(*shared.flags, "--node-id", "n2"), env=shared.env, seconds=40)
            management = Management(node.url, admin_token(second_home))
            # Until the dead node's lease ends, its slots are taken to be its own.
            eventually("the slots are claimed", lambda: len(status(node, second_home)["slots"]) == 16, 20)
            rows = {row["id"]: row for row in management.all()}
            assert set(rows) == set(words)
            for log_id, word in words.items():
                assert f"nonce:{word}".encode() in management.body(log_id, "request")
            assert rows[rated]["feedback"] == 1
            assert management.live_rows() == len(words)
            management.row(chat(node, nonce()))            # and it goes on
            assert node.stop() == 0
        finally:
            if node and node.child.poll() is None:
                node.kill()
            mock.stop()
            shared.stop()


@pytest.mark.parametrize("engine", ["weed", "etcd"])
def test_the_proxy_never_waits_for_the_log(engine):
    with tempfile.TemporaryDirectory(prefix="tidegate-shared-") as root:
        home = Path(root) / "home"
        home.mkdir()
        shared, mock = Shared(root), start_mock(root)
        node = None
        try:
            node = start_node(home, mock.url, flags=shared.flags, env=shared.env)
            management = Management(node.url, admin_token(home))
            words = {chat(node, word): word for word in (nonce() for _ in range(5))}
            with getattr(shared, engine).frozen():
                deadline = time.monotonic() + 12           # longer than the lease, and than a try of a put
                while time.monotonic() < deadline:
                    began, word = time.monotonic(), nonce()
                    words[chat(node, word)] = word
                    assert time.monotonic() - began < 1, "a call waited for the log"
                    time.sleep(0.2)
            for log_id, word in words.items():
                management.row(log_id, seconds=40)
                assert f"nonce:{word}".encode() in management.body(log_id, "request")
            assert set(words) == {row["id"] for row in management.all()}
            assert management.live_rows() == len(words)
            assert httpx.get(f"{node.url}/readyz").status_code == 200
            assert node.stop(40) == 0
        finally:
            if node and node.child.poll() is None:
                node.kill()
            mock.stop()
            shared.stop()


def test_what_is_wrong_with_the_shared_engines_is_said():
    with tempfile.TemporaryDirectory(prefix="tidegate-shared-") as root:
        for flags, words in [
            (("--coordination", "etcd:http://127.0.0.1:1", "--store", "s3:http://127.0.0.1:1/rows"), "No etcd member"),
            (("--coordination", "etcd:http://127.0.0.1:1"), "do not go together"),
        ]:
            with pytest.raises(RuntimeError) as refused:
                start_node(root, "http://127.0.0.1:1", flags=flags, env={
                    "TIDEGATE_S3_ACCESS_KEY": "a", "TIDEGATE_S3_SECRET_KEY": "b"})
            assert words in str(refused.value), json.dumps(flags)
