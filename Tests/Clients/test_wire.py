"""What no SDK shows: cut streams, clients that leave, other providers, steps, and the log's own API."""

import json
import re
import socket
import time

import httpx
import pytest

from management import check_row, cost, nonce, tokens
from processes import REPOSITORY

KEY = {"Authorization": "Bearer sk-mock"}


def body(word, model="gpt-4o-mini", **more):
    return {"model": model, "messages": [{"role": "user", "content": f"nonce:{word}"}], **more}


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=stack.base, headers=KEY, timeout=20) as client:
        yield client


def test_a_stream_cut_by_the_provider_never_ends_cleanly(http, management):
    event = "event-" + nonce()
    got, ended_cleanly = b"", True
    try:
        with http.stream("POST", "/openai/chat/completions", json=body(nonce(), stream=True),
                         headers={"x-mock-fault": "cut", "cf-aig-event-id": event}) as response:
            for part in response.iter_bytes():
                got += part
    except httpx.HTTPError:
        ended_cleanly = False
    assert b"[DONE]" not in got
    assert not ended_cleanly or b'"error"' in got, "a client could take the half for the whole"
    assert management.by_event(event)[0]["success"] is False


def test_a_client_that_leaves_has_a_row(stack, management):
    event, payload = "event-" + nonce(), json.dumps(body(nonce(), stream=True)).encode()
    host, port = stack.node.url.removeprefix("http://").rsplit(":", 1)
    before = stack.mock_stats()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            (f"POST /v1/default/default/openai/chat/completions HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer sk-mock\r\n"
             f"Content-Type: application/json\r\nx-mock-chunks: 400\r\nx-mock-interval-ms: 50\r\n"
             f"cf-aig-event-id: {event}\r\nContent-Length: {len(payload)}\r\n\r\n").encode() + payload)
        assert b"200 OK" in connection.recv(4096)
    assert management.by_event(event, seconds=15)[0]["outcome"] == "client_left"
    deadline = time.monotonic() + 15
    while stack.mock_stats()["abandoned"] == before["abandoned"]:
        assert time.monotonic() < deadline, "the upstream call was not cancelled"
        time.sleep(0.05)


def test_gemini(http, management):
    word, model = nonce(), "gemini-2.5-flash"
    ask = {"contents": [{"role": "user", "parts": [{"text": f"nonce:{word}"}]}]}
    base = f"/google-ai-studio/v1beta/models/{model}"
    whole = http.post(f"{base}:generateContent", json=ask, headers={"x-goog-api-key": "k"})
    text = whole.json()["candidates"][0]["content"]["parts"][0]["text"]
    row, _, _ = check_row(management, whole.headers["cf-aig-log-id"], provider="google-ai-studio", model=model,
                          path="generateContent", answer_text=text, word=word)
    assert row["cost"] == pytest.approx(
        cost("google-ai-studio", model, row["tokens_in"], row["tokens_out"]), rel=1e-9)
    for query in ("?alt=sse", ""):
        streamed = http.post(f"{base}:streamGenerateContent{query}", json=ask, headers={"x-goog-api-key": "k"})
        if query:
            parts = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
        else:
            parts = streamed.json()
        text = "".join(p["candidates"][0]["content"]["parts"][0]["text"] for p in parts)
        check_row(management, streamed.headers["cf-aig-log-id"], provider="google-ai-studio", model=model,
                  path="streamGenerateContent", answer_text=text, word=word)


@pytest.mark.parametrize("stream", [False, True])
def test_workers_ai(http, management, stream):
    word, model = nonce(), "@cf/openai/gpt-oss-120b"
    answer = http.post(f"/workers-ai/{model}", json={"prompt": f"nonce:{word}", "stream": stream})
    assert answer.status_code == 200, answer.text
    if stream:
        events = [json.loads(line[6:]) for line in answer.text.splitlines()
                  if line.startswith("data: ") and "[DONE]" not in line]
        text = "".join(e["response"] for e in events)
    else:
        text = answer.json()["result"]["response"]
    row, _, _ = check_row(management, answer.headers["cf-aig-log-id"], provider="workers-ai", model=model,
                          path="@cf/", answer_text=text, word=word)
    assert row["cost"] == pytest.approx(cost("workers-ai", model, row["tokens_in"], row["tokens_out"]), rel=1e-9)


def test_a_doubled_v1_reaches_the_same_path(http):
    assert http.post("/openai/v1/chat/completions", json=body(nonce())).status_code == 200


def test_universal_falls_back_and_says_which_step(http, management):
    event, word = "event-" + nonce(), nonce()
    answer = http.post("", headers={"cf-aig-event-id": event}, json=[
        {"provider": "openai", "endpoint": "chat/completions", "headers": {**KEY, "x-mock-fault": "error"},
         "query": body(word)},
        {"provider": "anthropic", "endpoint": "v1/messages",
         "headers": {"x-api-key": "k", "anthropic-version": "2023-06-01", "Content-Type": "application/json"},
         "query": {"max_tokens": 9, **body(word, model="claude-sonnet-4-5")}}])
    assert answer.status_code == 200, answer.text
    assert answer.headers["cf-aig-step"] == "1" and answer.json()["type"] == "message"
    rows = management.by_event(event, count=2)
    assert {(r["provider"], r["step"], r["success"]) for r in rows} == {("openai", 0, False), ("anthropic", 1, True)}


def test_compat(http, management):
    answer = http.post("/compat/chat/completions", json=body(nonce(), model="openai/gpt-4o-mini"))
    assert answer.status_code == 200, answer.text
    row = management.row(answer.headers["cf-aig-log-id"])
    assert row["provider"] == "openai"
    refused = http.post("/compat/chat/completions", json=body(nonce(), model="gpt-4o-mini"))
    assert refused.status_code == 400 and refused.json()["error"][0]["code"] == 2019


def test_gateway_errors(stack, http):
    unknown = httpx.post(f"{stack.node.url}/v1/default/nowhere/openai/chat/completions", json=body(nonce()))
    assert unknown.status_code == 400 and unknown.json()["error"][0]["code"] == 2001
    provider = http.post("/no-such-provider/x", json={})
    assert provider.status_code == 400 and provider.json()["error"][0]["code"] == 2008


def test_collect_log_headers(http, management):
    off = "event-" + nonce()
    answer = http.post("/openai/chat/completions", json=body(nonce()),
                       headers={"cf-aig-collect-log": "false", "cf-aig-event-id": off})
    assert answer.status_code == 200
    bare = http.post("/openai/chat/completions", json=body(nonce()), headers={"cf-aig-collect-log-payload": "false"})
    row = management.row(bare.headers["cf-aig-log-id"])
    assert row["tokens_in"] > 0
    for part in ("request", "response"):
        assert management.http.get(f"{management.logs_path}/{row['id']}/{part}").status_code == 404
    assert management.page([("event_id", "eq", [off])])["result"] == [], "a row was made although it was not wanted"


def test_custom_cost_and_metadata(http, management):
    answer = http.post("/openai/chat/completions", json=body(nonce()), headers={
        "cf-aig-custom-cost": '{"per_token_in":0.001,"per_token_out":0.002}',
        "cf-aig-metadata": '{"team":"search","user":42,"beta":true}'})
    row = management.row(answer.headers["cf-aig-log-id"])
    assert row["cost"] == pytest.approx(row["tokens_in"] * 0.001 + row["tokens_out"] * 0.002, rel=1e-9)
    metadata = row["metadata"]
    metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
    assert metadata == {"team": "search", "user": 42, "beta": True}


def test_feedback(http, management):
    log_id = http.post("/openai/chat/completions", json=body(nonce())).headers["cf-aig-log-id"]
    path = f"{management.logs_path}/{log_id}"
    # At once: clients rate right after the answer, before the row is written.
    assert management.call("PATCH", path, json={"feedback": -1, "score": 87})["success"] is True
    row = management.row(log_id)
    deadline = time.monotonic() + 2
    while row.get("feedback") is None and time.monotonic() < deadline:
        row = management.row(log_id)
    assert (row["feedback"], row["score"]) == (-1, 87)
    management.call("PATCH", path, json={"feedback": None})
    assert management.row(log_id)["feedback"] is None
    management.call("PATCH", path, json={"feedback": 2}, status=400)


def test_filters_in_every_spelling(http, management):
    event = "event-" + nonce()
    for fault in (None, "error"):
        headers = {"cf-aig-event-id": event, **({"x-mock-fault": fault} if fault else {})}
        http.post("/openai/chat/completions", json=body(nonce()), headers=headers)
    management.by_event(event, count=2)
    interleaved = [("filters.key", "event_id"), ("filters.operator", "eq"), ("filters.value", event),
                   ("filters.key", "success"), ("filters.operator", "eq"), ("filters.value", "false")]
    grouped = sorted(interleaved, key=lambda pair: ["filters.key", "filters.operator", "filters.value"].index(pair[0]))
    text = [("filters", json.dumps([{"key": "event_id", "operator": "eq", "value": [event]},
                                    {"key": "success", "operator": "eq", "value": [False]}]))]
    for spelling in (interleaved, grouped, text):
        rows = management.call("GET", management.logs_path, params=spelling)["result"]
        assert [r["status_code"] for r in rows] == [500], spelling
    assert management.page([("event_id", "eq", [event]), ("status_code", "lt", [400])])["result_info"]["count"] == 1


def test_pages(management, http):
    for _ in range(3):
        http.post("/openai/chat/completions", json=body(nonce()))
    time.sleep(0.3)
    first, second = management.page(page=1, per_page=1), management.page(page=2, per_page=1)
    assert first["result"][0]["id"] != second["result"][0]["id"]
    assert first["result_info"]["total_count"] >= 3
    assert management.page(page=100_000)["result"] == []
    management.call("GET", management.logs_path, params={"per_page": 100}, status=400)


def test_tokens_never_show_twice_and_guard(stack, management):
    made = management.call("POST", "/accounts/default/tokens", json={"name": "t", "permissions": ["read"]})["result"]
    listed = management.call("GET", "/accounts/default/tokens")["result"]
    assert made["secret"].startswith("tg_")
    assert all("secret" not in token for token in listed) and made["id"] in [t["id"] for t in listed]
    reader = httpx.Client(headers={"Authorization": f"Bearer {made['secret']}"})
    url = f"{stack.node.url}/client/v4{management.logs_path}"
    assert reader.get(url).status_code == 200
    assert reader.delete(url).status_code == 403
    management.call("DELETE", f"/accounts/default/tokens/{made['id']}")
    assert reader.get(url).status_code in (401, 403)
    assert httpx.get(url).status_code in (401, 403)


def test_usage_counts_rows(management, http):
    http.post("/openai/chat/completions", json=body(nonce()))
    deadline = time.monotonic() + 3
    while management.live_rows() != len(management.all()):
        assert time.monotonic() < deadline, "usage and the log disagree"
        time.sleep(0.1)


def test_mock_counts_tokens_by_its_rule():
    assert [tokens(n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_metrics_move_and_every_one_is_documented(stack, http, management):
    management.row(http.post("/openai/chat/completions", json=body(nonce())).headers["cf-aig-log-id"])
    text = httpx.get(f"{stack.node.url}/metrics").text
    values = {}
    for name, value in re.findall(r"^(tidegate_\w+?)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE):
        values[name] = values.get(name, 0) + float(value)
    assert values["tidegate_rows_committed_total"] >= 1 and values["tidegate_requests_total"] >= 1
    assert values["tidegate_log_visible_duration_seconds_count"] >= 1
    page, _ = (REPOSITORY / "Docs/operations/metrics.md").read_text().split("## On etcd and S3")   # its own test reads those
    documented = set(re.findall(r"`(tidegate_\w+)", page))
    shown = {re.sub(r"_(count|sum|bucket)$", "", name) for name in values}
    assert shown == documented
