"""Crashes at named places and the auditor, in short: scripts/crash-matrix.sh runs all of it."""

import json
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

import crash_matrix
from processes import admin_token, binary, start_mock, start_node
from management import Management
from servers import Shared


# Of those that came with seals and bodies the ones where most is half done: the script runs all.
LEFT_OUT = {"afterSegmentPut", "beforeSealApply", "beforeGarbageDelete", "beforeBodyPut", "duringCompactionApply"}


@pytest.mark.parametrize("point", sorted({*crash_matrix.POINTS, *crash_matrix.AT_START} - LEFT_OUT))
def test_a_crash_loses_nothing_even_without_the_databases(point):
    report = crash_matrix.crash(point, "rebuilt")
    assert report["pass"], json.dumps(report, indent=1)


@pytest.mark.parametrize("point", ["afterPut", "beforePublish"])
def test_another_machine_takes_over(point, tmp_path):
    servers = Shared(tmp_path)
    try:
        report = crash_matrix.crash(point, "takeover", servers)
    finally:
        servers.stop()
    assert report["pass"], json.dumps(report, indent=1)


def test_an_entry_that_kills_its_owners_is_set_aside():
    with tempfile.TemporaryDirectory(prefix="tidegate-poison-") as root:
        home = Path(root)
        mock = start_mock(home)
        node = start_node(home, mock.url, env={"TIDEGATE_FAULT": "appliesPoison:1"})

        def chat(word):
            return httpx.post(
                f"{node.url}/v1/default/default/openai/chat/completions", timeout=5,
                headers={"authorization": "Bearer sk-mock", "cf-aig-event-id": word},
                json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": word}]})

        try:
            management = Management(node.url, admin_token(home))
            for word in ("one", "two"):
                management.row(chat(word).headers["cf-aig-log-id"])
            chat("poison")
            node.child.wait(10)     # committed, and then applied
            starts = 0
            while True:             # and again by whoever replays it, until the claims are seen to be many
                starts += 1
                try:
                    node = start_node(home, mock.url, env={"TIDEGATE_FAULT": "appliesPoison:1"})
                    break
                except RuntimeError:
                    assert starts < 4
            assert starts == 2, starts      # the first start of all was a claim too
            management = Management(node.url, admin_token(home))
            management.row(chat("three").headers["cf-aig-log-id"])
            assert sorted(row["event_id"] for row in management.all()) == ["one", "three", "two"]
            metrics = httpx.get(f"{node.url}/metrics").text
            assert "tidegate_poison_entries_total 1" in metrics
            assert node.stop() == 0
        finally:
            node.kill()
            mock.stop()


def audit(home, *flags):
    return subprocess.run(
        [binary(), "audit", "--state", str(home / "state"), *flags], capture_output=True, text=True, timeout=60)


def test_the_audit_finds_what_is_wrong():
    with tempfile.TemporaryDirectory(prefix="tidegate-audit-test-") as root:
        home = Path(root)
        nothing = audit(home)
        assert nothing.returncode == 78 and "check --state" in nothing.stderr
        mock = start_mock(home)
        node = start_node(home, mock.url, env={"TIDEGATE_OBJECTS_SNAPSHOT_OBJECTS": "2"})
        try:
            management = Management(node.url, admin_token(home))
            for number in range(12):
                answer = httpx.post(
                    f"{node.url}/v1/default/default/openai/chat/completions", headers={"authorization": "Bearer sk-mock"},
                    json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"nonce:{number}"}]})
                management.row(answer.headers["cf-aig-log-id"])
            running = audit(home)
            assert running.returncode == 0, running.stdout + running.stderr
            assert "All invariants that the stores can show hold." in running.stdout
            node.kill()
        finally:
            node.kill()
            mock.stop()
        whole = json.loads(audit(home, "--json").stdout)
        assert whole["holds"] and sum(slot["rows"] for slot in whole["slots"]) == 12
        tested = {check["invariant"]: check["tested"] for check in whole["checks"]}
        assert all(tested[name] > 0 for name in ("I1", "I2", "I3", "I9", "I10", "I11", "I12")), tested

        store = home / "state" / "store"

        def violated(change, file):
            content = file.read_bytes()
            change(file, content)
            try:
                result = audit(home, "--json")
                assert result.returncode == 1
                return {check["invariant"] for check in json.loads(result.stdout)["checks"] if check["violations"]}
            finally:
                file.write_bytes(content)

        def gone(file, content):
            file.unlink()

        def flipped(file, content):
            file.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])

        newest_log = max((p for p in store.glob("1/log/**/*") if p.is_file()), key=lambda p: int(p.name))
        database = max((p for p in store.glob("1/db/**/*") if p.is_file()), key=lambda p: p.stat().st_mtime_ns)
        manifest = max((p for p in store.glob("1/snap/**/*") if p.is_file()), key=lambda p: p.stat().st_mtime_ns)
        assert "I3" in violated(gone, newest_log)
        assert "I3" in violated(flipped, newest_log)
        assert "I12" in violated(gone, database)
        assert "I12" in violated(flipped, manifest)
        assert audit(home).returncode == 0
