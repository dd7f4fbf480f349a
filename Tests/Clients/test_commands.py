"""The command-line clients against a node, as scripts use them."""

import json
import subprocess

import httpx
import pytest

from management import nonce
from processes import admin_token, binary


@pytest.fixture
def tidegate(stack):
    token = admin_token(stack.directory)

    def run(*arguments, code=0):
        done = subprocess.run(
            [binary(), *arguments, "--target", stack.node.url, "--token", token], capture_output=True, text=True,
            timeout=60)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def gateway(stack, tidegate):
    name = "cli-" + nonce()
    tidegate("gateway", "create", name)

    def chat(word):
        answer = httpx.post(
            f"{stack.node.url}/v1/default/{name}/openai/chat/completions", headers={"authorization": "Bearer sk-mock"},
            json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"nonce:{word}"}]})
        assert answer.status_code == 200, answer.text
        return answer.headers["cf-aig-log-id"]

    yield name, chat
    tidegate("gateway", "delete", name)


def wait(stack, name, log_id):
    management = stack.management.http
    path = f"/accounts/default/ai-gateway/gateways/{name}/logs/{log_id}"
    while management.get(path).status_code != 200:
        pass


def test_long_bodies_are_exported_with_their_rows(stack, tidegate, gateway):
    name, chat = gateway
    content = "x" * 700_000
    answer = httpx.post(
        f"{stack.node.url}/v1/default/{name}/openai/chat/completions", headers={"authorization": "Bearer sk-mock"},
        json={"messages": [{"role": "user", "content": content}], "model": "gpt-4o-mini"}, timeout=30)
    assert answer.status_code == 200
    chat(nonce())
    stack.management.__class__(stack.node.url, admin_token(stack.directory), gateway=name).row(
        answer.headers["cf-aig-log-id"], seconds=20)
    row = json.loads(tidegate("logs", "export", "--gateway", name, "--bodies").stdout.splitlines()[0])
    assert json.loads(row["request_body"])["messages"][0]["content"] == content
    assert json.loads(row["response_body"]) == answer.json() and row["model"].startswith("gpt-4o-mini")


def test_logs_are_exported_whole_and_in_parts_and_deleted(stack, tidegate, gateway):
    name, chat = gateway
    words = {chat(word): word for word in (nonce() for _ in range(120))}
    for log_id in words:
        wait(stack, name, log_id)
    done = tidegate("logs", "export", "--gateway", name, "--bodies")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["id"] for row in rows] == list(words) and "120 rows exported" in done.stderr
    assert all(f"nonce:{words[row['id']]}" in row["request_body"] and row["response_body"] for row in rows)

    page = stack.management.call(
        "GET", f"/accounts/default/ai-gateway/gateways/{name}/logs",
        params={"per_page": 50, "order_by": "created_at", "order_by_direction": "asc"})
    rest = tidegate("logs", "export", "--gateway", name, "--cursor", page["result_info"]["cursor"])
    assert [json.loads(line)["id"] for line in rest.stdout.splitlines()] == list(words)[50:]

    listed = json.loads(tidegate("logs", "list", "--gateway", name, "--limit", "90", "--json").stdout)
    assert [row["id"] for row in listed] == list(reversed(words))[:90]
    assert "120 rows deleted" in tidegate("logs", "delete", "--gateway", name, "--all").stdout


def test_mistakes_are_told(tidegate, gateway):
    name, _ = gateway
    assert "default" in tidegate("account", "list").stdout
    assert "no such setting: cache_tll" in tidegate("gateway", "update", name, "--set", "cache_tll=3", code=1).stderr
    assert "no key of a filter" in tidegate("logs", "list", "--filter", "foo eq 1", code=64).stderr
    unknown = "01a20ffb-3db0-7d20-9631-b933a99ab449"
    assert "no row" in tidegate("logs", "patch", unknown, "--score", "5", "--gateway", name).stdout
