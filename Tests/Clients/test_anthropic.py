"""The official Anthropic SDK through a node."""

import anthropic
import pytest

from management import check_row, cost, nonce, tokens

MODEL = "claude-sonnet-4-5"


def ask(word):
    return {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": f"nonce:{word}"}]}


def test_messages(anthropic_client, management):
    word = nonce()
    raw = anthropic_client.messages.with_raw_response.create(**ask(word))
    answer = raw.parse()
    text = answer.content[0].text
    assert f"nonce:{word}" in text
    row, _, _ = check_row(
        management, raw.headers["cf-aig-log-id"], provider="anthropic", model=MODEL, path="messages",
        answer_text=text, word=word)
    assert row["cost"] == pytest.approx(cost("anthropic", MODEL, row["tokens_in"], row["tokens_out"]), rel=1e-9)


def test_cached_input_is_priced_apart(anthropic_client, management):
    content = [{"type": "text", "text": f"nonce:{nonce()} " + "fact " * 400, "cache_control": {"type": "ephemeral"}}]
    raw = anthropic_client.messages.with_raw_response.create(
        model=MODEL, max_tokens=64, messages=[{"role": "user", "content": content}])
    usage = raw.parse().usage
    assert usage.cache_read_input_tokens > 0 and usage.cache_creation_input_tokens > 0
    row = management.row(raw.headers["cf-aig-log-id"])
    expected = cost("anthropic", MODEL, usage.input_tokens, usage.output_tokens,
                    usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    assert row["cost"] == pytest.approx(expected, rel=1e-9)


def test_streamed_messages(anthropic_client, management):
    word = nonce()
    with anthropic_client.messages.stream(**ask(word)) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
        log_id = stream.response.headers["cf-aig-log-id"]
    assert f"nonce:{word}" in text and final.usage.output_tokens == tokens(len(text))
    assert final.stop_reason == "end_turn"
    row, _, _ = check_row(
        management, log_id, provider="anthropic", model=MODEL, path="messages", answer_text=text, word=word)
    assert row["cost"] == pytest.approx(cost("anthropic", MODEL, row["tokens_in"], row["tokens_out"]), rel=1e-9)


@pytest.mark.parametrize("fault, status, kind", [
    ("error", 500, anthropic.InternalServerError), ("rate-limit", 429, anthropic.RateLimitError),
    ("unavailable", 529, anthropic.APIStatusError)])
def test_provider_errors_pass_through(anthropic_client, management, fault, status, kind):
    with pytest.raises(kind) as caught:
        anthropic_client.messages.create(**ask(nonce()), extra_headers={"x-mock-fault": fault})
    assert caught.value.status_code == status
    row = management.row(caught.value.response.headers["cf-aig-log-id"])
    assert row["status_code"] == status and row["success"] is False


def test_wrong_key(stack):
    client = anthropic.Anthropic(base_url=f"{stack.base}/anthropic", api_key="sk-invalid", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        client.messages.create(**ask(nonce()))


def test_client_timeout(anthropic_client):
    with pytest.raises(anthropic.APITimeoutError):
        anthropic_client.messages.create(**ask(nonce()), timeout=0.3, extra_headers={"x-mock-latency-ms": "3000"})
