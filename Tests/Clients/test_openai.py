"""The official OpenAI SDK through a node: what the program gets, and what the log says of it."""

import json

import openai
import pytest

from management import check_row, cost, nonce, tokens

MODEL = "gpt-4o-mini"


def ask(word):
    return [{"role": "user", "content": f"Say something short. nonce:{word}"}]


def chat(client, word, **arguments):
    return client.chat.completions.with_raw_response.create(model=MODEL, messages=ask(word), **arguments)


def test_chat(openai_client, management):
    word = nonce()
    raw = chat(openai_client, word)
    answer = raw.parse()
    text = answer.choices[0].message.content
    assert f"nonce:{word}" in text
    row, _, response = check_row(
        management, raw.headers["cf-aig-log-id"], provider="openai", model=MODEL, path="chat/completions",
        answer_text=text, word=word)
    assert (row["tokens_in"], row["tokens_out"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row["cost"] == pytest.approx(cost("openai", MODEL, row["tokens_in"], row["tokens_out"]), rel=1e-9)
    assert json.loads(response)["id"] == answer.id


def test_chat_with_cached_input(openai_client, management):
    word = nonce()
    raw = openai_client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": f"nonce:{word} " + "long prompt " * 800}])
    usage = raw.parse().usage
    cached = usage.prompt_tokens_details.cached_tokens
    assert cached > 0
    row = management.row(raw.headers["cf-aig-log-id"])
    expected = cost("openai", MODEL, usage.prompt_tokens - cached, usage.completion_tokens, read=cached)
    assert row["cost"] == pytest.approx(expected, rel=1e-9)


def test_response_headers(openai_client, management):
    raw = chat(openai_client, nonce(), extra_headers={"cf-aig-event-id": "event-" + nonce()})
    for name in ("cf-aig-log-id", "cf-aig-event-id", "cf-aig-step", "x-tidegate-overhead-ms"):
        assert raw.headers.get(name), f"{name} is missing"
    assert raw.headers["cf-aig-step"] == "0"
    assert float(raw.headers["x-tidegate-overhead-ms"]) < 1_000
    assert raw.headers["cf-aig-event-id"].startswith("event-")
    assert management.by_event(raw.headers["cf-aig-event-id"])[0]["id"] == raw.headers["cf-aig-log-id"]


def test_streamed_chat_with_usage(openai_client, management):
    word = nonce()
    with openai_client.chat.completions.with_streaming_response.create(
            model=MODEL, messages=ask(word), stream=True, stream_options={"include_usage": True}) as raw:
        log_id = raw.headers["cf-aig-log-id"]
        chunks = list(raw.parse())
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    usage = chunks[-1].usage
    assert f"nonce:{word}" in text and usage.completion_tokens == tokens(len(text))
    row, _, response = check_row(
        management, log_id, provider="openai", model=MODEL, path="chat/completions", answer_text=text, word=word)
    assert row["cost"] == pytest.approx(cost("openai", MODEL, row["tokens_in"], row["tokens_out"]), rel=1e-9)
    assert response.rstrip().endswith(b"data: [DONE]")


def test_streamed_chat_without_usage_has_no_tokens(openai_client, management):
    with openai_client.chat.completions.with_streaming_response.create(
            model=MODEL, messages=ask(nonce()), stream=True) as raw:
        log_id = raw.headers["cf-aig-log-id"]
        assert list(raw.parse())
    row = management.row(log_id)
    assert row["tokens_out"] is None and not row.get("cost")


def test_responses(openai_client, management):
    word = nonce()
    raw = openai_client.responses.with_raw_response.create(model=MODEL, input=f"nonce:{word}")
    answer = raw.parse()
    assert f"nonce:{word}" in answer.output_text
    row, _, _ = check_row(
        management, raw.headers["cf-aig-log-id"], provider="openai", model=MODEL, path="responses",
        answer_text=answer.output_text, word=word)
    assert row["cost"] == pytest.approx(cost("openai", MODEL, row["tokens_in"], row["tokens_out"]), rel=1e-9)


def test_streamed_responses(openai_client, management):
    word = nonce()
    with openai_client.responses.with_streaming_response.create(
            model=MODEL, input=f"nonce:{word}", stream=True) as raw:
        log_id = raw.headers["cf-aig-log-id"]
        events = list(raw.parse())
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert events[-1].response.output_text == text
    check_row(management, log_id, provider="openai", model=MODEL, path="responses", answer_text=text, word=word)


@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_embeddings(openai_client, management, encoding):
    model = "text-embedding-3-small"
    raw = openai_client.embeddings.with_raw_response.create(
        model=model, input=["one", "two"], encoding_format=encoding)
    answer = raw.parse()
    vectors = [e.embedding for e in answer.data]
    assert len(vectors) == 2 and vectors[0] != vectors[1]
    row = management.row(raw.headers["cf-aig-log-id"])
    assert row["tokens_in"] == answer.usage.prompt_tokens
    assert row["cost"] == pytest.approx(cost("openai", model, row["tokens_in"], 0), rel=1e-9)


def test_models(openai_client):
    assert MODEL in [m.id for m in openai_client.models.list()]
    assert openai_client.models.retrieve(MODEL).id == MODEL


@pytest.mark.parametrize("fault, status, kind", [
    ("error", 500, openai.InternalServerError), ("unavailable", 503, openai.InternalServerError),
    ("rate-limit", 429, openai.RateLimitError)])
def test_provider_errors_pass_through(openai_client, management, fault, status, kind):
    with pytest.raises(kind) as caught:
        chat(openai_client, nonce(), extra_headers={"x-mock-fault": fault})
    headers = caught.value.response.headers
    assert caught.value.status_code == status and "on purpose" in str(caught.value)
    if status == 429:
        assert headers["retry-after"] == "1"
    check_row(
        management, headers["cf-aig-log-id"], provider="openai", model=MODEL, path="chat/completions", status=status)


def test_wrong_key_is_the_providers_error(stack, management):
    client = openai.OpenAI(base_url=f"{stack.base}/openai", api_key="sk-invalid", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        chat(client, nonce())
    assert caught.value.code == "invalid_api_key"
    assert management.row(caught.value.response.headers["cf-aig-log-id"])["status_code"] == 401


def test_unknown_path_is_the_providers_error(openai_client):
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("no-such-model")


def test_client_timeout(openai_client):
    with pytest.raises(openai.APITimeoutError):
        chat(openai_client, nonce(), timeout=0.3, extra_headers={"x-mock-latency-ms": "3000"})


def test_request_timeout_counts_to_the_first_byte(openai_client, management):
    event = "event-" + nonce()
    with pytest.raises(openai.APIStatusError) as caught:
        chat(openai_client, nonce(), extra_headers={
            "x-mock-latency-ms": "5000", "cf-aig-request-timeout": "200", "cf-aig-event-id": event})
    assert caught.value.status_code >= 400
    assert management.by_event(event)[0]["success"] is False
    slow_stream = {"x-mock-interval-ms": "60", "cf-aig-request-timeout": "300"}
    with openai_client.chat.completions.with_streaming_response.create(
            model=MODEL, messages=ask(nonce()), stream=True, extra_headers=slow_stream) as raw:
        assert list(raw.parse()), "a stream that has begun may take longer than the timeout"


def test_the_sdks_own_retry_makes_rows_of_their_own(stack, management):
    client = openai.OpenAI(base_url=f"{stack.base}/openai", api_key="sk-mock", max_retries=1)
    event = "event-" + nonce()
    with pytest.raises(openai.InternalServerError):
        chat(client, nonce(), extra_headers={"x-mock-fault": "error", "cf-aig-event-id": event})
    management.by_event(event, count=2)
