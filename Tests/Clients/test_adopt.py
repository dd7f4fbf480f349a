"""The authority is restored from a backup: nodes refuse, `tidegate coord adopt` finds the log's true end, nothing is lost."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

from management import Management, nonce
from processes import admin_token, binary, start_mock, start_node
from test_crash import audit

SNAPSHOTS = {"TIDEGATE_OBJECTS_SNAPSHOT_OBJECTS": "3"}


def chat(node, word, gateway="default"):
    answer = httpx.post(
        f"{node.url}/v1/default/{gateway}/openai/chat/completions",
        headers={"authorization": "Bearer sk-mock", "cf-aig-event-id": word},
        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"nonce:{word}"}]})
    assert answer.status_code == 200, answer.text
    return answer.headers["cf-aig-log-id"]


def adopt(home, *flags):
    return subprocess.run(
        [binary(), "coord", "adopt", "--state", str(home / "state"), *flags], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "later,after_deletion", [(3, 0), (25, 0), (3, 16)],
    ids=["short", "behind-two-snapshots", "deletion-behind-two-snapshots"])
def test_a_restored_authority_is_rolled_forward(later, after_deletion):
    with tempfile.TemporaryDirectory(prefix="tidegate-adopt-") as root:
        home = Path(root)
        mock = start_mock(home)
        node = None
        try:
            node = start_node(home, mock.url, env=SNAPSHOTS)
            management = Management(node.url, admin_token(home))

            def call(count):
                words = [nonce() for _ in range(count)]
                for log_id in [chat(node, word) for word in words]:
                    management.row(log_id)    # one after the other: many log objects
                return words

            early = call(5)
            management.call("POST", "/accounts/default/ai-gateway/gateways", json={
                "id": "doomed", "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
                "rate_limiting_interval": 0, "rate_limiting_limit": 0})
            assert node.stop() == 0
            shutil.copytree(home / "state" / "coordination", home / "backup")

            node = start_node(home, mock.url, env=SNAPSHOTS)
            management = Management(node.url, admin_token(home))
            late = []
            for _ in range(later):
                late += call(1)
            management.call("PATCH", f"{management.logs_path}/{management.all()[0]['id']}", json={"score": 55})
            chat(node, nonce(), "doomed")
            management.call("DELETE", "/accounts/default/ai-gateway/gateways/doomed")
            for _ in range(after_deletion):
                late += call(1)
            refused = adopt(home)
            assert refused.returncode == 78 and "another process" in refused.stderr.lower()
            node.kill()
            shutil.rmtree(home / "state" / "coordination")
            shutil.copytree(home / "backup", home / "state" / "coordination")

            with pytest.raises(RuntimeError) as behind:
                start_node(home, mock.url, env=SNAPSHOTS)
            assert "tidegate coord adopt" in str(behind.value)

            dry = json.loads(adopt(home, "--dry-run", "--json").stdout)
            assert dry["isDryRun"] and any(slot["n"] > slot["restoredN"] for slot in dry["slots"])
            with pytest.raises(RuntimeError):
                start_node(home, mock.url, env=SNAPSHOTS)
            done = adopt(home)
            assert done.returncode == 0, done.stderr
            assert "Generation 2 started after 1" in done.stdout

            node = start_node(home, mock.url, env=SNAPSHOTS)
            management = Management(node.url, admin_token(home))
            more = call(4)
            rows = management.all()
            assert sorted(row["event_id"] for row in rows) == sorted(early + late + more)
            assert [row.get("score") for row in rows].count(55) == 1
            names = [g["id"] for g in management.call("GET", "/accounts/default/ai-gateway/gateways")["result"]]
            assert "doomed" not in names
            for _ in range(12):
                more += call(1)    # snapshots in the new generation
            assert node.stop() == 0
            report = json.loads(audit(home, "--json").stdout)
            assert report["holds"], report
            assert report["generation"] == 2 and sum(slot["rows"] for slot in report["slots"]) == len(early + late + more)
            # Another machine: nothing but the two stores.
            shutil.rmtree(home / "state" / "objects")
            node = start_node(home, mock.url, env=SNAPSHOTS)
            assert len(Management(node.url, admin_token(home)).all()) == len(early + late + more)
        finally:
            if node and node.child.poll() is None:
                node.kill()
            mock.stop()
